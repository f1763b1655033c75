//! Somebody with a client, a folder for its profile, and a folder that stands for the rest of the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::finding::Finding;
use crate::stage::Tape;

use super::scene::{Scene, Wait};
use super::shim::{Shim, VERSION};

/// How often, and how many times, it is looked whether a killed client is gone: ten seconds.
const GONE_EVERY: Duration = Duration::from_millis(10);
const GONE_LOOKS: usize = 1_000;

/// One person.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) account: String,
    /// The process that holds the secrets.
    pub(crate) pid: u32,
    pub(crate) profile: PathBuf,
    pub(crate) passphrase: String,
    machine: PathBuf,
    /// Where it meets others from the next opening on.
    pub(crate) relay: String,
    command: String,
    /// A group, and the invite to it that was made last.
    last_invite: Option<(String, Value)>,
    shim: Option<Shim>,
    tape: Tape,
}

/// What a device says of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) members: BTreeSet<String>,
    pub(crate) state: String,
}

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) text: String,
}

impl Person {
    pub(crate) async fn come(scene: &Scene, name: &str, command: &str) -> Result<Self, Finding> {
        let mut person = Self {
            name: name.to_owned(),
            account: String::new(),
            pid: 0,
            profile: scene.path(&format!("profile-{name}")),
            passphrase: scene.canary(&format!("passphrase of {name}")),
            machine: scene.path(&format!("machine-{name}")),
            relay: scene.stand.url.clone(),
            command: command.to_owned(),
            last_invite: None,
            shim: None,
            tape: scene.tape.clone(),
        };
        person.open().await?;
        Ok(person)
    }

    /// Where the client may have files.
    pub(crate) fn folders(&self) -> [&Path; 2] {
        [&self.profile, &self.machine]
    }

