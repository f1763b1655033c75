//! `sori-relay warrant`.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::{AdminPlace, Failure, Options, WarrantArguments, config};
use crate::admin::{self, Question};
use crate::report::{FIGURES, Language, Report, Series};

/// Asks the relay and prints all that it says.
///
/// # Errors
/// [`Failure::Ask`] if there is no relay to ask.
pub(crate) fn print(arguments: WarrantArguments) -> Result<(), Failure> {
    let language = arguments.lang.unwrap_or_else(Language::from_environment);
    let path = arguments.place.options()?.admin.ok_or(Failure::Usage(
        "no admin socket; give --admin FILE, as the relay was started with",
    ))?;
    let answer =
        admin::ask(&path, Question::Warrant).map_err(|source| Failure::Ask { path, source })?;
    let report: Report = serde_json::from_str(&answer).map_err(|_| Failure::Unintelligible)?;
    let text = if arguments.json {
        format!("{answer}\n")
    } else {
        to_text(&report, language)
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}

impl AdminPlace {
    /// The options that say where the relay can be asked.
    ///
    /// # Errors
    /// [`Failure::Config`].
    pub(crate) fn options(self) -> Result<Options, Failure> {
        let given = Options {
            admin: self.admin,
            ..Options::default()
        };
        config::load(config::installed(self.config).as_deref(), given)
    }
}

fn to_text(report: &Report, language: Language) -> String {
    let words = Words::of(language);
    let mut text = format!(
        "{} {}\n{} {}\n",
        report.program,
        report.version,
        words.uptime,
        duration(report.uptime_seconds, language)
    );
    for (series, heading, figures) in [
        (Series::Now, words.now, &report.now),
        (Series::SinceStart, words.since_start, &report.since_start),
    ] {
        let known = FIGURES.iter().filter(|figure| figure.series == series);
        let mut lines: Vec<(&str, u64)> = known
            .filter_map(|figure| Some((figure.words(language), report.value(figure)?)))
            .collect();
        // A relay of another version may say more than this program has words for.
        let is_known = |name: &str| {
            FIGURES
                .iter()
                .any(|figure| figure.series == series && figure.name == name)
        };
        let unknown = figures.iter().filter(|(name, _)| !is_known(name));
        lines.extend(unknown.map(|(name, value)| (name.as_str(), *value)));
        let _writing_to_memory_succeeds = write!(text, "\n{heading}\n");
        for (words, value) in lines {
            let _writing_to_memory_succeeds = writeln!(text, "{value:>20}  {words}");
        }
    }
    let _writing_to_memory_succeeds = write!(text, "\n{}", words.closing);
    text
}

/// A time as people say it, with the seconds that the relay said.
fn duration(seconds: u64, language: Language) -> String {
    let (days, hours, minutes) = (
        seconds.div_euclid(86_400),
        seconds.div_euclid(3600).rem_euclid(24),
        seconds.div_euclid(60).rem_euclid(60),
    );
    match language {
        Language::En => format!("{days} d {hours} h {minutes} min ({seconds} s)"),
        Language::Ko => format!("{days}일 {hours}시간 {minutes}분 ({seconds}초)"),
    }
}

struct Words {
    uptime: &'static str,
    now: &'static str,
    since_start: &'static str,
    closing: &'static str,
}

impl Words {
    const fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &ENGLISH,
            Language::Ko => &KOREAN,
        }
    }
}

const ENGLISH: Words = Words {
    uptime: "has run for",
    now: "At this moment",
    since_start: "Since it started",
    closing: "\
This is all that this relay can say. It has no accounts, and no list of people, groups, addresses or
messages; it writes no file and no log of who was there. The sums are kept in memory only and are gone
when it stops.

While a connection lasts, the memory of the process holds what is needed to serve it: its network
address, the topics it is attached to, and sealed frames that wait for a slow reader, for seconds. No
command and no setting shows these, and they are gone when the connection ends.
",
};

const KOREAN: Words = Words {
    uptime: "가동 시간:",
    now: "지금 이 순간",
    since_start: "시작한 뒤 지금까지의 합계",
    closing: "\
이 중계 서버가 말할 수 있는 것은 이것이 전부입니다. 계정이 없고, 사람·대화방·주소·메시지의 목록이 없으며,
파일도 접속 기록도 남기지 않습니다. 위의 합계는 메모리에만 있고 서버를 멈추면 사라집니다.

연결이 살아 있는 동안 프로세스의 메모리에는 그 연결을 처리하는 데 필요한 것, 곧 네트워크 주소와 붙어 있는
토픽, 그리고 느린 수신자를 몇 초 동안 기다리는 봉인된 프레임이 있습니다. 이것을 보여 주는 명령이나 설정은
없으며, 연결이 끝나면 사라집니다.
",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reporter;
    use sori_relay::Monitor;

    #[test]
    fn every_figure_is_said_also_those_without_words() {
        let mut report = Reporter::new(Monitor::default()).report();
        report.uptime_seconds = 93_784;
        report.now.insert("invented".to_owned(), 7);
        for language in [Language::En, Language::Ko] {
            let text = to_text(&report, language);
            for figure in FIGURES {
                assert!(text.contains(figure.words(language)), "{figure:?}");
            }
            assert!(text.contains("7  invented"), "{text}");
        }
        assert!(to_text(&report, Language::En).contains("1 d 2 h 3 min (93784 s)"));
        assert!(to_text(&report, Language::Ko).contains("1일 2시간 3분 (93784초)"));
    }
}
