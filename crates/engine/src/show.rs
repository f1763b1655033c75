//! Messages as front ends see them: a line with everything that later messages made of it.

use sori_content::{Meaning, MessageId, MimiContent};
use sori_mls::AccountId;

use crate::engine::Engine;
use crate::error::Error;
use crate::expiry::time_of;
use crate::group::Group;
use crate::record::{Body, MessageRecord, Notice};
use crate::view::{MessageKind, MessageView, NoticeView, ReactionView};

impl Engine {
    pub(crate) fn message_view(
        &self,
        group: &mut Group,
        record: &MessageRecord,
    ) -> Result<MessageView, Error> {
        let me = self.me()?.id;
        let mut view = self.bare_view(group, record, me)?;
        if view.kind == MessageKind::Notice {
            return Ok(view);
        }
        if self.is_blocked(&record.sender) {
            view.kind = MessageKind::Text;
            view.text = String::new();
            view.in_reply_to = None;
            view.hidden = true;
            view.file = None;
            return Ok(view);
        }
        if let Some(state) = self.stray_state(group, record)? {
            state.clone_into(&mut view.state);
        }
        for (_, change) in self.changes(group, &record.id)? {
            let own = change.sender == record.sender;
            if self.is_blocked(&change.sender) {
                continue;
            }
            match meaning(&change.body) {
                Some(Meaning::Edit { text, .. }) if own && !view.deleted => {
                    view.text = text;
                    view.edited = true;
                }
                Some(Meaning::Reaction { emojis, .. }) => {
                    for emoji in emojis {
                        react(&mut view.reactions, emoji, &change.sender, me);
                    }
                }
                Some(Meaning::Unreact { .. }) => unreact(&mut view.reactions, &change.sender, me),
                _ => {}
            }
        }
        Ok(view)
    }

    /// A line as it was sent.
    fn bare_view(
        &self,
        group: &mut Group,
        record: &MessageRecord,
        me: AccountId,
    ) -> Result<MessageView, Error> {
        let mine = record.sender == me && !matches!(record.body, Body::Notice(_));
        let (copies, members) = self.copies(group, record)?;
        let state = match (mine, copies) {
            (false, _) => "received",
            (true, copies) if copies >= members && members > 1 => "delivered",
            (true, copies) if copies > 1 => "sent",
            (true, _) => "waiting",
        };
        let mut view = MessageView {
            id: MessageId::from_bytes(record.id).to_string(),
            sender: record.sender.to_string(),
            sender_name: self.name_of(group, &record.sender),
            mine,
            sent_at: record.sent_at,
            kind: MessageKind::Text,
            text: String::new(),
            state: state.to_owned(),
            copies,
            members,
            read: self.read_by(group, record),
            hidden: false,
            edited: false,
            deleted: false,
            expires_at: record.expires.map(|minute| time_of(minute).unix_ms()),
            in_reply_to: None,
            reactions: Vec::new(),
            notice: None,
            file: self.file_view(group, record),
        };
        match &record.body {
            Body::Deleted | Body::Wiped(_) => view.deleted = true,
            Body::Replaced { in_reply_to } => {
                view.edited = true;
                view.in_reply_to = in_reply_to.map(|id| MessageId::from_bytes(id).to_string());
            }
            Body::Notice(notice) => {
                view.kind = MessageKind::Notice;
                view.notice = Some(self.notice_view(group, notice));
            }
            Body::Content(_) => match meaning(&record.body) {
                Some(Meaning::Text {
                    text, in_reply_to, ..
                }) => {
                    view.text = text;
                    view.in_reply_to = in_reply_to.map(|id| id.to_string());
                }
                Some(Meaning::Unknown {
                    text, in_reply_to, ..
                }) => {
                    view.kind = MessageKind::Unknown;
                    view.text = text.unwrap_or_default();
                    view.in_reply_to = in_reply_to.map(|id| id.to_string());
                }
                _ => view.kind = MessageKind::Unknown,
            },
        }
        Ok(view)
    }

    /// How a message stands that is not on the group's way, or not sent.
    fn stray_state(
        &self,
        group: &mut Group,
        record: &MessageRecord,
    ) -> Result<Option<&'static str>, Error> {
        if group.strays.is_empty() && group.resync.unsent.is_empty() {
            return Ok(None);
        }
        let Some((sequence, _)) = self.find_message(group, &record.id)? else {
            return Ok(None);
        };
        let of_others = (group.strays.get(&sequence)).is_some_and(|stray| !stray.mine);
        let held = !of_others && self.awaits_decision(group, sequence, record)?;
        Ok(match (of_others, held) {
            (true, _) => Some("superseded"),
            (false, true) => Some("held"),
            (false, false) => None,
        })
    }

    fn notice_view(&self, group: &Group, notice: &Notice) -> NoticeView {
        let name = |account: Option<AccountId>| {
            account
                .map(|account| self.name_of(group, &account))
                .unwrap_or_default()
        };
        NoticeView {
            what: notice.what.name().to_owned(),
            actor: name(notice.actor),
            object: match notice.subject {
                None if notice.what.counts() => String::new(),
                None => notice.detail.clone(),
                subject => name(subject),
            },
            detail: notice.detail.clone(),
        }
    }

    /// The name of an account: as it told the group, else as a contact, else the start of its id.
    pub(crate) fn name_of(&self, group: &Group, account: &AccountId) -> String {
        if let Some(me) = self.me.as_ref().filter(|me| me.id == *account) {
            return me.record.name.clone();
        }
        let heard = group.record.names.get(account).cloned();
        heard
            .or_else(|| {
                self.contacts
                    .get(account)
                    .map(|contact| contact.name.clone())
            })
            .unwrap_or_else(|| account.to_string().chars().take(8).collect())
    }
}

fn react(reactions: &mut Vec<ReactionView>, emoji: String, sender: &AccountId, me: AccountId) {
    let mine = *sender == me;
    let sender = sender.to_string();
    match reactions
        .iter_mut()
        .find(|reaction| reaction.emoji == emoji)
    {
        Some(reaction) if reaction.senders.contains(&sender) => {}
        Some(reaction) => {
            reaction.senders.push(sender);
            reaction.mine |= mine;
        }
        None => reactions.push(ReactionView {
            emoji,
            senders: vec![sender],
            mine,
        }),
    }
}

fn unreact(reactions: &mut Vec<ReactionView>, sender: &AccountId, me: AccountId) {
    let (mine, sender) = (*sender == me, sender.to_string());
    for reaction in reactions.iter_mut() {
        reaction.senders.retain(|known| *known != sender);
        reaction.mine &= !mine;
    }
    reactions.retain(|reaction| !reaction.senders.is_empty());
}

pub(crate) fn meaning(body: &Body) -> Option<Meaning> {
    let Body::Content(content) = body else {
        return None;
    };
    MimiContent::decode(content)
        .ok()
        .map(|content| content.meaning())
}
