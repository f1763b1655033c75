//! Who says two things that exclude each other: what proves it is kept and told, and a device that finds its own key used so
//! stops (protocol §5.7.5).

use sori_mls::branch::Loss;
use sori_mls::{AccountId, CommitHeader, DoubleVote, StateId, Vote};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::{BallotRecord, Notice, NoticeKind, Standing};
use crate::table;
use crate::time::Time;

impl Engine {
    /// Whether the author of a commit has made another one on its parent: nobody who keeps to the rules does, unless
    /// it came back by one of them.
    pub(crate) fn look_for_equivocation(
        &mut self,
        group: &mut Group,
        header: &CommitHeader,
        now: Time,
    ) -> Result<(), Error> {
        if header.rejoined.is_some() || header.author == self.me()?.id {
            return Ok(());
        }
        // Who sees that its commit does not count may make another one.
        let losses = group.choose()?.losses;
        let void = |id: &StateId| {
            let loss = losses.get(id);
            matches!(loss, Some(Loss::Unprocessable | Loss::Poisoned))
        };
        if void(&header.id) {
            return Ok(());
        }
        let others = group.tree.ids().filter(|(id, node)| {
            let is_other = node.parent == header.parent && **id != header.id;
            is_other && node.key.tie == header.key.tie && !void(id)
        });
        for other in others.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(commit) = self.commit_record(group, &other)? else {
                continue;
            };
            let came_back = commit
                .notices
                .iter()
                .any(|n| n.what == NoticeKind::Rejoined);
            let mine = self.commit_record(group, &header.id)?;
            if let Some(mine) = mine.filter(|_| !came_back) {
                let proof = crate::record::encode(&(&commit.message, &mine.message))?;
                self.tell_equivocation(group, header.author, &proof, now)?;
            }
        }
        Ok(())
    }

    /// This device, or a copy of it, has voted twice: it must not go on in this group.
    pub(crate) fn halt(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.record.standing == Standing::Halted {
            return Ok(());
        }
        group.record.standing = Standing::Halted;
        group.record.intents.clear();
        (group.commits_at, group.commits_by) = (None, None);
        self.save_group(group)?;
        let notice = Notice {
            what: NoticeKind::Halted,
            actor: None,
            subject: None,
            detail: String::new(),
        };
        self.add_own_notice(group, notice, now)?;
        self.group_changed(group);
        Ok(())
    }

    /// Tells that an account has voted for two commits on one state. The votes are kept: they prove it.
    pub(crate) fn tell_double_vote(
        &mut self,
        group: &mut Group,
        vote: &Vote,
        now: Time,
    ) -> Result<(), Error> {
        let account = vote.account();
        let parent = vote.parent();
        let mut votes = Vec::new();
        for (number, of) in &group.ballots.rows {
            let key = table::of(group.record.number, *number);
            if *of == parent
                && let Some(BallotRecord::Vote(bytes)) = self.get(table::BALLOT, &key)?
            {
                votes.push(Vote::decode(&bytes)?);
            }
        }
        let mut by_account = votes.into_iter().filter(|vote| vote.account() == account);
        let (Some(one), Some(other)) = (by_account.next(), by_account.next()) else {
            return Ok(());
        };
        if let Some(proof) = DoubleVote::of(one, other) {
            self.tell_equivocation(group, account, &proof.encode()?, now)?;
        }
        Ok(())
    }

    /// Tells that an account has said two things that exclude each other, and keeps the proof.
    pub(crate) fn tell_equivocation(
        &mut self,
        group: &mut Group,
        account: AccountId,
        proof: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let index = group.roster_index(&account);
        let number = u64::try_from(index).map_err(|_| Error::Internal("roster"))?;
        let key = table::of(group.record.number, number);
        // Once is enough for each account.
        if self.store.get(table::PROOF, &key)?.is_some() {
            return Ok(());
        }
        self.put_bytes(table::PROOF, &key, proof)?;
        self.save_group(group)?;
        let notice = Notice {
            what: NoticeKind::Equivocated,
            actor: None,
            subject: Some(account),
            detail: String::new(),
        };
        self.add_own_notice(group, notice, now)
    }
}
