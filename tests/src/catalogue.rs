//! What a check is, and the list of all.

use std::future::Future;
use std::pin::Pin;

use clap::ValueEnum;
use serde::Serialize;

use crate::checks;
use crate::client::scene::Scene;
use crate::finding::Outcome;
use crate::stage::Stage;

/// How binding the clause is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Level {
    /// A relay that does otherwise does not speak the protocol.
    #[serde(rename = "MUST")]
    Must,
    /// There may be reasons to do otherwise.
    #[serde(rename = "SHOULD")]
    Should,
}

/// How much time a run may take. Each has all checks of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// About a minute.
    Quick,
    /// Waits for every limit of time: about five minutes.
    Full,
    /// Keeps connections for more than an hour.
    Soak,
}

/// From where it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sight {
    /// From the network.
    Network,
    /// Only beside the process: it needs `--pid` or `--spawn`, and the rights to look.
    Process,
}

/// Whether others may ask the relay something at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Together,
    Alone,
}

/// What a check does.
pub(crate) type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Whom a check is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    Relay(fn(Stage) -> Task),
    Client(fn(Scene) -> Task),
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// Never reused for another question.
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// Of `docs/protocol.md`; `RFC ...` for what the protocol takes from there.
    pub(crate) clauses: &'static [&'static str],
    pub(crate) english: &'static str,
    pub(crate) korean: &'static str,
    /// What is done.
    pub(crate) sent: &'static str,
    /// What has to be seen then.
    pub(crate) expected: &'static str,
    pub(crate) profile: Profile,
    pub(crate) sight: Sight,
    pub(crate) turn: Turn,
    pub(crate) run: Run,
}

