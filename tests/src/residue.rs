//! What residue looks like: the search of the KEEP checks at servers that are not ours and do not promise anything.
//!
//! They keep nothing on purpose either, as they are configured here. What is found is what ordinary programs leave
//! in their memory; that is the difference the promise makes.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::finding::Finding;
use crate::inspect::needle::Needle;
use crate::inspect::{files, memory};

/// A server of Debian.
#[derive(Clone, Copy, Debug)]
enum Other {
    Nats,
    Mosquitto,
    Redis,
}

/// Copies found of payload and topic: while everybody is there, a moment after they left, and ten seconds after.
struct Row {
    name: &'static str,
    live: Vec<usize>,
    left: Vec<usize>,
    later: Vec<usize>,
    files: usize,
}

/// Looks at each of them and answers with a table.
pub(crate) fn table() -> String {
    let mut table = String::from(
        "| server | payload, topic: all delivered | 0.75 s after all left | 10 s after | files with it |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for other in [Other::Nats, Other::Mosquitto, Other::Redis] {
        let row = match other.look() {
            Ok(row) => format!(
                "| {} | {} | {} | {} | {} |\n",
                row.name,
                pair(&row.live),
                pair(&row.left),
                pair(&row.later),
                row.files
            ),
            Err(finding) => format!("| {} | not seen: {finding} | | | |\n", other.name()),
        };
        table.push_str(&row);
    }
    table
}

fn pair(counts: &[usize]) -> String {
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    counts.join(", ")
}

impl Other {
    const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats-server",
            Self::Mosquitto => "mosquitto",
            Self::Redis => "redis-server",
        }
    }

    /// Sixty messages with a canary from one client to another, who then leave.
    fn look(self) -> Result<Row, Finding> {
        let folder = tempfile::tempdir().map_err(Finding::not_seen)?;
        let start = SystemTime::now();
        let port = free_port().map_err(Finding::not_seen)?;
        let server = self.start(folder.path(), port).map_err(Finding::not_seen)?;
        let pid = server.0.id();
        let (canary, topic) = secrets()?;
        let payload = Needle::printed("payload", &canary);
        let name = Needle::text("topic", &topic);
        let talked = self
            .talk(port, &topic, &canary)
            .map_err(Finding::not_seen)?;
        sleep(MOMENT);
        let live = memory::search(pid, &[&payload, &name])?;
        drop(talked);
        sleep(MOMENT);
        let left = memory::search(pid, &[&payload, &name])?;
        sleep(LATER);
        let later = memory::search(pid, &[&payload, &name])?;
        let found = files::search(Some(folder.path().to_owned()), start, &[&payload, &name]);
        Ok(Row {
            name: self.name(),
            live,
            left,
            later,
            files: found.hits.len(),
        })
    }

    fn start(self, folder: &Path, port: u16) -> io::Result<Server> {
        let mut command = Command::new(self.name());
        let number = port.to_string();
        match self {
            Self::Nats => command.args(["-a", "127.0.0.1", "-p", &number]),
            Self::Mosquitto => {
                let file = folder.join("mosquitto.conf");
                let text = format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"
                );
                fs::write(&file, text)?;
                command.arg("-c").arg(file)
            }
            Self::Redis => command
                .args(["--port", &number, "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--dir"])
                .arg(folder),
        };
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server(command.spawn()?);
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > START {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Gives both ends, which stay connected while they exist.
    fn talk(self, port: u16, topic: &str, canary: &[u8]) -> io::Result<(TcpStream, TcpStream)> {
        let mut reader = self.join(port, "reader")?;
        reader.write_all(&self.subscribe(topic))?;
        sleep(Duration::from_millis(300));
        let mut sender = self.join(port, "sender")?;
        for len in [100_usize, 512, 2048, 2049, 16_384, 65_000]
            .into_iter()
            .cycle()
            .take(60)
        {
            let payload: Vec<u8> = canary.iter().copied().cycle().take(len).collect();
            sender.write_all(&self.publish(topic, &payload))?;
            // Everything has come once there are so many bytes; what stands around them is more.
            let mut rest = len;
            let mut buffer = vec![0; 1 << 16];
            while rest > 0 {
                let read = reader.read(&mut buffer)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                rest = rest.saturating_sub(read);
            }
            sleep(Duration::from_millis(5));
        }
        Ok((reader, sender))
    }

    fn join(self, port: u16, who: &str) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(START))?;
        let hello = match self {
            Self::Nats => b"CONNECT {\"verbose\":false}\r\n".to_vec(),
            Self::Mosquitto => {
                let id = [&[0, 6][..], who.as_bytes()].concat();
                let body = [&[0, 4][..], b"MQTT", &[4, 2, 0, 60], &id].concat();
                packet(0x10, &body)
            }
            Self::Redis => b"PING\r\n".to_vec(),
        };
        stream.write_all(&hello)?;
        let mut answer = [0; 4096];
        let _greeting = stream.read(&mut answer)?;
        Ok(stream)
    }

    fn subscribe(self, topic: &str) -> Vec<u8> {
        match self {
            Self::Nats => format!("SUB {topic} 1\r\n").into_bytes(),
            Self::Mosquitto => {
                let len = u8::try_from(topic.len()).unwrap_or(u8::MAX);
                packet(
                    0x82,
                    &[&[0, 1, 0, len][..], topic.as_bytes(), &[0]].concat(),
                )
            }
            Self::Redis => resp(&[b"SUBSCRIBE", topic.as_bytes()]),
        }
    }

    fn publish(self, topic: &str, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Nats => {
                let head = format!("PUB {topic} {}\r\n", payload.len());
                [head.as_bytes(), payload, b"\r\n"].concat()
            }
            Self::Mosquitto => {
                let len = u8::try_from(topic.len()).unwrap_or(u8::MAX);
                packet(0x30, &[&[0, len][..], topic.as_bytes(), payload].concat())
            }
            Self::Redis => resp(&[b"PUBLISH", topic.as_bytes(), payload]),
        }
    }
}

/// A packet of MQTT 3.1.1.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
    [&[kind][..], &crate::peer::encode::number(len), body].concat()
}

/// A command of Redis.
fn resp(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    bytes
}

fn secrets() -> Result<(Vec<u8>, String), Finding> {
    let mut canary = vec![0; 48];
    let mut name = [0; 16];
    getrandom::fill(&mut canary).map_err(Finding::not_seen)?;
    getrandom::fill(&mut name).map_err(Finding::not_seen)?;
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((canary, format!("topic{name}")))
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// A process that does not outlive the look at it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

const MOMENT: Duration = Duration::from_millis(750);
const LATER: Duration = Duration::from_secs(9);
const START: Duration = Duration::from_secs(10);
