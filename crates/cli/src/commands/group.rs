//! `sori group …`: make a group, look at it, change it.

use serde_json::json;
use sori_client::{Client, MemberView, Mute};

use crate::args::{GroupCommand, Policy, ReadReceipts, Role};
use crate::commands::send;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::{find, show};

/// Carries out one of the group commands.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    command: GroupCommand,
) -> Result<(), Failure> {
    let work = Work { screen, client };
    match command {
        GroupCommand::Create { name } => work.create(&name).await,
        GroupCommand::Info { group } => work.info(&group).await,
        GroupCommand::Add { group, contact } => work.add(&group, &contact).await,
        GroupCommand::Remove { group, member } => work.remove(&group, &member).await,
        GroupCommand::Rename { group, name } => work.rename(&group, &name).await,
        GroupCommand::Role {
            group,
            member,
            role,
        } => work.role(&group, &member, role).await,
        GroupCommand::Policy { group, policy } => work.policy(&group, policy).await,
        GroupCommand::Timer { group, time } => work.timer(&group, time).await,
        GroupCommand::Files { group, mib } => work.files(&group, mib).await,
        GroupCommand::Mute { group, time, undo } => work.mute(&group, time, undo).await,
        GroupCommand::ReadReceipts { group, choice } => work.reads(&group, choice).await,
        GroupCommand::Leave { group } => work.leave(&group).await,
    }
}

/// What every group command works with.
struct Work<'a> {
    screen: Screen,
    client: &'a Client,
}

impl Work<'_> {
    async fn create(&self, name: &str) -> Result<(), Failure> {
        let group = self.client.group_create(name).await?;
        self.screen.report(&json!({ "group": group }))?;
        self.screen
            .say_with(self.screen.words().group_made, &[&show::harmless(name)])
    }

    async fn info(&self, typed: &str) -> Result<(), Failure> {
        let Self { screen, client } = *self;
        let group = find::group(screen, client, typed).await?;
        let info = client.group_info(&group.group).await?;
        screen.report(&info)?;
        let words = screen.words();
        screen.say(&format!(
            "{}  {}",
            show::name(words, &info.name),
            info.group
        ))?;
        let state: String = info.state_hash.chars().take(16).collect();
        screen.say_with(words.epoch, &[&info.epoch.to_string(), &state])?;
        screen.say(match info.policy.as_str() {
            "members" => words.policy_members,
            _ => words.policy_admins,
        })?;
        for member in &info.members {
            screen.say(&format!("  {}", show::member(words, member)))?;
        }
        Ok(())
    }

    async fn add(&self, group: &str, contact: &str) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        let contact = find::contact(self.screen, self.client, contact).await?;
        self.client.group_add(&group.group, &contact.id).await?;
        let (contact, name) = (
            show::name(words, &contact.name),
            show::name(words, &group.name),
        );
        self.done(&group.group, words.group_added, &[&contact, &name])
            .await
    }

    async fn remove(&self, group: &str, member: &str) -> Result<(), Failure> {
        let words = self.screen.words();
        let (group, name, member) = self.member(group, member).await?;
        self.client.group_remove(&group, &member.id).await?;
        self.done(
            &group,
            words.group_removed,
            &[&show::name(words, &member.name), &name],
        )
        .await
    }

    async fn rename(&self, group: &str, new: &str) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        self.client.group_rename(&group.group, new).await?;
        let (old, new) = (show::name(words, &group.name), show::harmless(new));
        self.done(&group.group, words.group_renamed, &[&old, &new])
            .await
    }

    async fn role(&self, group: &str, member: &str, role: Role) -> Result<(), Failure> {
        let words = self.screen.words();
        let (group, _name, member) = self.member(group, member).await?;
        self.client
            .group_role(&group, &member.id, role.as_str())
            .await?;
        let role = show::role(words, role.as_str());
        self.done(
            &group,
            words.group_role,
            &[&show::name(words, &member.name), &role],
        )
        .await
    }

    async fn policy(&self, group: &str, policy: Policy) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        self.client
            .group_policy(&group.group, policy.as_str())
            .await?;
        let said = match policy {
            Policy::Admins => words.group_policy_admins,
            Policy::Members => words.group_policy_members,
        };
        self.done(&group.group, said, &[&show::name(words, &group.name)])
            .await
    }

    async fn timer(&self, group: &str, seconds: u32) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        let chosen = Some(seconds).filter(|seconds| *seconds > 0);
        self.client.group_timer(&group.group, chosen).await?;
        let said = chosen.map_or(words.group_timer_never, |_| words.group_timer);
        let time = crate::duration::words(u64::from(seconds));
        self.done(
            &group.group,
            said,
            &[&show::name(words, &group.name), &time],
        )
        .await
    }

    async fn files(&self, group: &str, mib: u32) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        let bytes = mib.saturating_mul(1024 * 1024);
        self.client
            .group_file_limit(&group.group, Some(bytes))
            .await?;
        let said = match mib {
            0 => words.group_files_none,
            _ => words.group_files,
        };
        let name = show::name(words, &group.name);
        self.done(&group.group, said, &[&name, &mib.to_string()])
            .await
    }

    async fn mute(&self, group: &str, time: Option<u64>, undo: bool) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        // What is beyond any time that can be chosen is refused as such.
        let seconds = time.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        let (mute, said) = match (undo, seconds) {
            (true, _) => (Mute::Off, words.group_unmuted),
            (false, None) => (Mute::Always, words.group_muted),
            (false, Some(seconds)) => (Mute::For(seconds), words.group_muted_for),
        };
        self.client.group_mute(&group.group, mute).await?;
        self.screen
            .report(&json!({ "group": group.group, "muted": !undo, "seconds": seconds }))?;
        let time = crate::duration::words(time.unwrap_or_default());
        self.screen
            .say_with(said, &[&show::name(words, &group.name), &time])
    }

    async fn reads(&self, group: &str, choice: ReadReceipts) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        let (told, said) = match choice {
            ReadReceipts::On => (Some(true), words.group_reads_on),
            ReadReceipts::Off => (Some(false), words.group_reads_off),
            ReadReceipts::Default => (None, words.group_reads_default),
        };
        self.client.group_read_receipts(&group.group, told).await?;
        self.screen
            .report(&json!({ "group": group.group, "read_receipts": told }))?;
        self.screen
            .say_with(said, &[&show::name(words, &group.name)])
    }

    async fn leave(&self, group: &str) -> Result<(), Failure> {
        let words = self.screen.words();
        let group = find::group(self.screen, self.client, group).await?;
        self.client.group_leave(&group.group).await?;
        self.done(
            &group.group,
            words.group_left,
            &[&show::name(words, &group.name)],
        )
        .await
    }

    /// A group's id, its name to show, and the member of it that was typed.
    async fn member(
        &self,
        group: &str,
        member: &str,
    ) -> Result<(String, String, MemberView), Failure> {
        let group = find::group(self.screen, self.client, group).await?;
        let info = self.client.group_info(&group.group).await?;
        let name = show::name(self.screen.words(), &info.name);
        Ok((group.group, name, find::member(self.screen, info, member)?))
    }

    /// Says that a change was made, after a moment for the others to hear of it.
    async fn done(&self, group: &str, template: &str, values: &[&str]) -> Result<(), Failure> {
        self.screen.report(&json!({ "group": group }))?;
        self.screen.say_with(template, values)?;
        send::let_out(self.client, group).await
    }
}
