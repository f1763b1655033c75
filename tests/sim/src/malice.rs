//! Members and relays that do not keep to the protocol, with the keys they rightfully have.
//!
//! A malicious member is a device of which there are more than one: copies of one disk that say different things to
//! different people, go on from old states, hear nothing they do not want to hear, and hold back what they made. To
//! that come bytes that no program would send.

use sori_mls::StateId;

use crate::campaign::Campaign;
use crate::forger::Forger;

/// Copies of the malicious member's device that run at the same time, at most.
const ACCOMPLICES: usize = 2;
/// Commits of one copy on one state, one after the other.
const RIVALS: usize = 3;

impl Campaign {
    /// The malicious member does something.
    pub(crate) fn malice(&mut self) {
        let Some(who) = self.malicious.filter(|who| self.world.runs(*who)) else {
            return;
        };
        self.faults.malice += 1;
        match self.below(6) {
            0 => self.make_rivals(who),
            1 => self.equivocate(who),
            2 => self.withhold(who),
            3 => self.play_deaf(who),
            4 => self.forge(who),
            _ => self.throw_garbage(who),
        }
    }

    /// A copy of the device that hears nothing commits on one state again and again.
    fn make_rivals(&mut self, who: usize) {
        let image = self.world.image(who);
        self.tell(format!("{} commits without end", self.name(who)));
        for number in 0..RIVALS {
            let accomplice = self.accomplice(0, &image);
            self.world.people[accomplice].is_cut_off = true;
            self.world.run(1_500);
            self.speak_as(accomplice, &format!("rival {} {number}", self.step));
            self.world.run(500);
        }
        self.dismiss();
    }

    /// Two copies of the device commit different things in one state, one at each node of the relay.
    fn equivocate(&mut self, who: usize) {
        let image = self.world.image(who);
        self.tell(format!("{} tells two stories", self.name(who)));
        let both: Vec<usize> = (0..ACCOMPLICES)
            .map(|number| self.accomplice(number, &image))
            .collect();
        for (side, accomplice) in both.iter().enumerate() {
            self.world.people[*accomplice].is_cut_off = true;
            self.world.set_side(*accomplice, side);
        }
        self.world.run(2_000);
        for accomplice in &both {
            self.speak_as(*accomplice, &format!("story {} {accomplice}", self.step));
        }
        self.world.run(2_000);
        self.dismiss();
    }

    /// Nothing leaves the device until it likes to.
    fn withhold(&mut self, who: usize) {
        let is_mute = !self.world.people[who].is_mute;
        self.tell(format!("{} withholds: {is_mute}", self.name(who)));
        self.world.people[who].is_mute = is_mute;
        if !is_mute {
            self.world.disconnect(who);
        }
    }

    /// The device hears nothing, so it goes on in states of long ago, also if it was put out meanwhile.
    fn play_deaf(&mut self, who: usize) {
        let is_deaf = !self.world.people[who].is_cut_off;
        self.tell(format!("{} plays deaf: {is_deaf}", self.name(who)));
        self.world.people[who].is_cut_off = is_deaf;
    }

    /// Words in the name of others, commits that are valid nowhere, and what is too large: all rightly sealed.
    fn forge(&mut self, who: usize) {
        let Some(forger) = Forger::of(&mut self.world, who) else {
            return;
        };
        self.tell(format!("{} forges", self.name(who)));
        let others = (0..self.people.len()).filter(|other| *other != who);
        let accounts: Vec<_> = others
            .filter_map(|other| self.account_of(other).parse().ok())
            .collect();
        let heard = self.world.kept_on(&forger.topic);
        let mut frames = forger.forged_words(&mut self.world, &accounts, &heard);
        let group = self.group.clone();
        let info = (self.world).look(who, |engine, now| engine.group_info(&group, now));
        let state: Option<StateId> = info.ok().and_then(|info| info.state_hash.parse().ok());
        if let Some(state) = state {
            frames.extend(forger.nonsense_in(&mut self.world, &state));
        }
        frames.extend(forger.oversize(&mut self.world));
        for frame in frames {
            self.world.inject(who, forger.topic, frame);
        }
    }

    /// Frames of every length, and frames of others with one bit turned.
    fn throw_garbage(&mut self, who: usize) {
        self.tell(format!("{} throws garbage", self.name(who)));
        for len in [0, 1, 40, 511, 512, 4_096, 65_536] {
            self.world.inject_noise(who, len);
        }
        for _ in 0..10 {
            self.world.inject_turned(who);
        }
    }

    /// Renames the group and says something, as a program that believes in an old state does.
    fn speak_as(&mut self, accomplice: usize, text: &str) {
        if !self.world.runs(accomplice) {
            return;
        }
        let group = self.group.clone();
        let renamed = (self.world).act(accomplice, |e, now| e.group_rename(&group, text, now));
        let said = (self.world).act(accomplice, |e, now| {
            e.message_send(&group, text, None, now).map(|_| ())
        });
        for done in [renamed, said] {
            let answer = done.as_ref().err().map_or("ok", sori_engine::Error::name);
            self.tell(format!("   {text}: {answer}"));
        }
    }

    /// A copy of a device, made of an image of its disk.
    fn accomplice(&mut self, number: usize, image: &sori_store::MemoryDisk) -> usize {
        if let Some(known) = self.accomplices.get(number).copied() {
            self.world.put_back_secretly(known, image);
            return known;
        }
        let new = self.world.copy_of(image);
        self.accomplices.push(new);
        self.world.start(new);
        new
    }

    /// The copies go.
    pub(crate) fn dismiss(&mut self) {
        for accomplice in self.accomplices.clone() {
            self.world.kill(accomplice);
        }
    }

    /// A relay that is against the group: it withholds everything from one, or tells the two halves nothing of each
    /// other, and says no word of it.
    pub(crate) fn relay_misbehaves(&mut self) {
        if !self.relay_is_malicious {
            return;
        }
        self.faults.relay_malice += 1;
        let who = self.below(self.people.len());
        match self.below(3) {
            0 => {
                self.tell(format!("the relay withholds all from {}", self.name(who)));
                self.world.people[who].is_cut_off = true;
            }
            1 => {
                self.tell("the relay splits the group".into());
                self.world.cut(true, true);
            }
            _ => {
                self.tell("the relay lets things pass again".into());
                for who in 0..self.people.len() {
                    self.world.people[who].is_cut_off &= self.malicious == Some(who);
                }
            }
        }
    }
}
