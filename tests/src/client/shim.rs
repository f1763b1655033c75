//! The suite's end of the line protocol of `docs/shim.md`: one process for each client.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::finding::Finding;
use crate::stage::Tape;

/// The version of the line protocol.
pub(crate) const VERSION: u64 = 1;

/// A running shim.
#[derive(Debug)]
pub(crate) struct Shim {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    number: u64,
    tape: Tape,
}

impl Shim {
    /// Runs the shell command of a shim.
    pub(crate) fn start(command: &str, tape: &Tape) -> Result<Self, Finding> {
        let cannot = |what: &str| Finding::not_seen(format!("the shim cannot be run: {what}"));
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| cannot(&error.to_string()))?;
        let input = child.stdin.take().ok_or_else(|| cannot("no input"))?;
        let output = child.stdout.take().ok_or_else(|| cannot("no output"))?;
        Ok(Self {
            child,
            input,
            lines: BufReader::new(output).lines(),
            number: 0,
            tape: tape.clone(),
        })
    }

    /// Asks one thing and waits for the answer. An error that the client answers is a finding, for the checks ask
    /// only for what has to work; [`Shim::try_ask`] is for the rest.
    pub(crate) async fn ask(&mut self, verb: &str, with: &Value) -> Result<Value, Finding> {
        let answer = self.try_ask(verb, with).await?;
        answer.map_err(|words| Finding::broken(format!("{verb}: {words}")))
    }

    /// Asks one thing: the answer, or the client's words for why not.
    pub(crate) async fn try_ask(
        &mut self,
        verb: &str,
        with: &Value,
    ) -> Result<Result<Value, String>, Finding> {
        self.number = self.number.saturating_add(1);
        let mut request = json!({ "id": self.number, "verb": verb });
        if let (Value::Object(request), Value::Object(with)) = (&mut request, with) {
            request.extend(with.clone());
        }
        self.tape.note(format!("-> {request}"));
        let line = format!("{request}\n");
        let gone = |_| Finding::broken(format!("{verb}: the client is gone"));
        self.input.write_all(line.as_bytes()).await.map_err(gone)?;
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .map_err(|_| Finding::broken(format!("{verb}: no answer within {PATIENCE:?}")))?
            .map_err(gone)?
            .ok_or_else(|| Finding::broken(format!("{verb}: the client has ended")))?;
        self.tape.note(format!("<- {line}"));
        self.read(verb, &line)
    }

    fn read(&self, verb: &str, line: &str) -> Result<Result<Value, String>, Finding> {
        let mut answer: Value = serde_json::from_str(line)
            .map_err(|_| Finding::not_seen(format!("{verb}: the shim said no JSON: {line}")))?;
        if answer["id"] != self.number {
            return Err(Finding::not_seen(format!(
                "{verb}: the shim answered another question"
            )));
        }
        if answer["unimplemented"] == true {
            return Err(Finding::not_seen(format!("the shim has no {verb}")));
        }
        match answer["error"].as_str() {
            Some(words) => Ok(Err(words.to_owned())),
            None => Ok(Ok(answer["ok"].take())),
        }
    }

    /// Ends as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        let _gone = self.child.kill().await;
    }

    /// Lets it end by itself.
    pub(crate) async fn end(mut self) -> Result<(), Finding> {
        drop(self.input);
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended
            .map(|_| ())
            .map_err(|_| Finding::broken(format!("the client did not end within {PATIENCE:?}")))
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    /// Every verb that the suite has.
    const VERBS: &[&str] = &[
        "hello", "open", "close", "create", "invite", "join", "admit", "groups", "group", "rename",
        "promote", "remove", "send", "delete", "messages",
    ];

    #[test]
    fn document_and_our_shim_have_every_verb_that_is_asked() {
        let document = include_str!("../../../docs/shim.md");
        let ours = include_str!("ours.rs");
        for verb in VERBS {
            assert!(
                document.contains(&format!("| `{verb}` |")),
                "{verb} is in no row"
            );
            assert!(
                ours.contains(&format!("\"{verb}\" =>")),
                "{verb} is not served"
            );
        }
        let asked = [
            include_str!("person.rs"),
            include_str!("../checks/group.rs"),
            include_str!("../checks/cheat.rs"),
            include_str!("../checks/disk.rs"),
        ];
        for part in asked.concat().split("ask(\"").skip(1) {
            let verb = part.split('"').next().unwrap();
            assert!(VERBS.contains(&verb), "{verb}");
        }
    }
}
