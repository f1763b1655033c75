//! One person as a program sees them: a `sori rpc` process, spoken to in JSON-RPC 2.0, one object a line.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::program::Program;
use crate::workspace::Workspace;

/// How long one call may take. Unlocking a profile is slow on purpose.
const CALL_PATIENCE: Duration = Duration::from_secs(60);

/// How long something that others must do may take.
const EVENT_PATIENCE: Duration = Duration::from_secs(90);

/// How often we ask whether it has happened.
const LOOK: Duration = Duration::from_millis(200);

/// A running `sori rpc`. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Rpc {
    person: String,
    program: Program,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    calls: u64,
}

impl Rpc {
    /// Starts the process on the profile in `profile`, which it creates or unlocks with `passphrase`.
    pub(crate) fn start(
        workspace: &Workspace,
        person: &str,
        profile: &Path,
        passphrase: &str,
    ) -> Result<Self, Error> {
        let mut command = Command::new(workspace.program("sori")?);
        command
            .arg("rpc")
            .arg("--profile")
            .arg(profile)
            .env("SORI_PASSPHRASE", passphrase)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut program = Program::start(&format!("sori rpc for {person}"), &mut command)?;
        let (Some(input), Some(output)) = (program.take_stdin(), program.take_stdout()) else {
            return Err(Error::Unexpected {
                person: person.to_owned(),
                what: "has no standard input and output".to_owned(),
            });
        };
        Ok(Self {
            person: person.to_owned(),
            program,
            input,
            output: BufReader::new(output).lines(),
            calls: 0,
        })
    }

    /// Whose process this is.
    pub(crate) fn person(&self) -> &str {
        &self.person
    }

    /// The process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.program.id()
    }

    /// Calls `method` and waits for its answer; notifications that come in between are passed over.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Error> {
        self.calls = self.calls.saturating_add(1);
        let request =
            json!({ "jsonrpc": "2.0", "id": self.calls, "method": method, "params": params });
        let line = format!("{request}\n");
        self.input
            .write_all(line.as_bytes())
            .await
            .map_err(|_closed| self.unexpected("has ended"))?;
        let answer = timeout(CALL_PATIENCE, self.answer(self.calls))
            .await
            .map_err(|_elapsed| {
                self.unexpected(&format!("did not answer {method} in 60 seconds"))
            })??;
        if let Some(error) = answer.get("error") {
            return Err(Error::Refused {
                person: self.person.clone(),
                method: method.to_owned(),
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(answer["result"].clone())
    }

    /// Calls `method` again and again until `found` makes something of its answer.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        (method, params): (&str, Value),
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Error> {
        let limit = Instant::now() + EVENT_PATIENCE;
        loop {
            let answer = self.call(method, params.clone()).await?;
            if let Some(thing) = found(&answer) {
                return Ok(thing);
            }
            if Instant::now() > limit {
                return Err(Error::DidNotHold(format!(
                    "{}: {what} (90 seconds)",
                    self.person
                )));
            }
            sleep(LOOK).await;
        }
    }

    /// Asks the process to end and waits until it has.
    pub(crate) async fn shut_down(mut self) -> Result<ExitStatus, Error> {
        self.call("shutdown", json!({})).await?;
        timeout(CALL_PATIENCE, self.program.wait())
            .await
            .map_err(|_elapsed| Error::Unexpected {
                person: self.person.clone(),
                what: "did not end after shutdown".to_owned(),
            })?
    }

    async fn answer(&mut self, call: u64) -> Result<Value, Error> {
        loop {
            let line = self
                .output
                .next_line()
                .await
                .map_err(|source| Error::io("read from sori rpc", source))?
                .ok_or_else(|| self.unexpected("has ended"))?;
            let object: Value = serde_json::from_str(&line)
                .map_err(|_invalid| self.unexpected("wrote a line that is not JSON"))?;
            if object["id"].as_u64() == Some(call) {
                return Ok(object);
            }
        }
    }

    fn unexpected(&self, what: &str) -> Error {
        Error::Unexpected {
            person: self.person.clone(),
            what: what.to_owned(),
        }
    }
}
