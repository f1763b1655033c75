use super::*;
use crate::time::Day;
use proptest::prelude::*;

const KNOCK: [u8; 16] = [7; 16];

fn request() -> JoinRequest {
    JoinRequest {
        salt: [1; 32],
        name: "소리".into(),
        account: [2; 32],
        mailbox: vec![3; HYBRID_PUBLIC_LEN],
        key_packages: vec![vec![4; 3000]; KEY_PACKAGES_MAX],
        signature: vec![5; SIGNATURE_LEN],
    }
}

fn admission() -> Admission {
    Admission {
        group: [1; 16],
        welcome: vec![2; 5000],
        channel_secret: Zeroizing::new([0xAB; 32]),
        inviter_account: [4; 32],
        inviter_name: "Ada".into(),
        inviter_mailbox: vec![5; HYBRID_PUBLIC_LEN],
        key_packages: vec![],
        names: vec![([6; 32], "Bo".into()), ([7; 32], "Cy".into())],
        clock: 9,
        commit: Vec::new(),
        signature: vec![8; SIGNATURE_LEN],
    }
}

fn messages() -> Vec<InviteMessage> {
    let knock = KNOCK;
    vec![
        InviteMessage::Here,
        InviteMessage::Knock {
            knock,
            commitment: [1; 32],
        },
        InviteMessage::Key {
            knock,
            public: vec![1; HYBRID_PUBLIC_LEN],
            account: [2; 32],
            name: "Ada".into(),
            nonce: [3; 16],
        },
        InviteMessage::Request {
            knock,
            sealed: vec![1; REQUEST_LEN_MAX + SEAL_LEN],
        },
        InviteMessage::Received { knock },
        InviteMessage::Admitted {
            knock,
            sealed: vec![1; ADMISSION_LEN_MAX + SEAL_LEN],
        },
        InviteMessage::Denied { knock },
        InviteMessage::Gone { knock },
        InviteMessage::Welcomed { knock },
    ]
}

/// protocol §3.1.2, §7.2.1
#[test]
fn what_is_written_is_read_and_variants_keep_their_numbers() {
    for (number, message) in messages().into_iter().enumerate() {
        let bytes = message.encode().unwrap();
        assert_eq!(usize::from(bytes[0]), number);
        assert_eq!(InviteMessage::decode(&bytes), Some(message));
        assert_eq!(InviteMessage::decode(&[&bytes, &[0][..]].concat()), None);
        assert_eq!(InviteMessage::decode(&bytes[..bytes.len() - 1]), None);
    }
    let bytes = request().encode().unwrap();
    assert_eq!(JoinRequest::decode(&bytes), Some(request()));
    assert_eq!(JoinRequest::decode(&[&bytes, &[0][..]].concat()), None);
    let bytes = admission().encode().unwrap();
    assert!(Admission::decode(&bytes) == Some(admission()));
    assert!(Admission::decode(&[&bytes, &[0][..]].concat()).is_none());
}

/// Refused by who writes it and by who reads it.
fn refused<T: Bounded + Serialize + DeserializeOwned>(value: &T) -> bool {
    let bytes = postcard::to_allocvec(value).unwrap();
    write(value).is_err() && read::<T>(&bytes).is_none()
}

/// protocol §3.1.2
#[test]
fn messages_beyond_their_bounds_are_refused_on_both_sides() {
    let key = |public: usize, name: &str| InviteMessage::Key {
        knock: KNOCK,
        public: vec![1; public],
        account: [2; 32],
        name: name.into(),
        nonce: [3; 16],
    };
    assert!(refused(&key(HYBRID_PUBLIC_LEN - 1, "Ada")));
    assert!(refused(&key(HYBRID_PUBLIC_LEN + 1, "Ada")));
    assert!(refused(&key(HYBRID_PUBLIC_LEN, "")));
    assert!(refused(&key(HYBRID_PUBLIC_LEN, " Ada")));
    let sealed = vec![1; REQUEST_LEN_MAX + SEAL_LEN + 1];
    assert!(refused(&InviteMessage::Request {
        knock: KNOCK,
        sealed
    }));
    let sealed = vec![1; ADMISSION_LEN_MAX + SEAL_LEN + 1];
    assert!(refused(&InviteMessage::Admitted {
        knock: KNOCK,
        sealed
    }));
}

