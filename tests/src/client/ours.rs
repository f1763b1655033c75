//! `sori-audit shim`: the line protocol of `docs/shim.md` before `sori rpc`, as an example for other clients.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::shim::VERSION;

/// Serves until the input ends.
pub(crate) fn serve(program: &Path) -> io::Result<()> {
    let mut shim = Shim {
        program: program.to_owned(),
        rpc: None,
    };
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let mut answer = match shim.answer(&request) {
            Ok(value) => json!({ "ok": value }),
            Err(Refusal::Unimplemented) => json!({ "unimplemented": true }),
            Err(Refusal::Words(words)) => json!({ "error": words }),
        };
        answer["id"] = request["id"].clone();
        writeln!(io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

struct Shim {
    program: PathBuf,
    rpc: Option<Rpc>,
}

enum Refusal {
    Unimplemented,
    Words(String),
}

impl<T: ToString> From<T> for Refusal {
    fn from(words: T) -> Self {
        Self::Words(words.to_string())
    }
}

type Answer = Result<Value, Refusal>;

impl Shim {
    fn answer(&mut self, request: &Value) -> Answer {
        let group = json!({ "group": request["group"] });
        match request["verb"].as_str().unwrap_or_default() {
            "hello" => Ok(json!({ "shim": VERSION, "client": "sori" })),
            "open" => self.open(request),
            "close" => {
                let rpc = self.rpc.take().ok_or("not open")?;
                rpc.end().map(|()| json!({}))
            }
            "create" => self.call("group.create", &json!({ "name": request["name"] })),
            "invite" => {
                let made = self.call("invite.create", &group)?;
                Ok(json!({ "invite": made["url"] }))
            }
            "join" => self.call("invite.accept", &json!({ "url": request["invite"] })),
            "admit" => self.admit(),
            "groups" => {
                let list = self.call("group.list", &json!({}))?;
                let groups = list["groups"].as_array().into_iter().flatten();
                let active = groups.filter(|entry| entry["active"] != false);
                let ids: Vec<_> = active.map(|entry| entry["group"].clone()).collect();
                Ok(json!({ "groups": ids }))
            }
            "group" => {
                let info = self.call("group.info", &group)?;
                let members = info["members"].as_array().into_iter().flatten();
                let members: Vec<_> = members.map(|member| member["id"].clone()).collect();
                Ok(json!({ "name": info["name"], "members": members, "state": info["state_hash"] }))
            }
            "rename" => self.call(
                "group.rename",
                &json!({ "group": request["group"], "name": request["name"] }),
            ),
            "remove" => self.call(
                "group.remove",
                &json!({ "group": request["group"], "member": request["member"] }),
            ),
            "promote" => {
                let role = json!({ "group": request["group"], "member": request["member"], "role": "admin" });
                self.call("group.role", &role)
            }
            "send" => {
                let sent = self.call(
                    "message.send",
                    &json!({ "group": request["group"], "text": request["text"] }),
                )?;
                Ok(json!({ "message": sent["id"] }))
            }
            "expire" => {
                let arranged = json!({ "group": request["group"], "timer": request["seconds"] });
                self.call("group.arrange", &arranged)
            }
            "delete" => self.call(
                "message.delete",
                &json!({ "group": request["group"], "id": request["message"] }),
            ),
            "messages" => self.messages(&request["group"]),
            _ => Err(Refusal::Unimplemented),
        }
    }

    fn open(&mut self, request: &Value) -> Answer {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let command = Command::new(&self.program)
            .arg("rpc")
            .env("SORI_PROFILE", text("folder"))
            .env("SORI_PASSPHRASE", text("passphrase"))
            .env("XDG_STATE_HOME", text("machine"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let rpc = Rpc::new(command?)?;
        let pid = rpc.child.id();
        self.rpc = Some(rpc);
        let account = match self.call("account.info", &json!({})) {
            Ok(account) => account,
            Err(_none_yet) => self.call("account.create", &json!({ "name": request["name"] }))?,
        };
        self.call("relay.set", &json!({ "url": request["relay"] }))?;
        Ok(json!({ "account": account["account"], "pid": pid }))
    }

    /// Lets everybody in who knocks.
    fn admit(&mut self) -> Answer {
        let list = self.call("join.list", &json!({}))?;
        for join in list["joins"].as_array().into_iter().flatten() {
            if join["direction"] == "incoming" && join["state"] == "waiting" {
                self.call("join.approve", &json!({ "id": join["id"] }))?;
            }
        }
        Ok(json!({}))
    }

    /// All pages, oldest first.
    fn messages(&mut self, group: &Value) -> Answer {
        let mut messages = Vec::new();
        let mut before = Value::Null;
        loop {
            let page = json!({ "group": group, "before": before, "limit": 500 });
            let page = self.call("message.list", &page)?;
            let page = page["messages"].as_array().cloned().unwrap_or_default();
            let Some(last) = page.last() else {
                messages.reverse();
                return Ok(json!({ "messages": messages }));
            };
            before = last["id"].clone();
            messages.extend(page.iter().map(|message| {
                json!({ "id": message["id"], "from": message["sender"], "text": message["text"] })
            }));
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Answer {
        self.rpc.as_mut().ok_or("not open")?.call(method, params)
    }
}

/// A `sori rpc` process.
struct Rpc {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    number: u64,
}

impl Rpc {
    fn new(mut child: Child) -> Result<Self, Refusal> {
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self {
            child,
            input,
            output,
            number: 0,
        })
    }

    fn call(&mut self, method: &str, params: &Value) -> Answer {
        self.number = self.number.saturating_add(1);
        let line =
            json!({ "jsonrpc": "2.0", "id": self.number, "method": method, "params": params });
        writeln!(self.input, "{line}")?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err("the messenger has ended".into());
            }
            let mut answer: Value = serde_json::from_str(&line)?;
            // What it says unasked is not answered here.
            if answer["id"] != self.number {
                continue;
            }
            return match answer["error"]["message"].as_str() {
                Some(words) => Err(words.into()),
                None => Ok(answer["result"].take()),
            };
        }
    }

    fn end(mut self) -> Result<(), Refusal> {
        drop(self.input);
        let status = self.child.wait()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("ended with {status}").into())
    }
}
