//! Lines that leave this device only, and what is known of earlier states of a text.

use sori_content::{Meaning, MessageId};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::{parse_group, parse_message};
use crate::record::Body;
use crate::show::meaning;
use crate::time::Time;
use crate::view::{EditView, Event};

impl Engine {
    /// Takes a line out on this device, with all that changes it; everybody else keeps it. It does not come
    /// back by catching up, and neither does what changes it. What is still to be sent is sent all the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or the line.
    pub fn message_hide(&mut self, group: &str, id: &str, _now: Time) -> Result<(), Error> {
        let (group, id) = (parse_group(group)?, parse_message(id)?);
        self.atomically(|engine| {
            engine.with_group(group, |engine, group| {
                let found = engine.find_line(group, &id)?;
                let (sequence, _) = found.ok_or(Error::NotFound("message"))?;
                engine.take_out(group, sequence)
            })
        })
    }

    /// The states of a text, oldest first; the last one is what it says now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or the line.
    pub fn message_history(
        &mut self,
        group: &str,
        id: &str,
        _now: Time,
    ) -> Result<Vec<EditView>, Error> {
        let (group, id) = (parse_group(group)?, parse_message(id)?);
        self.with_group(group, |engine, group| {
            let found = engine.find_line(group, &id)?;
            let (_, record) = found.ok_or(Error::NotFound("message"))?;
            let mut states = vec![record.sent_at];
            for (_, change) in engine.changes(group, &id)? {
                // An edit that another one took the place of is wiped; nothing else that is wiped stays listed.
                let is_edit = matches!(meaning(&change.body), Some(Meaning::Edit { .. }))
                    || matches!(change.body, Body::Wiped(_));
                if change.sender == record.sender && is_edit {
                    states.push(change.sent_at);
                }
            }
            let now = engine.message_view(group, &record)?;
            let last = states.len().saturating_sub(1);
            let states = states.into_iter().enumerate();
            let view = |(at, sent_at)| EditView {
                sent_at,
                text: (at == last && !now.deleted).then(|| now.text.clone()),
            };
            Ok(states.map(view).collect())
        })
    }

    /// Takes a message away with all that changes it, and remembers only that there was one.
    pub(crate) fn take_out(&mut self, group: &mut Group, sequence: u64) -> Result<(), Error> {
        let Some(record) = self.message_record(group, sequence)? else {
            return Ok(());
        };
        for (change, _) in self.changes(group, &record.id)? {
            self.remove_message(group, change)?;
        }
        self.forget_file(group, &record)?;
        self.remove_message(group, sequence)?;
        self.mark_gone(group, &record.id, sequence)?;
        self.event(Event::MessageGone {
            group: group.record.id.to_string(),
            id: MessageId::from_bytes(record.id).to_string(),
        });
        self.group_changed(group);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sori_content::MimiContent;

    use crate::Notices;
    use crate::large::Large;

    fn texts(large: &mut Large) -> Vec<String> {
        let (id, now) = (large.id.to_string(), large.now());
        let list = large.engine.message_list(&id, None, 10, Notices::Left, now);
        list.unwrap().into_iter().map(|m| m.text).collect()
    }

    #[test]
    fn what_is_taken_out_here_is_gone_with_its_changes_and_stays_gone() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        let first = large.say_content(1, &MimiContent::text([1; 16], "goes"));
        large.say_content(2, &MimiContent::text([2; 16], "stays"));
        large.say_content(2, &MimiContent::reaction([3; 16], "❤", first));
        large
            .engine
            .message_hide(&id, &first.to_string(), now)
            .unwrap();
        assert_eq!(texts(&mut large), ["stays"]);
        large.say_content(1, &MimiContent::edit([4; 16], "goes, too", first));
        assert_eq!(texts(&mut large), ["stays"]);
        let found = large.engine.message_search("goes", None, 10, now).unwrap();
        assert!(found.hits.is_empty());
        let again = large.engine.message_hide(&id, &first.to_string(), now);
        assert!(again.is_err());
        // An own one, too.
        let own = large.engine.message_send(&id, "own", None, now).unwrap();
        large.engine.message_hide(&id, &own, now).unwrap();
        assert_eq!(texts(&mut large), ["stays"]);
    }

    #[test]
    fn the_history_tells_when_a_text_changed_and_what_it_says_now() {
        let mut large = Large::new(3, 2);
        let (id, now) = (large.id.to_string(), large.now());
        let first = large.say_content(1, &MimiContent::text([1; 16], "one"));
        let history = |large: &mut Large| {
            let history = large.engine.message_history(&id, &first.to_string(), now);
            let texts = history.unwrap().into_iter().map(|edit| edit.text);
            texts.collect::<Vec<_>>()
        };
        assert_eq!(history(&mut large), [Some("one".to_owned())]);
        large.say_content(1, &MimiContent::edit([2; 16], "two", first));
        large.say_content(2, &MimiContent::edit([3; 16], "forged", first));
        large.say_content(1, &MimiContent::edit([4; 16], "three", first));
        large.say_content(2, &MimiContent::reaction([5; 16], "❤", first));
        assert_eq!(history(&mut large), [None, None, Some("three".to_owned())]);
    }
}
