//! What people do.

use std::collections::BTreeSet;

use sori_engine::view::{Direction, GroupInfo, JoinState};

use super::Campaign;
use crate::history::{Said, What};

impl Campaign {
    pub(super) fn say(&mut self, who: usize) {
        let Some(info) = self.info(who) else { return };
        let number = self.below(1 << 30);
        let text = format!("{}-{}-{number}", self.name(who), self.step);
        let kind = self.below(20);
        let line = if kind < 4 {
            let before = self.list(who);
            before.get(self.below(before.len().max(1))).cloned()
        } else {
            None
        };
        let audience = self.numbers(&info);
        if let Some(line) = line.as_ref().filter(|_| kind != 2) {
            let (line, seen_by) = (line.id.clone(), audience.clone());
            self.note(What::Changed { line, seen_by });
        }
        let id = self.verb(who, &format!("says {text}"), |engine, group, now| {
            match (kind, &line) {
                (0, Some(line)) => engine
                    .message_react(group, &line.id, "👍", now)
                    .map(|_| None),
                (1, Some(line)) => engine
                    .message_edit(group, &line.id, &format!("{text}!"), now)
                    .map(|_| None),
                (2, Some(line)) => engine
                    .message_send(group, &text, Some(&line.id), now)
                    .map(Some),
                (3, Some(line)) if text.ends_with('7') => {
                    engine.message_delete(group, &line.id, now).map(|_| None)
                }
                _ => engine.message_send(group, &text, None, now).map(Some),
            }
        });
        if let Some(id) = id.flatten() {
            self.faults.messages += 1;
            let is_last = self.step == self.history.last_step;
            let said = Said {
                step: self.step,
                author: who,
                audience,
                // What is written by somebody who has to come back waits, and is for whom it then says.
                is_waiting: self.forgetful == Some(who) && !is_last,
            };
            self.history.said.insert(id, said);
        }
    }

    /// The members of a group by their numbers.
    pub(super) fn numbers(&self, info: &GroupInfo) -> BTreeSet<usize> {
        let all = 0..self.people.len();
        all.filter(|who| {
            let account = &self.people[*who].account;
            info.members.iter().any(|member| member.id == *account)
        })
        .collect()
    }

    pub(super) fn commit(&mut self, who: usize) {
        let other = self.below(self.people.len());
        let account = self.people[other].account.clone();
        if other == who || self.one_in(2) {
            let name = format!("name {}", self.step);
            self.verb(who, "renames", |e, group, now| {
                e.group_rename(group, &name, now)
            });
            return;
        }
        let role = ["owner", "admin", "admin", "member"][self.below(4)];
        let what = format!("makes {} {role}", self.name(other));
        let done = self.verb(who, &what, |e, group, now| {
            e.group_role(group, &account, role, now)
        });
        if done.is_some() {
            self.note(What::Role { whom: other });
            if role == "owner" {
                self.note(What::Role { whom: who });
            }
        }
    }

    /// Somebody goes if many are in, somebody comes if not.
    pub(super) fn change_members(&mut self, who: usize) {
        let other = self.below(self.people.len());
        let inside = self.people.iter().filter(|person| person.active).count();
        let many = inside * 3 > self.people.len() * 2;
        let account = self.people[other].account.clone();
        if other == who && many && self.one_in(2) {
            self.verb(who, "leaves", |e, group, now| e.group_leave(group, now));
        } else if other != who && many {
            let what = format!("removes {}", self.name(other));
            let done = self.verb(who, &what, |e, group, now| {
                e.group_remove(group, &account, now)
            });
            if done.is_some() {
                self.note(What::Removed {
                    by: who,
                    whom: other,
                });
            }
        } else if !self.people[other].active && self.one_in(3) {
            let what = format!("adds {}", self.name(other));
            let done = self.verb(who, &what, |e, group, now| {
                e.group_add(group, &account, now)
            });
            if done.is_some() {
                self.note(What::Asked { whom: other });
            }
        } else {
            self.knock();
        }
    }

    /// Somebody who is out follows the link.
    pub(super) fn knock(&mut self) {
        let link = self.link.clone();
        for who in self.running() {
            if !self.people[who].active && self.one_in(2) {
                self.verb(who, "follows the link", |e, _, now| {
                    e.invite_accept(&link, now)
                });
                return;
            }
        }
    }

    pub(super) fn approve(&mut self) {
        for who in self.running() {
            for join in self.world.joins(who) {
                let is_asked =
                    join.direction == Direction::Incoming && join.state == JoinState::Waiting;
                if is_asked && !self.one_in(4) {
                    let whom = self.history.names.iter().position(|n| *n == join.name);
                    let what = format!("approves {}", join.name);
                    self.verb(who, &what, |e, _, now| e.join_approve(&join.id, now));
                    if let Some(whom) = whom {
                        self.note(What::Asked { whom });
                    }
                }
            }
        }
    }
}
