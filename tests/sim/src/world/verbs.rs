//! What people do, as their windows would.

use std::collections::BTreeSet;

use sori_engine::view::{JoinView, SyncView};
use sori_engine::{InviteOptions, Notices};

use super::World;

impl World {
    /// Makes a group; the others join by one invite and are approved.
    pub fn group(&mut self, name: &str, owner: usize, others: &[usize]) -> String {
        let group = self
            .act(owner, |engine, now| engine.group_create(name, now))
            .unwrap();
        let options = InviteOptions {
            group: Some(group.clone()),
            ..InviteOptions::default()
        };
        let link = self
            .act(owner, |engine, now| engine.invite_create(options, now))
            .unwrap();
        for other in others {
            self.join(&link, owner, *other);
            let id = group.clone();
            self.until(20_000, "joined", |world| {
                world.act(*other, |e, now| e.group_info(&id, now)).is_ok()
            });
        }
        group
    }

    /// Follows a link and is approved.
    pub fn join(&mut self, link: &str, inviter: usize, joiner: usize) {
        let id = self
            .act(joiner, |engine, now| engine.invite_accept(link, now))
            .unwrap();
        self.until(20_000, "asked", |world| {
            world.joins(inviter).iter().any(|join| join.id == id)
        });
        let code = |joins: Vec<JoinView>| {
            let join = joins.into_iter().find(|join| join.id == id);
            join.unwrap().code
        };
        let (ours, theirs) = (code(self.joins(joiner)), code(self.joins(inviter)));
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 7);
        self.act(inviter, |engine, now| engine.join_approve(&id, now))
            .unwrap();
    }

    /// Joins that somebody knows of.
    pub fn joins(&mut self, who: usize) -> Vec<JoinView> {
        self.look(who, |engine, now| engine.join_list(now)).unwrap()
    }

    /// Says something; the id of the message.
    pub fn say(&mut self, who: usize, group: &str, text: &str) -> String {
        self.act(who, |engine, now| {
            engine.message_send(group, text, None, now)
        })
        .unwrap()
    }

    /// What somebody's window shows, the oldest first.
    pub fn texts(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Left, now)
            })
            .unwrap();
        list.into_iter().rev().map(|message| message.text).collect()
    }

    /// How somebody's log stands.
    pub fn sync(&mut self, who: usize, group: &str) -> SyncView {
        self.act(who, |engine, now| engine.sync_status(group, now))
            .unwrap()
    }

    /// How many messages there are, page by page.
    pub fn messages(&mut self, who: usize, group: &str) -> usize {
        let (mut count, mut before) = (0, None::<String>);
        loop {
            let page = self
                .act(who, |engine, now| {
                    engine.message_list(group, before.as_deref(), 500, Notices::Left, now)
                })
                .unwrap();
            count += page.len();
            let Some(last) = page.last() else {
                return count;
            };
            before = Some(last.id.clone());
        }
    }

    /// How somebody's device stands in a group.
    pub fn standing(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .standing
    }

    /// What happened to a group as somebody's window tells it, the oldest first.
    pub fn notices(&mut self, who: usize, group: &str) -> Vec<String> {
        let list = self
            .act(who, |engine, now| {
                engine.message_list(group, None, 1000, Notices::Shown, now)
            })
            .unwrap();
        let notices = list.into_iter().rev().filter_map(|message| message.notice);
        notices.map(|notice| notice.what).collect()
    }

    /// Somebody's account id.
    pub fn account(&mut self, who: usize) -> String {
        self.act(who, |engine, now| engine.account_info(now))
            .unwrap()
            .account
    }

    /// The state that somebody's device is in.
    pub fn state(&mut self, who: usize, group: &str) -> String {
        self.act(who, |engine, now| engine.group_info(group, now))
            .unwrap()
            .state_hash
    }

    /// Whether all of these see the same messages in the same order in the same state.
    pub fn agree(&mut self, group: &str, people: &[usize]) -> bool {
        let states: BTreeSet<_> = people.iter().map(|who| self.state(*who, group)).collect();
        if states.len() != 1 {
            return false;
        }
        let texts: BTreeSet<_> = people.iter().map(|who| self.texts(*who, group)).collect();
        texts.len() == 1
    }
}
