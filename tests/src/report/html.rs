//! The report for people who read no programs: one page without scripts that prints well.

use std::fmt::Write;

use crate::catalogue::{AREAS, Level, of_clients};

use super::evidence::hash;
use super::junit::escape;
use super::{Entry, Language, Report, Verdict};

const STYLE: &str = include_str!("page.css");

/// The page. It ends with the hash of the JSON that says the same.
pub(crate) fn write(report: &Report, json: &str, language: Language) -> String {
    let say = |english, korean| language.choose(english, korean);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title>\n<style>\n{STYLE}</style></head><body>\n",
        language.code(),
        title(report, language),
    );
    let _never_fails = writeln!(
        page,
        "<h1>{}</h1>\n<p class=\"{}\">{}</p>",
        title(report, language),
        if report.conformant { "good" } else { "bad" },
        conclusion(report, language),
    );
    page.push_str(&not_asked(report, language));
    page.push_str(&failures(report, language));
    page.push_str(&occasion(report, language));
    page.push_str(&explanation(report, language));
    page.push_str(&legend(language));
    for area in AREAS {
        let entries = report
            .entries
            .iter()
            .filter(|entry| entry.area == area.prefix);
        let entries: Vec<&Entry> = entries.collect();
        if entries.is_empty() {
            continue;
        }
        let _never_fails = writeln!(
            page,
            "<h2>{}</h2>\n<table class=\"checks\"><tr><th>{}</th><th>{}</th><th>{}</th></tr>",
            say(area.english, area.korean),
            say("Result", "결과"),
            say("What was asked", "확인한 것"),
            say("What was seen", "본 것"),
        );
        for entry in entries {
            row(&mut page, entry, language);
        }
        page.push_str("</table>\n");
    }
    page.push_str(&colophon(report, json, language));
    page.push_str("</body></html>\n");
    page
}

/// Whether a messenger was judged, and not a relay.
fn is_of_client(report: &Report) -> bool {
    let clients = of_clients();
    let is_one = |entry: &Entry| clients.iter().any(|check| check.id == entry.id);
    report.entries.iter().any(is_one)
}

fn title(report: &Report, language: Language) -> &'static str {
    if is_of_client(report) {
        return language.choose(
            "What this messenger does and keeps",
            "이 메신저가 하는 일과 남기는 것",
        );
    }
    language.choose(
        "What this relay does and keeps",
        "이 중계 서버가 하는 일과 남기는 것",
    )
}

fn conclusion(report: &Report, language: Language) -> String {
    let (totals, entries) = (report.totals, report.entries.len());
    if report.conformant && totals.failed > 0 {
        return match language {
            Language::En => format!(
                "{} of {entries} checks hold, {} do not. Those that do not are not required, or known: the reason stands with them. {} could not be seen and {} were left out; about these this page says nothing.",
                totals.passed, totals.failed, totals.not_seen, totals.skipped
            ),
            Language::Ko => format!(
                "검사 {entries}개 가운데 {}개는 지켜지고 {}개는 지켜지지 않습니다. 지켜지지 않는 것은 필수가 아니거나 이미 알려진 것이며, 이유를 함께 적었습니다. {}개는 볼 수 없었고 {}개는 제외했으며, 이에 대해서는 이 문서가 아무것도 말하지 않습니다.",
                totals.passed, totals.failed, totals.not_seen, totals.skipped
            ),
        };
    }
    match (language, report.conformant) {
        (Language::En, true) => format!(
            "Everything that was looked for holds: {} of {entries} checks. {} could not be seen and {} were left out; about these this page says nothing.",
            totals.passed, totals.not_seen, totals.skipped
        ),
        (Language::En, false) => format!(
            "Not all is as it must be: {} of {entries} checks hold, {} do not, {} could not be seen, {} were left out.",
            totals.passed, totals.failed, totals.not_seen, totals.skipped
        ),
        (Language::Ko, true) => format!(
            "확인한 것은 모두 지켜지고 있습니다: 검사 {entries}개 가운데 {}개. {}개는 볼 수 없었고 {}개는 제외했으며, 이에 대해서는 이 문서가 아무것도 말하지 않습니다.",
            totals.passed, totals.not_seen, totals.skipped
        ),
        (Language::Ko, false) => format!(
            "지켜야 할 것이 모두 지켜지고 있지는 않습니다: 검사 {entries}개 가운데 {}개는 지켜지고, {}개는 지켜지지 않으며, {}개는 볼 수 없었고, {}개는 제외했습니다.",
            totals.passed, totals.failed, totals.not_seen, totals.skipped
        ),
    }
}