/// protocol §3.1.2, §7.2.2
#[test]
fn requests_beyond_their_bounds_are_refused_on_both_sides() {
    let packages = |count: usize, len: usize| JoinRequest {
        key_packages: vec![vec![1; len]; count],
        ..request()
    };
    assert!(!refused(&packages(1, 1)));
    assert!(!refused(&packages(KEY_PACKAGES_MAX, KEY_PACKAGE_LEN_MAX)));
    assert!(refused(&packages(0, 1)));
    assert!(refused(&packages(KEY_PACKAGES_MAX + 1, 1)));
    assert!(refused(&packages(1, KEY_PACKAGE_LEN_MAX + 1)));
    assert!(refused(&packages(1, 0)));
    assert!(refused(&JoinRequest {
        mailbox: vec![],
        ..request()
    }));
    assert!(refused(&JoinRequest {
        name: "a\u{202E}b".into(),
        ..request()
    }));
    for len in [SIGNATURE_LEN - 1, SIGNATURE_LEN + 1] {
        assert!(refused(&JoinRequest {
            signature: vec![1; len],
            ..request()
        }));
    }
}

/// protocol §3.1.2, §7.3.1
#[test]
fn admissions_beyond_their_bounds_are_refused_on_both_sides() {
    let name = "가".repeat(NAME_CHARS_MAX);
    let largest = |names: usize| Admission {
        welcome: vec![1; WELCOME_LEN_MAX],
        key_packages: vec![vec![1; KEY_PACKAGE_LEN_MAX]; KEY_PACKAGES_MAX],
        names: vec![([1; 32], name.clone()); names],
        ..admission()
    };
    assert!(!refused(&largest(NAMES_MAX)));
    assert!(refused(&largest(NAMES_MAX + 1)));
    assert!(refused(&Admission {
        welcome: vec![1; WELCOME_LEN_MAX + 1],
        ..admission()
    }));
    let entry = |len: usize| Entry {
        day: Day(1),
        sealed: vec![1; len],
    };
    let with = |commit: Vec<Entry>| Admission {
        commit,
        ..admission()
    };
    assert!(!refused(&with(vec![entry(1); COMMIT_ENVELOPES_MAX])));
    assert!(refused(&with(vec![entry(1); COMMIT_ENVELOPES_MAX + 1])));
    assert!(!refused(&with(vec![entry(ENTRY_LEN_MAX)])));
    assert!(refused(&with(vec![entry(ENTRY_LEN_MAX + 1)])));
    assert!(refused(&with(vec![entry(0)])));
    assert!(refused(&Admission {
        names: vec![([1; 32], "\n".into())],
        ..admission()
    }));
    assert!(refused(&Admission {
        inviter_name: String::new(),
        ..admission()
    }));
    assert!(refused(&Admission {
        inviter_mailbox: vec![1],
        ..admission()
    }));
    assert!(refused(&Admission {
        key_packages: vec![vec![1]; 6],
        ..admission()
    }));
    assert!(refused(&Admission {
        signature: vec![],
        ..admission()
    }));
}

/// protocol §7.2.2
#[test]
fn every_field_of_a_request_but_the_signature_is_signed() {
    let signed = |request: &JoinRequest| request.signed_bytes(&[1; 32], &KNOCK);
    let before = signed(&request());
    assert_eq!(
        signed(&JoinRequest {
            signature: vec![],
            ..request()
        }),
        before
    );
    for changed in [
        JoinRequest {
            salt: [0; 32],
            ..request()
        },
        JoinRequest {
            name: "소".into(),
            ..request()
        },
        JoinRequest {
            account: [0; 32],
            ..request()
        },
        JoinRequest {
            mailbox: vec![0; HYBRID_PUBLIC_LEN],
            ..request()
        },
        JoinRequest {
            key_packages: vec![vec![4; 3000]; 4],
            ..request()
        },
    ] {
        assert_ne!(signed(&changed), before);
    }
    assert_ne!(request().signed_bytes(&[0; 32], &KNOCK), before);
    assert_ne!(request().signed_bytes(&[1; 32], &[0; 16]), before);
}

