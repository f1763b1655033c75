//! What is said in a group, and who is seen to have it.

use serde_json::{Value, json};

use crate::error::Error;
use crate::meeting;
use crate::rpc::Rpc;

/// A group and everything that was said in it so far.
#[derive(Debug)]
pub(super) struct Talk {
    group: String,
    name: &'static str,
    said: Vec<&'static str>,
}

impl Talk {
    /// Nothing has been said yet in `group`, which is called `name`.
    pub(super) fn begin(group: String, name: &'static str) -> Self {
        Self {
            group,
            name,
            said: Vec::new(),
        }
    }

    /// Sends `text`; the call answers when the message is safe on the speaker's disk.
    pub(super) async fn say(&mut self, speaker: &mut Rpc, text: &'static str) -> Result<(), Error> {
        let message = json!({ "group": self.group, "text": text });
        speaker.call("message.send", message).await?;
        self.said.push(text);
        println!("   {}: {text}", speaker.person());
        Ok(())
    }

    /// Gives the group another name, which is a commit.
    pub(super) async fn rename(
        &mut self,
        member: &mut Rpc,
        name: &'static str,
    ) -> Result<(), Error> {
        let change = json!({ "group": self.group, "name": name });
        member.call("group.rename", change).await?;
        self.name = name;
        println!(
            "   {} gives the group another name: “{name}”",
            member.person()
        );
        Ok(())
    }

    /// Waits until each of `people` has what was said last.
    pub(super) async fn heard(&self, people: [&mut Rpc; 2]) -> Result<(), Error> {
        let mut names = Vec::new();
        for person in people {
            person
                .until("the last message arrives", self.messages(), |answer| {
                    (texts(answer).last().map(String::as_str) == self.said.last().copied())
                        .then_some(())
                })
                .await?;
            names.push(person.person().to_owned());
        }
        println!("      heard by {}", names.join(" and "));
        Ok(())
    }

    /// Waits until `person` has exactly what was said, in this order, and knows the group by its name of today.
    pub(super) async fn caught_up(&self, person: &mut Rpc) -> Result<(), Error> {
        let count = self.said.len();
        person
            .until(
                &format!("all {count} messages in their order"),
                self.messages(),
                |answer| (texts(answer) == self.said).then_some(()),
            )
            .await?;
        let question = ("group.info", json!({ "group": self.group }));
        person
            .until("the name of the group", question, |answer| {
                (answer["name"] == self.name).then_some(())
            })
            .await?;
        println!(
            "   {} has all {count} messages in the same order, in “{}”",
            person.person(),
            self.name
        );
        Ok(())
    }

    /// The id of the group.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// Everything that was said, oldest first.
    pub(super) fn said(&self) -> &[&'static str] {
        &self.said
    }

    fn messages(&self) -> (&'static str, Value) {
        ("message.list", json!({ "group": self.group, "limit": 100 }))
    }
}

/// What people wrote, oldest first; notices about the group are left out.
fn texts(answer: &Value) -> Vec<String> {
    let mut texts: Vec<String> = meeting::list(answer, "messages")
        .filter(|message| message["kind"].as_str().is_none_or(|kind| kind == "text"))
        .filter_map(|message| message["text"].as_str())
        .map(str::to_owned)
        .collect();
    texts.reverse();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_oldest_first_without_notices() {
        let answer = json!({ "messages": [
            { "text": "second", "kind": "text" },
            { "text": "somebody joined", "kind": "notice" },
            { "text": "first" },
        ]});
        assert_eq!(texts(&answer), ["first", "second"]);
        assert!(texts(&json!({})).is_empty());
    }
}