    /// Starts the client on the profile.
    pub(crate) async fn open(&mut self) -> Result<(), Finding> {
        self.tape.note(format!("{} opens", self.name));
        let mut shim = Shim::start(&self.command, &self.tape)?;
        let hello = shim.ask("hello", &json!({})).await?;
        if hello["shim"] != VERSION {
            return Err(Finding::not_seen(format!(
                "the shim does not speak version {VERSION}"
            )));
        }
        let with = json!({
            "folder": self.profile, "machine": self.machine, "passphrase": self.passphrase,
            "name": self.name, "relay": self.relay,
        });
        let opened = shim.ask("open", &with).await?;
        self.account = text(&opened["account"])?;
        let pid = opened["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        self.pid = pid.ok_or_else(|| Finding::not_seen("open: the shim gave no pid"))?;
        self.shim = Some(shim);
        Ok(())
    }

    /// Ends the client in good order.
    pub(crate) async fn close(&mut self) -> Result<(), Finding> {
        if let Some(mut shim) = self.shim.take() {
            shim.ask("close", &json!({})).await?;
            shim.end().await?;
        }
        Ok(())
    }

    /// Ends the client as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let (Some(pid), true) = (pid, self.shim.is_some()) {
            let _already_gone = kill_process(pid, Signal::KILL);
        }
        if let Some(mut shim) = self.shim.take() {
            shim.kill().await;
            self.is_gone().await;
        }
    }

    /// Whether a thread of its process is there that is more than a name: as long as one is, so is what the process
    /// held, even where its first thread has ended.
    pub(crate) fn is_alive(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid));
        threads.into_iter().flatten().flatten().any(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat"));
            let state = stat.ok().and_then(|stat| {
                let (_, after_name) = stat.rsplit_once(')')?;
                after_name.trim_start().chars().next()
            });
            state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
        })
    }

    /// Waits until the system has taken back what a killed client held: so long its profile is in use.
    async fn is_gone(&self) {
        for _ in 0..GONE_LOOKS {
            if !self.is_alive() {
                return;
            }
            tokio::time::sleep(GONE_EVERY).await;
        }
    }

    pub(crate) async fn ask(&mut self, verb: &str, with: &Value) -> Result<Value, Finding> {
        let shim = self.shim.as_mut();
        let shim = shim.ok_or_else(|| Finding::not_seen("a client that is not open was asked"))?;
        shim.ask(verb, with)
            .await
            .map_err(|finding| finding.during(&self.name))
    }

    /// The same of a client that may be killed meanwhile: whether it did as it was told before that.
    pub(crate) async fn attempt(&mut self, verb: &str, with: &Value) -> bool {
        matches!(self.try_ask(verb, with).await, Ok(Ok(_)))
    }

    /// The same where the client may say no: its words then.
    pub(crate) async fn try_ask(
        &mut self,
        verb: &str,
        with: &Value,
    ) -> Result<Result<Value, String>, Finding> {
        let shim = self.shim.as_mut();
        let shim = shim.ok_or_else(|| Finding::not_seen("a client that is not open was asked"))?;
        shim.try_ask(verb, with).await
    }

    pub(crate) async fn create(&mut self, name: &str) -> Result<String, Finding> {
        text(&self.ask("create", &json!({ "name": name })).await?["group"])
    }

    /// Invites somebody, lets the knock in, and waits until the other one is there.
    pub(crate) async fn let_in(&mut self, group: &str, other: &mut Self) -> Result<(), Finding> {
        let invite = self.invite(group).await?;
        other.ask("join", &json!({ "invite": invite })).await?;
        // Each of them has to hear of it, and after many changes some have to vote before the next (5.10.3).
        let inside = self.look(group).await?.members.len();
        let wait = Wait::of_many(format!("{} is let in", other.name), inside);
        loop {
            self.ask("admit", &json!({})).await?;
            let groups = other.ask("groups", &json!({})).await?;
            let is_in = groups["groups"]
                .as_array()
                .is_some_and(|groups| groups.iter().any(|entry| entry == group));
            if is_in {
                return Ok(());
            }
            wait.more().await?;
        }
    }

    /// A new invite; the last one again from a client that has as many as it may have.
    async fn invite(&mut self, group: &str) -> Result<Value, Finding> {
        match self.try_ask("invite", &json!({ "group": group })).await? {
            Ok(made) => self.last_invite = Some((group.to_owned(), made["invite"].clone())),
            Err(words) if !self.has_invite(group) => {
                return Err(Finding::broken(format!("{}: invite: {words}", self.name)));
            }
            Err(_) => {}
        }
        let last = self.last_invite.as_ref();
        let (_, invite) = last.ok_or_else(|| Finding::not_seen("there is no invite"))?;
        Ok(invite.clone())
    }

    fn has_invite(&self, group: &str) -> bool {
        let last = self.last_invite.as_ref();
        last.is_some_and(|(leads_to, _)| leads_to == group)
    }

    /// Writes a message: its id, once it is durable.
    pub(crate) async fn say(&mut self, group: &str, text_: &str) -> Result<String, Finding> {
        let with = json!({ "group": group, "text": text_ });
        text(&self.ask("send", &with).await?["message"])
    }

    pub(crate) async fn rename(&mut self, group: &str, name: &str) -> Result<(), Finding> {
        self.ask("rename", &json!({ "group": group, "name": name }))
            .await?;
        Ok(())
    }

    pub(crate) async fn look(&mut self, group: &str) -> Result<View, Finding> {
        let view = self.ask("group", &json!({ "group": group })).await?;
        let members = view["members"].as_array();
        Ok(View {
            name: text(&view["name"])?,
            members: members
                .into_iter()
                .flatten()
                .map(text)
                .collect::<Result<_, _>>()?,
            state: text(&view["state"])?,
        })
    }

    /// What is shown, oldest first.
    pub(crate) async fn messages(&mut self, group: &str) -> Result<Vec<Shown>, Finding> {
        let list = self.ask("messages", &json!({ "group": group })).await?;
        let list = list["messages"].as_array();
        let shown = list.into_iter().flatten().map(|message| {
            Ok(Shown {
                id: text(&message["id"])?,
                from: text(&message["from"])?,
                text: text(&message["text"])?,
            })
        });
        shown.collect()
    }

    pub(crate) async fn texts(&mut self, group: &str) -> Result<Vec<String>, Finding> {
        let messages = self.messages(group).await?;
        Ok(messages.into_iter().map(|message| message.text).collect())
    }
}

fn text(value: &Value) -> Result<String, Finding> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Finding::not_seen(format!("the shim gave {value} where a text belongs")))
}
