//! Addresses in messages: what they really are, and handing them to the system.
//!
//! Nothing is ever fetched here. A person presses a link, sees the whole address and the host as the network
//! knows it, and only then the system's own program gets it.

use std::process::{Command, Stdio};

use serde::Serialize;
use url::{Host, Url};

use crate::refusal::Refusal;

/// Longer addresses are not handed on.
const LEN_MAX: usize = 4096;

/// An address taken apart, to be shown before it is opened.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LinkView {
    url: String,
    host: String,
    /// Whether the host has other letters than those of plain names, which can look like them.
    unusual: bool,
}

/// What `typed` leads to.
///
/// # Errors
/// `link` for anything but a web or mail address.
pub(crate) fn view(typed: &str) -> Result<LinkView, Refusal> {
    let url = parse(typed)?;
    let host = url.host_str().unwrap_or_else(|| mail_host(&url)).to_owned();
    Ok(LinkView {
        unusual: host.contains("xn--") || matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_))),
        host,
        url: url.into(),
    })
}

/// Has the system open `typed`.
///
/// # Errors
/// `link` for anything but a web or mail address, or when the system has nothing to open it with.
pub(crate) fn open(typed: &str) -> Result<(), Refusal> {
    let url = parse(typed)?;
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut child = Command::new(program)
        .arg(url.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_error| Refusal::link())?;
    // Somebody has to take note of its end.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// A parsed address begins with its scheme, so no program takes it for an option of its own.
fn parse(typed: &str) -> Result<Url, Refusal> {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if typed.len() > LEN_MAX || typed.chars().any(is_hidden) {
        return Err(Refusal::link());
    }
    let url = Url::parse(typed).map_err(|_error| Refusal::link())?;
    let is_known = match url.scheme() {
        "http" | "https" => url.host_str().is_some_and(|host| !host.is_empty()),
        "mailto" => url.path().contains('@'),
        _ => false,
    };
    // A name before the host is there to be taken for the host.
    let has_user = !url.username().is_empty() || url.password().is_some();
    (is_known && !has_user)
        .then_some(url)
        .ok_or_else(Refusal::link)
}

fn mail_host(url: &Url) -> &str {
    url.path().rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_the_network_knows_it() {
        let host = |typed: &str| view(typed).map(|view| (view.host, view.unusual));
        assert_eq!(
            host("https://example.org/a?b#c"),
            Ok(("example.org".into(), false))
        );
        assert_eq!(
            host("HTTP://EXAMPLE.org"),
            Ok(("example.org".into(), false))
        );
        assert_eq!(
            host("https://аpple.com/"),
            Ok(("xn--pple-43d.com".into(), true))
        );
        assert_eq!(
            host("https://한국.kr"),
            Ok(("xn--3e0b707e.kr".into(), true))
        );
        assert_eq!(
            host("http://192.168.0.1/"),
            Ok(("192.168.0.1".into(), true))
        );
        assert_eq!(
            host("mailto:a@example.org"),
            Ok(("example.org".into(), false))
        );
    }

    #[test]
    fn nothing_but_web_and_mail_is_an_address() {
        for typed in [
            "",
            "example.org",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "sori:invite#x",
            "vscode://file/etc",
            "https://",
            "https://bank.example@evil.example/",
            "https://example.org/\u{202e}gpj.exe",
            "https://exa\nmple.org/",
            "--help",
            "mailto:",
        ] {
            assert_eq!(view(typed), Err(Refusal::link()), "{typed:?}");
        }
        assert_eq!(
            view(&format!("https://e.org/{}", "a".repeat(LEN_MAX))),
            Err(Refusal::link())
        );
    }
}
