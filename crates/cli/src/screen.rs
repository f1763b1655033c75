//! Writing to the terminal and asking the person: everything that prints goes through here.

use std::io::{BufRead, IsTerminal, Write};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::words::{Language, Words, fill};

/// The person's terminal, or what stands in for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) language: Language,
    pub(crate) format: Format,
}

/// For whom to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Sentences.
    People,
    /// One JSON object a line.
    Programs,
}

impl Screen {
    /// What to say, in the person's language.
    pub(crate) const fn words(self) -> &'static Words {
        self.language.words()
    }

    /// A sentence for people; programs are not told.
    pub(crate) fn say(self, text: &str) -> Result<(), Failure> {
        if self.format == Format::Programs {
            return Ok(());
        }
        line(text)
    }

    /// The same with values filled in.
    pub(crate) fn say_with(self, template: &str, values: &[&str]) -> Result<(), Failure> {
        self.say(&fill(template, values))
    }

    /// An object for programs; people are not shown it.
    pub(crate) fn report(self, object: &impl Serialize) -> Result<(), Failure> {
        if self.format == Format::People {
            return Ok(());
        }
        let text = serde_json::to_string(object)
            .map_err(|_error| Failure::Failed("output failed".to_owned()))?;
        line(&text)
    }

    /// A sentence on standard error, for people and programs alike.
    pub(crate) fn warn(self, text: &str) {
        // If nobody reads it there is nobody to tell.
        let _unread = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Asks a question and takes `y`, `yes`, `예`, `네`, `응` or `ㅇ` for yes.
    pub(crate) async fn ask(self, question: &str, answers: &mut Lines) -> Result<bool, Failure> {
        {
            let mut out = std::io::stdout().lock();
            out.write_all(question.as_bytes())?;
            out.flush()?;
        }
        let Some(answer) = answers.next().await else {
            return Err(Failure::Failed(self.words().input_ended.to_owned()));
        };
        let answer = answer.trim().to_lowercase();
        Ok(["y", "yes", "예", "네", "응", "ㅇ"].contains(&answer.as_str()))
    }
}

fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Whether a person sits at both ends.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Lines that the person types. Read on a thread of their own, so that waiting for one does not
/// keep the program from ending.
#[derive(Debug)]
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Starts reading standard input.
    pub(crate) fn open() -> Self {
        let (sender, receiver) = mpsc::channel(16);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }
}