impl Check {
    /// A check for the network, quick, of something that must be.
    pub(crate) const fn new(
        id: &'static str,
        clauses: &'static [&'static str],
        titles: [&'static str; 2],
        [sent, expected]: [&'static str; 2],
        run: fn(Stage) -> Task,
    ) -> Self {
        Self::of(id, clauses, titles, [sent, expected], Run::Relay(run))
    }

    /// The same about a client.
    pub(crate) const fn client(
        id: &'static str,
        clauses: &'static [&'static str],
        titles: [&'static str; 2],
        words: [&'static str; 2],
        run: fn(Scene) -> Task,
    ) -> Self {
        Self::of(id, clauses, titles, words, Run::Client(run))
    }

    const fn of(
        id: &'static str,
        clauses: &'static [&'static str],
        [english, korean]: [&'static str; 2],
        [sent, expected]: [&'static str; 2],
        run: Run,
    ) -> Self {
        Self {
            id,
            level: Level::Must,
            clauses,
            english,
            korean,
            sent,
            expected,
            profile: Profile::Quick,
            sight: Sight::Network,
            turn: Turn::Together,
            run,
        }
    }

    pub(crate) const fn should(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    pub(crate) const fn takes(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    pub(crate) const fn alone(mut self) -> Self {
        self.turn = Turn::Alone;
        self
    }

    /// Needs the process, and nobody else at the relay meanwhile.
    pub(crate) const fn inside(mut self) -> Self {
        self.sight = Sight::Process;
        self.turn = Turn::Alone;
        self
    }

    /// The area, which the id begins with.
    pub(crate) fn area(&self) -> &'static str {
        self.id.split('-').next().unwrap_or(self.id)
    }
}

/// An area of the catalogue: what its ids begin with, and what it is about.
#[derive(Debug)]
pub(crate) struct Area {
    pub(crate) prefix: &'static str,
    pub(crate) english: &'static str,
    pub(crate) korean: &'static str,
}

/// In the order of reports.
pub(crate) const AREAS: &[Area] = &[
    Area {
        prefix: "KEEP",
        english: "What the relay keeps: memory, disk, logs, kernel",
        korean: "중계 서버가 남기는 것: 메모리, 디스크, 로그, 커널",
    },
    Area {
        prefix: "LINK",
        english: "What links one connection to another",
        korean: "한 접속을 다른 접속과 연결 짓는 것",
    },
    Area {
        prefix: "CARRY",
        english: "How frames are carried",
        korean: "데이터를 전달하는 방식",
    },
    Area {
        prefix: "PROOF",
        english: "Who may listen",
        korean: "누가 들을 수 있는가",
    },
    Area {
        prefix: "WIRE",
        english: "Bytes that no honest client sends",
        korean: "정상적인 단말이 보내지 않는 데이터",
    },
    Area {
        prefix: "TLS",
        english: "Encryption and identity of the connection",
        korean: "연결의 암호화와 신원",
    },
    Area {
        prefix: "QUIC",
        english: "Packets below the connection",
        korean: "연결 아래의 패킷",
    },
    Area {
        prefix: "LIMIT",
        english: "Limits of size and time",
        korean: "크기와 시간의 한도",
    },
    Area {
        prefix: "ACCESS",
        english: "Private relays",
        korean: "비공개 중계 서버",
    },
    Area {
        prefix: "FLOOD",
        english: "Floods and starvation",
        korean: "과부하와 고갈 공격",
    },
    Area {
        prefix: "STOP",
        english: "Stopping and starting again",
        korean: "정지와 재시작",
    },
    Area {
        prefix: "SEAL",
        english: "What a relay sees of clients",
        korean: "중계 서버가 단말에 대해 보는 것",
    },
    Area {
        prefix: "GROUP",
        english: "Groups: coming, going, changing at the same time",
        korean: "그룹: 들어오고 나가고 동시에 바꾸기",
    },
    Area {
        prefix: "MEMBER",
        english: "A member who breaks the rules",
        korean: "규칙을 어기는 참여자",
    },
    Area {
        prefix: "KEYS",
        english: "Old keys and keys used twice",
        korean: "지난 열쇠와 두 번 쓰인 열쇠",
    },
    Area {
        prefix: "DISK",
        english: "What lies in the profile",
        korean: "프로필 폴더에 남는 것",
    },
    Area {
        prefix: "CRASH",
        english: "Clients that die",
        korean: "갑자기 죽는 단말",
    },
    Area {
        prefix: "CHEAT",
        english: "A relay that cheats",
        korean: "속이는 중계 서버",
    },
];

/// Every check of relays.
pub(crate) fn all() -> Vec<Check> {
    let tables = [
        checks::retention::CHECKS,
        checks::traces::CHECKS,
        checks::linkage::CHECKS,
        checks::carrying::CHECKS,
        checks::counting::CHECKS,
        checks::proof::CHECKS,
        checks::wire::CHECKS,
        checks::streams::CHECKS,
        checks::tls::CHECKS,
        checks::quic::CHECKS,
        checks::limits::CHECKS,
        checks::access::CHECKS,
        checks::flood::CHECKS,
        checks::stopping::CHECKS,
    ];
    tables.concat()
}

/// Every check of clients.
pub(crate) fn of_clients() -> Vec<Check> {
    let tables = [
        checks::seal::CHECKS,
        checks::group::CHECKS,
        checks::member::CHECKS,
        checks::keys::CHECKS,
        checks::secrets::CHECKS,
        checks::disk::CHECKS,
        checks::forgotten::CHECKS,
        checks::crash::CHECKS,
        checks::cheat::CHECKS,
    ];
    tables.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Clauses of the relay protocol that say MUST and that no check has, and why.
    const UNCHECKED: &[(&str, &str)] = &[
        ("1.2.5", "needs connections of more than an hour"),
        ("1.2.6", "the suite knows relays by their key"),
        ("1.2.7", "binds clients"),
        ("1.3.3", "binds who reads a URL"),
        ("1.3.4", "binds who reads a URL"),
        ("1.3.5", "binds who reads a URL"),
        ("1.4.5", "binds clients"),
        ("2.4.8", "needs several relays behind one name"),
        ("2.4.9", "needs several relays behind one name"),
    ];

    /// Those of sections 3 to 8 that no check can see through a client's user interface and a relay, and why. Tests
    /// beside the code prove them: `tests/tests/clauses.rs` finds a MUST that none cites.
    const UNSEEN: &[(&str, &[&str])] = &[
        (
            "only somebody with a key of the group can make what has to be refused, which the suite has not",
            &[
                "3.1.2", "3.2.2", "3.2.4", "3.2.5", "4.2.3", "5.1.2", "5.1.3", "5.3.2", "5.6.1",
                "5.6.2", "5.6.7", "5.6.8", "5.7.3", "6.1.3", "6.2.4", "7.2.3", "7.2.4", "7.3.4",
                "7.3.5", "8.2", "8.5",
            ],
        ),
        (
            "it is about what stands in sealed envelopes, which the suite cannot open",
            &[
                "4.3.4", "5.4.5", "5.5.2", "5.6.5", "5.6.9", "5.7.5", "5.8.1", "5.8.6", "6.3.3",
            ],
        ),
        ("takes days", &["4.1.3", "4.1.4"]),
        (
            "it is about files, for which the shim has no verb",
            &["9.2", "9.3", "9.4", "9.5", "9.6", "9.7", "9.8"],
        ),
        (
            "it is about who is writing, for which the shim has no verb",
            &["6.4.1", "6.4.2"],
        ),
        (
            "it is about times that a group chooses, for which the shim has no verb",
            &["8.7"],
        ),
        (
            "it is about what a window shows, for which the shim has no verb",
            &["3.1.5", "5.8.2", "8.6"],
        ),
    ];

    /// The clauses of `docs/protocol.md`, and whether they say MUST.
    fn document() -> BTreeMap<&'static str, bool> {
        let mut clauses = BTreeMap::new();
        let mut current = None;
        for paragraph in include_str!("../../docs/protocol.md").split("\n\n") {
            let paragraph = paragraph.trim();
            let number = paragraph.split(' ').next().unwrap_or_default();
            let is_number = |text: &str| {
                let is_part = |part: &str| part.parse::<u8>().is_ok();
                text.contains('.') && text.split('.').all(is_part)
            };
            if is_number(number) {
                current = Some(number);
            } else if let Some(heading) = paragraph.strip_prefix("### ") {
                current = heading.split(' ').next();
            } else if paragraph.starts_with('#') {
                current = None;
            }
            if let Some(current) = current {
                let mut words = paragraph.split(|sign: char| !sign.is_ascii_alphabetic());
                *clauses.entry(current).or_default() |= words.any(|word| word == "MUST");
            }
        }
        clauses
    }

    #[test]
    fn every_must_has_a_check_or_a_reason_and_every_check_a_clause() {
        let document = document();
        let mut cited = BTreeSet::new();
        for check in all().into_iter().chain(of_clients()) {
            for clause in check
                .clauses
                .iter()
                .filter(|clause| !clause.starts_with("RFC"))
            {
                assert!(document.contains_key(clause), "{} cites {clause}", check.id);
                cited.insert(*clause);
            }
        }
        let unseen = UNSEEN.iter().flat_map(|(_, clauses)| clauses.iter());
        let unchecked = UNCHECKED.iter().map(|(clause, _)| clause);
        let listed: BTreeSet<&str> = unchecked.chain(unseen).copied().collect();
        for (clause, says_must) in &document {
            let (has, listed) = (cited.contains(clause), listed.contains(clause));
            assert!(
                !says_must || has != listed,
                "{clause}: checked {has}, listed as unchecked {listed}"
            );
            assert!(
                *says_must || !listed,
                "{clause} is listed and does not say MUST"
            );
        }
        for clause in listed {
            assert!(document.contains_key(clause), "{clause} is listed");
        }
    }

    #[test]
    fn ids_are_unique_and_belong_to_an_area() {
        let checks = [all(), of_clients()].concat();
        let ids: BTreeSet<&str> = checks.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), checks.len());
        for check in &checks {
            assert!(
                AREAS.iter().any(|area| area.prefix == check.area()),
                "{}",
                check.id
            );
            assert!(!check.clauses.is_empty(), "{} cites nothing", check.id);
            let texts = [check.english, check.korean, check.sent, check.expected];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", check.id);
        }
    }

    #[test]
    fn checks_that_documents_and_files_name_exist() {
        let checks = [all(), of_clients()].concat();
        for text in [
            include_str!("../../docs/auditing.md"),
            include_str!("../../docs/threat-model.md"),
            include_str!("../../docs/what-we-could-hand-over.md"),
            include_str!("../baseline.toml"),
            include_str!("../mutants/clients.txt"),
            include_str!("../mutants/table.txt"),
        ] {
            let is_part =
                |sign: char| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '-';
            for word in text.split(|sign: char| !is_part(sign) && sign != '*') {
                let area = AREAS.iter().find(|area| word.starts_with(area.prefix));
                let Some(rest) = area.and_then(|area| word.strip_prefix(area.prefix)) else {
                    continue;
                };
                if rest.starts_with('-') && rest != "-*" {
                    let known = checks.iter().any(|check| check.id == word);
                    assert!(known, "there is no check {word}");
                }
            }
        }
    }

    #[test]
    fn at_least_two_hundred_checks_and_sixty_misbehaviours() {
        let checks = [all(), of_clients()].concat();
        assert!(checks.len() >= 200, "{}", checks.len());
        let wrong = ["WIRE", "PROOF", "ACCESS"];
        let wrong = checks.iter().filter(|check| wrong.contains(&check.area()));
        assert!(wrong.clone().count() >= 60, "{}", wrong.count());
    }
}
