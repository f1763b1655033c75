//! Relay URLs: `docs/protocol.md`, section 1.3.

use proptest::prelude::*;
use sori_wire::limits::{HOST_LEN_MAX, RELAY_URL_LEN_MAX};
use sori_wire::{
    AccessKey, InvalidAccessKey, InvalidRelayUrl, RelayHost, RelayIdentity, RelayKey, RelayUrl,
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn parse(place: &str) -> Result<RelayUrl, InvalidRelayUrl> {
    let slash = if place.contains('/') { "" } else { "/" };
    format!("relay://{place}{slash}#{KEY}").parse()
}

/// protocol §1.3.1, §1.3.2
#[test]
fn url_names_host_port_and_key() {
    let url = parse("Relay.Example.org:4433").unwrap();
    assert_eq!(url.host().to_string(), "relay.example.org");
    assert_eq!(url.host().address(), None);
    assert_eq!(url.port(), 4433);
    assert_eq!(*url.identity(), RelayIdentity::Key(KEY.parse().unwrap()));
    assert_eq!(
        url.to_string(),
        format!("relay://relay.example.org:4433/#{KEY}")
    );

    let url = parse("[2001:DB8:0:0::1]:443").unwrap();
    assert_eq!(url.host().to_string(), "[2001:db8::1]");
    assert_eq!(url.host().to_lookup(), "2001:db8::1");
    assert_eq!(
        parse("127.0.0.1:1").unwrap().host().address(),
        Some("127.0.0.1".parse().unwrap())
    );
}

/// protocol §1.3.1, §1.3.2, §1.3.3
#[test]
fn error_says_what_is_wrong() {
    use InvalidRelayUrl::{Access, Host, KeyMissing, Port, Scheme, TooLong};
    for (place, error) in [
        ("", Port),
        ("host", Port),
        ("host:", Port),
        ("host:0", Port),
        ("host:65536", Port),
        ("host:+1", Port),
        ("host:1 ", Port),
        (":1", Host),
        ("a b:1", Host),
        ("-a:1", Host),
        ("a-:1", Host),
        ("a..b:1", Host),
        ("a.:1", Host),
        ("소리:1", Host),
        ("1.2.3:1", Host),
        ("1.2.3.4.5:1", Host),
        ("1.2.3.256:1", Host),
        ("::1:1", Host),
        ("[::1:1", Host),
        ("[1.2.3.4]:1", Host),
        ("[fe80::1%eth0]:1", Host),
        ("user@host:1", Host),
        ("host:1/path", Access(InvalidAccessKey)),
        ("host:1/?", Access(InvalidAccessKey)),
        ("host:1/?access=", Access(InvalidAccessKey)),
        ("host:1/?access=AAAA", Access(InvalidAccessKey)),
        ("host:1/?Access=AAAA", Access(InvalidAccessKey)),
    ] {
        assert_eq!(parse(place), Err(error), "{place}");
    }
    for (text, error) in [
        (format!("https://host:1/#{KEY}"), Scheme),
        (format!(" relay://host:1/#{KEY}"), Scheme),
        ("relay://host:1".to_owned(), KeyMissing),
        (format!("relay://host:1#{KEY}"), KeyMissing),
        ("r".repeat(RELAY_URL_LEN_MAX + 1), TooLong),
    ] {
        assert_eq!(text.parse::<RelayUrl>(), Err(error), "{text}");
    }
    for key in [
        "",
        "AAAA",
        &KEY[1..],
        &format!("{KEY}="),
        &format!("{KEY} "),
    ] {
        let outcome = format!("relay://host:1/#{key}").parse::<RelayUrl>();
        assert!(matches!(outcome, Err(InvalidRelayUrl::Key(_))), "{key}");
    }
    // The last character carries four bits; a second spelling of the same key is refused.
    assert!(format!("{}9", &KEY[..42]).parse::<RelayKey>().is_err());
}

/// protocol §1.3.2, §1.3.3
#[test]
fn longest_host_and_longest_url_are_accepted_and_one_more_is_not() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), HOST_LEN_MAX);
    let url = parse(&format!("{longest}:65535/?access={KEY}")).unwrap();
    assert!(url.to_string().len() <= RELAY_URL_LEN_MAX);
    assert!(parse(&format!("{longest}a:65535")).is_err());
    assert!(parse(&format!("{label}a:1")).is_err());
}

/// protocol §1.3.4, §1.3.5
#[test]
fn relay_known_by_its_certificate_says_so_and_has_a_name() {
    let url: RelayUrl = "relay://Relay.example.org:443/#webpki".parse().unwrap();
    assert_eq!(*url.identity(), RelayIdentity::WebPki);
    assert_eq!(url.to_string(), "relay://relay.example.org:443/#webpki");
    for (text, error) in [
        (
            "relay://127.0.0.1:443/#webpki",
            InvalidRelayUrl::NameMissing,
        ),
        ("relay://[::1]:443/#webpki", InvalidRelayUrl::NameMissing),
        // What lost its key on the way is not taken for one that is known by its certificate.
        (
            "relay://relay.example.org:443/",
            InvalidRelayUrl::KeyMissing,
        ),
    ] {
        assert_eq!(text.parse::<RelayUrl>(), Err(error), "{text}");
    }
    for identity in ["", "WEBPKI", "webpki ", "webpk"] {
        let outcome = format!("relay://relay.example.org:443/#{identity}").parse::<RelayUrl>();
        assert!(
            matches!(outcome, Err(InvalidRelayUrl::Key(_))),
            "{identity}"
        );
    }
}

/// protocol §1.3.5
#[test]
fn access_key_is_in_the_text_and_never_in_what_is_printed_for_debugging() {
    let access = format!("{}Q", "Q".repeat(42));
    let text = format!("relay://host:1/?access={access}#{KEY}");
    let url: RelayUrl = text.parse().unwrap();
    assert_eq!(url.to_string(), text);
    assert_eq!(url.access().unwrap().to_text().as_str(), access);
    assert!(!format!("{url:?}").contains("QQQQ"));
    assert_eq!(parse("host:1").unwrap().access(), None);
}

/// protocol §1.2.1
#[test]
fn spki_is_the_der_of_rfc_8410() {
    let key: RelayKey = KEY.parse().unwrap();
    let spki = key.to_spki();
    assert_eq!(
        spki[..12],
        *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
    );
    assert_eq!(spki[12..], *key.as_bytes());
}

proptest! {
    #[test]
    fn url_survives_its_text(
        host in prop_oneof!["[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9]{0,10}){0,3}",
                            any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
                            any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]"))],
        port in 1_u16..,
        key in any::<[u8; 32]>(),
        access in any::<Option<[u8; 32]>>(),
    ) {
        let host: RelayHost = host.parse().unwrap();
        let url = RelayUrl::new(host, port, RelayIdentity::Key(RelayKey::from_bytes(key))).unwrap();
        let url = match access {
            Some(access) => url.with_access(AccessKey::from_bytes(access)),
            None => url,
        };
        prop_assert_eq!(url.to_string().parse(), Ok(url));
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in "(relay://)?.{0,80}") {
        let _any_outcome = text.parse::<RelayUrl>();
    }
}
