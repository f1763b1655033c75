//! What happens to people, their disks and their network.

use rand_core::RngCore;

use super::Campaign;
use crate::world::End;

impl Campaign {
    pub(super) fn crash(&mut self, who: usize) {
        self.faults.crashes += 1;
        let wait = [50, 2_000, 20_000, 120_000][self.below(4)];
        self.starts.insert(who, self.world.now + wait);
        let name = self.name(who);
        if self.one_in(2) {
            self.tell(format!("{name} is killed"));
            return self.world.kill(who);
        }
        let end = [End::Unwritten, End::Refused, End::Written][self.below(3)];
        self.faults.crashes_in_step += 1;
        self.tell(format!("{name} says and dies {end:?}"));
        let (rename, half) = (self.one_in(2), format!("half {}", self.step));
        let group = self.group.clone();
        self.world
            .act_and_die(who, end, |engine, now| match rename {
                true => engine.group_rename(&group, &half, now),
                false => engine.message_send(&group, &half, None, now).map(|_| ()),
            });
    }

    pub(super) fn noise(&mut self) {
        self.world.ways.loss = [0, 0, 2, 5, 20][self.below(5)];
        self.world.ways.doubled = [0, 3, 10][self.below(3)];
        self.world.ways.delay = [20, 20, 400, 3_000][self.below(4)];
        self.world.ways.replayed = [0, 0, 50][self.below(3)];
        self.world.ways.silent = self.relay_is_malicious;
        self.tell(format!("{:?}", self.world.ways));
    }

    pub(super) fn calm(&mut self) {
        self.world.ways = crate::world::Ways::default();
        self.world.relay(true);
        for person in &mut self.world.people {
            (person.is_cut_off, person.is_mute) = (false, false);
        }
        for who in 0..self.people.len() {
            if self.world.is_failing(who) {
                self.world.kill(who);
            }
            if !self.world.runs(who) {
                self.world.start(who);
            }
        }
        self.starts.clear();
    }

    pub(super) fn clock_jumps(&mut self, who: usize) {
        let skew = i64::try_from(self.below(1_200_000)).unwrap() - 600_000;
        self.faults.clocks += 1;
        self.tell(format!("{}'s clock is {skew} ms off", self.name(who)));
        self.world.set_skew(who, skew);
    }

    pub(super) fn full_disk(&mut self, who: usize) {
        let end = [End::Refused, End::Written][self.below(2)];
        self.faults.full_disks += 1;
        self.tell(format!(
            "{}'s disk fails at the next write: {end:?}",
            self.name(who)
        ));
        self.world.fail_next_commit(who, end);
        let wait = self.world.now + 5_000;
        self.starts.insert(who, wait);
    }

    /// A copy of a disk is made now and then, and put back later: from then on its owner counts as come in anew.
    /// Only one has such a disk: if all had, nobody could let anybody back in.
    pub(super) fn old_disk(&mut self) {
        let Some(who) = self.forgetful else { return };
        let is_in = self.people[who].active && self.world.runs(who);
        if !is_in || !self.world.joins(who).is_empty() {
            return;
        }
        let name = self.name(who);
        match self
            .image
            .take_if(|_| self.rng.next_u64().is_multiple_of(2))
        {
            Some(image) => {
                self.faults.old_disks += 1;
                self.tell(format!("an old disk of {name}"));
                self.world.put_back(who, &image);
                self.people[who].active = false;
                self.image = Some(image);
            }
            None => {
                self.tell(format!("a copy of {name}'s disk"));
                self.image = Some(self.world.image(who));
            }
        }
    }

    pub(super) fn part(&mut self) {
        self.faults.partitions += 1;
        if self.running().iter().all(|who| self.world.side(*who) == 0) {
            for who in 0..self.people.len() {
                let side = self.below(2);
                self.world.set_side(who, side);
            }
        }
        let sides: Vec<usize> = (0..self.people.len()).map(|w| self.world.side(w)).collect();
        self.tell(format!("the relay's nodes are parted: {sides:?}"));
        self.world.cut(true, false);
    }

    pub(super) fn relay_restarts(&mut self) {
        self.faults.relay_restarts += 1;
        self.tell("the relay restarts".into());
        let cut = self.world.is_cut();
        self.world.relay(false);
        let wait = [200, 5_000, 60_000][self.below(3)];
        self.world.run(wait);
        self.world.relay(true);
        self.world.cut(cut, false);
    }
}
