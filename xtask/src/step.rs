//! Step headings with the time since the start, so that a log can be read afterwards.

use std::time::Instant;

/// Numbers the steps of one command and knows when it began.
#[derive(Debug)]
pub(crate) struct Steps {
    began: Instant,
    number: u32,
}

impl Steps {
    /// Starts counting now.
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            number: 0,
        }
    }

    /// Prints the heading of the next step.
    pub(crate) fn next(&mut self, title: &str) {
        self.number = self.number.saturating_add(1);
        println!();
        println!("== {}. {title} [{}]", self.number, self.elapsed());
    }

    /// Prints the last line of a command that did what it should.
    pub(crate) fn done(&self, what: &str) {
        println!();
        println!("== {what} [{}]", self.elapsed());
    }

    /// Time since the start, in seconds with one decimal.
    fn elapsed(&self) -> String {
        format!("{:.1} s", self.began.elapsed().as_secs_f64())
    }
}
