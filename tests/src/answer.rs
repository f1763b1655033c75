//! The answer to a warrant: docs/what-we-could-hand-over.md, from what a run saw.
//!
//! Each line says what an operator has, and names the checks that looked for it. It is said only if all of them held:
//! a line with a check that found something says which, and one that nobody looked for says so.

use crate::report::{Entry, Language, Verdict};

/// The page around the two tables.
const PAGE: &str = include_str!("../answer.txt");

/// One question, each text in English and Korean.
struct Row {
    asked: [&'static str; 2],
    there: [&'static str; 2],
    checks: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        asked: ["messages, files, pictures", "메시지, 파일, 사진"],
        there: [
            "nothing; frames are sealed by the devices, and are gone from memory when they were handed on",
            "없습니다. 데이터는 단말에서 봉인되고, 전달되면 메모리에서 사라집니다",
        ],
        checks: &["KEEP-DELIVERED", "KEEP-PAYLOAD", "KEEP-MANY"],
    },
    Row {
        asked: [
            "messages that wait for somebody",
            "누군가를 기다리는 메시지",
        ],
        there: [
            "nothing; who is away gets nothing from the relay",
            "없습니다. 자리를 비운 사람은 중계 서버에서 아무것도 받지 못합니다",
        ],
        checks: &["CARRY-LATE", "CARRY-BACK-LATER", "KEEP-NOBODY"],
    },
    Row {
        asked: ["a disk, a backup", "디스크, 백업"],
        there: [
            "the program, its key, its configuration; no file is written",
            "프로그램과 그 열쇠, 설정 파일뿐입니다. 어떤 파일도 쓰지 않습니다",
        ],
        checks: &[
            "KEEP-FILES",
            "KEEP-WRITES",
            "KEEP-OPEN-FILES",
            "KEEP-SYSCALLS",
        ],
    },
    Row {
        asked: ["logs", "로그"],
        there: [
            "start, reload, stop, and totals without names",
            "시작·다시 읽기·정지 시각과 이름 없는 합계뿐입니다",
        ],
        checks: &["KEEP-LOG"],
    },
    Row {
        asked: [
            "who was connected, when, from where",
            "누가 언제 어디에서 접속했는지",
        ],
        there: ["nothing, once they have left", "떠난 뒤에는 없습니다"],
        checks: &["KEEP-ADDRESS-TCP", "KEEP-ADDRESS-QUIC"],
    },
    Row {
        asked: [
            "who talks with whom, members of groups",
            "누가 누구와 대화하는지, 대화방 참여자",
        ],
        there: [
            "nothing; topics are random-looking keys, and gone when the last attachment ends",
            "없습니다. 통로는 무작위로 보이는 열쇠이며 마지막 연결이 끝나면 사라집니다",
        ],
        checks: &["KEEP-TOPIC", "KEEP-DETACHED-TOPIC"],
    },
    Row {
        asked: ["accounts, names, telephone numbers", "계정, 이름, 전화번호"],
        there: ["never known", "처음부터 알지 못합니다"],
        checks: &["TLS-NO-CLIENT-CERTIFICATE"],
    },
    Row {
        asked: ["memory of a crash", "비정상 종료 때의 메모리"],
        there: ["no core file", "코어 파일이 남지 않습니다"],
        checks: &["KEEP-CORE-LIMIT", "KEEP-KILL"],
    },
    Row {
        asked: ["swap", "스왑"],
        there: ["nothing", "없습니다"],
        checks: &["KEEP-SWAP"],
    },
    Row {
        asked: [
            "what the program says about itself",
            "프로그램이 스스로 말하는 것",
        ],
        there: [
            "version, uptime, totals, how many are connected now",
            "버전, 가동 시간, 합계, 현재 접속 수",
        ],
        checks: &["KEEP-WARRANT"],
    },
    Row {
        asked: ["the memory of a running machine", "실행 중인 기계의 메모리"],
        there: [
            "addresses of those who are connected, topics in use, sealed frames that wait: see below",
            "접속 중인 주소, 이용 중인 통로, 기다리는 봉인된 데이터뿐입니다(아래 참고)",
        ],
        checks: &["KEEP-DRILL"],
    },
];

/// The page, in both languages, as far as these checks support it.
pub(crate) fn page(entries: &[Entry]) -> String {
    let verdict = |id: &str| {
        let entry = entries.iter().find(|entry| entry.id == id);
        entry.map_or(Verdict::NotSeen, |entry| entry.verdict)
    };
    PAGE.replace("{english}", &table(Language::En, verdict))
        .replace("{korean}", &table(Language::Ko, verdict))
}

/// The questions that this run cannot answer as the page wants to.
pub(crate) fn open(entries: &[Entry]) -> usize {
    let holds = |id: &&str| {
        let mut named = entries.iter().filter(|entry| entry.id == *id);
        named.any(|entry| entry.verdict == Verdict::Passed)
    };
    let answered = ROWS.iter().filter(|row| row.checks.iter().all(&holds));
    ROWS.len().saturating_sub(answered.count())
}

fn table(language: Language, verdict: impl Fn(&str) -> Verdict) -> String {
    let head = language.choose(
        "| asked for | what there is | check |\n| --- | --- | --- |",
        "| 요구하는 것 | 실제로 있는 것 | 검사 |\n| --- | --- | --- |",
    );
    let rows = ROWS.iter().map(|row| {
        let [asked, asked_ko] = row.asked;
        let asked = language.choose(asked, asked_ko);
        let there = answer(language, row, &verdict);
        format!("\n| {asked} | {there} | {} |", row.checks.join(", "))
    });
    [head.to_owned(), rows.collect()].concat()
}

fn answer(language: Language, row: &Row, verdict: &impl Fn(&str) -> Verdict) -> String {
    let that_are = |wanted: fn(Verdict) -> bool| {
        let ids = row.checks.iter().filter(|id| wanted(verdict(id)));
        ids.copied().collect::<Vec<_>>().join(", ")
    };
    let failed = that_are(|verdict| verdict == Verdict::Failed);
    let unseen = that_are(|verdict| !matches!(verdict, Verdict::Passed | Verdict::Failed));
    let [there, there_ko] = row.there;
    if !failed.is_empty() {
        let words = language.choose(
            "**more than there should be**",
            "**있어서는 안 될 것이 있음**",
        );
        format!("{words}: {failed}")
    } else if !unseen.is_empty() {
        let words = language.choose("nobody looked", "확인하지 않음");
        format!("{words}: {unseen}")
    } else {
        language.choose(there, there_ko).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(verdict: impl Fn(&str) -> Verdict) -> Vec<Entry> {
        let ids = ROWS.iter().flat_map(|row| row.checks);
        let entry = |id: &&'static str| Entry {
            id,
            verdict: verdict(id),
            ..Entry::default()
        };
        ids.map(entry).collect()
    }

    #[test]
    fn the_document_is_what_a_run_writes_in_which_everything_held() {
        let document = include_str!("../../docs/what-we-could-hand-over.md");
        let entries = run(|_| Verdict::Passed);
        assert_eq!(
            page(&entries),
            document,
            "write it: cargo xtask judge --write"
        );
        assert_eq!(open(&entries), 0);
    }

    #[test]
    fn a_line_is_not_said_if_a_check_found_something_or_was_not_run() {
        let only = |id: &'static str, verdict| {
            run(move |other| {
                if other == id {
                    verdict
                } else {
                    Verdict::Passed
                }
            })
        };
        let found = only("KEEP-SWAP", Verdict::Failed);
        assert!(page(&found).contains("| swap | **more than there should be**: KEEP-SWAP |"));
        assert!(page(&found).contains("| 스왑 | **있어서는 안 될 것이 있음**: KEEP-SWAP |"));
        for unseen in [Verdict::NotSeen, Verdict::Skipped] {
            let unseen = only("KEEP-KILL", unseen);
            assert!(page(&unseen).contains("| memory of a crash | nobody looked: KEEP-KILL |"));
            assert_eq!(open(&unseen), 1);
        }
        assert_eq!(open(&[]), ROWS.len());
    }
}