/// protocol §7.3.1
#[test]
fn every_field_of_an_admission_but_the_signature_is_signed() {
    let signed = |admission: &Admission| admission.signed_bytes(&[1; 32], &KNOCK);
    let before = signed(&admission());
    assert!(
        signed(&Admission {
            signature: vec![],
            ..admission()
        }) == before
    );
    for changed in [
        Admission {
            group: [0; 16],
            ..admission()
        },
        Admission {
            welcome: vec![],
            ..admission()
        },
        Admission {
            channel_secret: Zeroizing::new([0; 32]),
            ..admission()
        },
        Admission {
            inviter_account: [0; 32],
            ..admission()
        },
        Admission {
            inviter_name: "Bob".into(),
            ..admission()
        },
        Admission {
            inviter_mailbox: vec![0; HYBRID_PUBLIC_LEN],
            ..admission()
        },
        Admission {
            key_packages: vec![vec![1]],
            ..admission()
        },
        Admission {
            names: vec![([6; 32], "BoCy".into())],
            ..admission()
        },
        Admission {
            clock: 10,
            ..admission()
        },
    ] {
        assert!(signed(&changed) != before);
    }
    assert!(admission().signed_bytes(&[0; 32], &KNOCK) != before);
    assert!(admission().signed_bytes(&[1; 32], &[0; 16]) != before);
}

/// protocol §3.1.5
#[test]
fn names_are_trimmed_and_what_hides_or_reorders_is_refused() {
    let clean = |name: &str| clean_name(name);
    assert_eq!(
        clean("  Ada \t Lovelace\n").as_deref(),
        Some("Ada Lovelace")
    );
    let longest = "가".repeat(NAME_CHARS_MAX);
    let family = "👩\u{200D}👩\u{200D}👧\u{FE0F}";
    for good in [
        "a",
        "김소리",
        "Zoë",
        "נועה",
        "می\u{200C}خواهم",
        family,
        &longest,
    ] {
        assert_eq!(clean(good).as_deref(), Some(good));
    }
    for bad in [
        "",
        " \n",
        "\u{0}",
        "a\u{7}b",
        "a\u{9F}b",
        "a\u{202E}b",
        "a\u{2066}b",
        "a\u{200F}",
        "a\u{200B}b",
        "\u{3164}",
        "\u{2800}",
        "\u{200D}\u{FE0F}",
        "\u{FEFF}a",
        "a\u{AD}b",
    ] {
        assert_eq!(clean(bad), None, "{bad:?}");
    }
    assert_eq!(clean(&format!("{longest}a")), None);
    assert_eq!(clean(&"a ".repeat(10_000)), None);
}

#[test]
fn code_depends_on_each_input_and_has_one_form() {
    let reference = code(&[1; 32], &[2; 16], b"request");
    assert_ne!(code(&[0; 32], &[2; 16], b"request"), reference);
    assert_ne!(code(&[1; 32], &[0; 16], b"request"), reference);
    assert_ne!(code(&[1; 32], &[2; 16], b"another"), reference);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..2000_u16 {
        let code = code(&[1; 32], &[2; 16], &number.to_be_bytes());
        let (first, second) = code.split_once(' ').unwrap();
        for half in [first, second] {
            assert!(half.len() == 3 && half.bytes().all(|b| b.is_ascii_digit()));
        }
        seen.insert(code);
    }
    assert!(seen.len() > 1980, "2000 codes out of a million seldom meet");
}

#[test]
fn pin_and_commitment_are_the_hashes_that_the_protocol_names() {
    let expected: [u8; 32] =
        Sha256::digest([b"sori invite pin 1".as_slice(), &[2; 32], &[1; 1216]].concat()).into();
    assert_eq!(pin(&[1; HYBRID_PUBLIC_LEN], &[2; 32]), expected);
    let expected: [u8; 32] = Sha256::digest(b"sori invite commitment 1request").into();
    assert_eq!(commitment(b"request"), expected);
}

#[test]
fn debug_of_an_admission_shows_no_secret() {
    assert_eq!(format!("{:?}", admission()), "Admission(..)");
}

proptest! {
    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..400), name: String) {
        let _ = InviteMessage::decode(&garbage);
        let _ = JoinRequest::decode(&garbage);
        let _ = Admission::decode(&garbage);
        if let Some(clean) = clean_name(&name) {
            prop_assert!(is_clean(&clean));
        }
    }

    #[test]
    fn a_damaged_request_never_panics(index in 0..16_000_usize, value: u8) {
        let mut bytes = request().encode().unwrap();
        let index = index % bytes.len();
        bytes[index] = value;
        let _ = JoinRequest::decode(&bytes);
    }
}