/// How much of the suite was left aside: the conclusion is about the rest.
fn not_asked(report: &Report, language: Language) -> String {
    let asked = report.entries.len();
    let all = asked.saturating_add(report.not_asked);
    if report.not_asked == 0 {
        return String::new();
    }
    let text = match language {
        Language::En => format!(
            "The suite has {all} checks of this kind; the command below chose {asked} of them. About the others this page says nothing."
        ),
        Language::Ko => format!(
            "이런 대상에 대한 검사는 모두 {all}개이며, 아래 명령은 그 가운데 {asked}개를 골랐습니다. 나머지에 대해서는 이 문서가 아무것도 말하지 않습니다."
        ),
    };
    format!("<p>{text}</p>\n")
}

/// What does not hold, right below the conclusion.
fn failures(report: &Report, language: Language) -> String {
    let failed = report.entries.iter();
    let failed = failed.filter(|entry| entry.verdict == Verdict::Failed);
    let lines: String = failed
        .map(|entry| {
            let title = escape(language.choose(entry.title, entry.title_ko));
            format!("<li>{title} <small>{}</small></li>\n", entry.id)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let what = language.choose("These do not hold:", "지켜지지 않은 것:");
    format!("<p>{what}</p>\n<ul class=\"bad\">\n{lines}</ul>\n")
}

/// What was judged, and when.
fn occasion(report: &Report, language: Language) -> String {
    let (judged, begun) = (
        language.choose("Judged:", "검사한 것:"),
        language.choose("Begun:", "시작:"),
    );
    let (target, started) = (escape(&report.target), escape(&report.started));
    format!("<p><small>{judged} {target} · {begun} {started}</small></p>\n")
}

/// The words in small print, and those that a line may have.
fn legend(language: Language) -> String {
    let text = language.choose(
        "Below each question stand its name, whether the protocol requires the answer (must) or recommends it (should), and the clauses of the protocol that say so. A frame is one piece of sealed data; a topic is the number under which devices meet at a relay; a carrier is one of the two ways to reach it, QUIC or TLS over TCP; a canary is data that exists nowhere else and is searched for.",
        "질문 아래의 작은 글씨는 차례로 검사의 이름, 프로토콜이 반드시 요구하는 것인지(필수) 권하는 것인지(권장), 그렇게 정한 프로토콜의 조항 번호입니다.",
    );
    format!("<p>{text}</p>\n")
}

fn explanation(report: &Report, language: Language) -> String {
    if is_of_client(report) {
        let what = language.choose(
            "A messenger seals what people say on their devices. A program that shares nothing with it played the relay through which devices meet, saw all that passed, and cheated; it gave orders to several messengers as people would, ended them at bad moments, and searched their disks and memory. Each line is one question. A question that could not be answered is marked “not seen” and never counts as answered well.",
            "메신저는 사람들이 나누는 말을 단말에서 봉인합니다. 메신저와 별개로 만든 프로그램이 단말들이 만나는 중계 서버 역할을 하며 오가는 것을 모두 보고 속임수를 썼습니다. 또 여러 메신저에 사람처럼 지시하고, 나쁜 순간에 강제로 끝내고, 디스크와 메모리를 뒤졌습니다. 한 줄이 질문 하나입니다. 답을 얻지 못한 질문은 “보지 못함”으로 표시하며 결코 통과로 세지 않습니다.",
        );
        return format!("<p>{what}</p>\n");
    }
    let seen = match (language, report.sees_process) {
        (Language::En, true) => {
            "The program looked from the network and at the relay's process: its memory, its files and what the kernel holds for it."
        }
        (Language::En, false) => {
            "The program looked from the network alone. What the relay holds in its memory or on a disk was not seen."
        }
        (Language::Ko, true) => {
            "이 검사는 네트워크에서, 그리고 중계 서버의 프로세스(메모리, 파일, 커널이 가진 것)를 직접 살펴보았습니다."
        }
        (Language::Ko, false) => {
            "이 검사는 네트워크에서만 살펴보았습니다. 중계 서버가 메모리나 디스크에 가진 것은 보지 못했습니다."
        }
    };
    let what = language.choose(
        "A relay hands sealed data from one device to others that are connected at the same time. It is meant to keep nothing of it. A program that does not come from the relay connected to it, said what honest devices say and what dishonest ones would, planted data that exists nowhere else, and searched for it afterwards. Each line is one question. A question that could not be answered is marked “not seen” and never counts as answered well.",
        "중계 서버는 봉인된 데이터를 한 단말에서 같은 시각에 접속해 있는 다른 단말로 전달하며, 아무것도 남기지 않도록 만들어졌습니다. 중계 서버와 별개로 만든 프로그램이 접속하여 정상적인 단말과 악의적인 단말이 보낼 만한 것을 보내고, 다른 어디에도 없는 데이터를 흘려보낸 뒤 그것이 남아 있는지 찾았습니다. 한 줄이 질문 하나입니다. 답을 얻지 못한 질문은 “보지 못함”으로 표시하며 결코 통과로 세지 않습니다.",
    );
    format!("<p>{what}</p>\n<p>{seen}</p>\n")
}

fn row(page: &mut String, entry: &Entry, language: Language) {
    let class = match entry.verdict {
        Verdict::Passed => "good",
        Verdict::Failed => "bad",
        Verdict::NotSeen => "unseen",
        Verdict::Skipped => "out",
    };
    let level = match entry.level {
        Level::Must => language.choose("must", "필수"),
        Level::Should => language.choose("should", "권장"),
    };
    let because = entry
        .expected_because
        .as_ref()
        .map_or_else(String::new, |reason| {
            let word = language.choose("Expected: ", "예상됨: ");
            format!("<br>{word}{}", escape(reason))
        });
    // What was found has to be seen without a click, and on paper.
    let open = if entry.verdict == Verdict::Failed {
        " open"
    } else {
        ""
    };
    // What a check has seen is written once, in English.
    let detail = match language {
        Language::En => String::new(),
        Language::Ko => format!("<p>본 것: {}</p>", escape(&entry.observed)),
    };
    let _never_fails = writeln!(
        page,
        "<tr class=\"{class}\"><td>{}</td><td>{}<br><small>{} · {level} · {}</small></td><td>{}{because}<details{open}><summary>{}</summary>{detail}<p>{} {}</p><p>{} {}</p></details></td></tr>",
        language.verdict(entry.verdict),
        escape(language.choose(entry.title, entry.title_ko)),
        entry.id,
        escape(&entry.clauses.join(", ")),
        language.choose(&escape(&entry.observed), in_korean(entry.verdict)),
        language.choose("How", "자세한 내용(영어)"),
        language.choose("Done:", "한 일:"),
        escape(entry.sent),
        language.choose("Has to be seen:", "보여야 하는 것:"),
        escape(entry.expected),
    );
}

/// What a verdict means, in a sentence.
const fn in_korean(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "확인했으며, 그대로 지켜졌습니다.",
        Verdict::Failed => "지켜져야 할 것과 다른 점을 발견했습니다.",
        Verdict::NotSeen => "확인하려 했으나 볼 수 없었습니다.",
        Verdict::Skipped => "이번 검사에서는 다루지 않았습니다.",
    }
}

fn colophon(report: &Report, json: &str, language: Language) -> String {
    let mut rows = String::new();
    let rate = report.command.join(" ");
    for (name, value) in [
        (
            language.choose("Judged", "검사한 것"),
            report.target.as_str(),
        ),
        (language.choose("Begun", "시작"), report.started.as_str()),
        (language.choose("Machine", "기계"), report.machine.as_str()),
        (
            language.choose("Suite", "검사 프로그램"),
            report.suite.as_str(),
        ),
        (language.choose("Command", "명령"), rate.as_str()),
        (
            language.choose("Seed", "난수 씨앗"),
            &report.seed.to_string(),
        ),
        (
            language.choose("Catalogue, SHA-256", "검사 목록 SHA-256"),
            report.catalogue_sha256.as_str(),
        ),
        (
            language.choose(
                "JSON of the same report, SHA-256",
                "같은 보고서의 JSON SHA-256",
            ),
            &hash(json.as_bytes()),
        ),
    ] {
        let _never_fails = writeln!(rows, "<tr><th>{name}</th><td>{}</td></tr>", escape(value));
    }
    for finding in &report.baseline_findings {
        let _never_fails = writeln!(
            rows,
            "<tr><th>baseline</th><td>{}</td></tr>",
            escape(finding)
        );
    }
    let title = language.choose("How this came about", "이 문서가 만들어진 과정");
    format!("<h2>{title}</h2>\n<table class=\"facts\">\n{rows}</table>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_stands_alone_and_says_what_the_json_says() {
        let report = super::super::example();
        let json = super::super::json::write(&report).unwrap();
        for language in [Language::En, Language::Ko] {
            let page = write(&report, &json, language);
            assert!(page.contains(&hash(json.as_bytes())));
            assert!(page.contains(language.choose("has 7 checks", "모두 7개")));
            for forbidden in ["<script", "http:", "https:", "<link", "<img", "src="] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            for entry in &report.entries {
                assert!(page.contains(entry.id), "{}", entry.id);
                assert!(page.contains(&escape(language.choose(entry.title, entry.title_ko))));
            }
            assert_eq!(
                page.matches("<tr class=\"bad\">").count(),
                report.totals.failed
            );
            assert_eq!(page.matches("<details open>").count(), report.totals.failed);
            assert_eq!(page.matches("<li>").count(), report.totals.failed);
            assert_eq!(
                page.matches("<tr class=\"good\">").count(),
                report.totals.passed
            );
        }
    }
}
