//! Encryption and identity: what a connection is made with, and what may not be made.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{SupportedKxGroup, aws_lc_rs::kx_group};

use crate::catalogue::Check;
use crate::finding::{Finding, Outcome, must};
use crate::peer::hello::{HYBRID, Hello, Reply, SECP256R1, TLS12, TLS13, X25519};
use crate::peer::tls::{Recorder, spki};
use crate::peer::{Options, Peer, Via, tcp};
use crate::stage::Stage;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::new(
        "TLS-VERSION-1-3",
        &["1.1.2"],
        ["TLS 1.3 is spoken", "TLS 1.3 사용"],
        [
            "A ClientHello written by hand, with TLS 1.3 alone.",
            "A ServerHello that chooses 0x0304.",
        ],
        |stage| Box::pin(version_13(stage)),
    ),
    Check::new(
        "TLS-VERSION-1-2",
        &["1.1.2"],
        ["TLS 1.2 is refused", "TLS 1.2 거부"],
        [
            "A ClientHello with TLS 1.2 alone.",
            "An alert or the end, never a ServerHello.",
        ],
        |stage| Box::pin(version_12(stage)),
    ),
    Check::new(
        "TLS-VERSION-BOTH",
        &["1.1.2"],
        [
            "where both are offered, 1.3 is chosen and nothing says downgrade",
            "둘 다 제안하면 1.3을 선택",
        ],
        [
            "A ClientHello with TLS 1.2 before 1.3.",
            "TLS 1.3, without the downgrade mark of RFC 8446 in the random.",
        ],
        |stage| Box::pin(version_both(stage)),
    ),
    Check::new(
        "TLS-HYBRID",
        &["1.1.3"],
        [
            "the key exchange is X25519MLKEM768",
            "키 교환은 X25519MLKEM768",
        ],
        [
            "A ClientHello with shares of X25519, P-256 and the hybrid.",
            "A ServerHello that chooses 0x11ec.",
        ],
        |stage| Box::pin(hybrid(stage)),
    ),
    Check::new(
        "TLS-CLASSIC-ONLY",
        &["1.1.3"],
        [
            "a client with X25519 alone is refused",
            "X25519만 제안하면 거부",
        ],
        [
            "Handshakes with X25519 alone over both carriers.",
            "No handshake comes about.",
        ],
        |stage| Box::pin(no_handshake(stage, || vec![kx_group::X25519])),
    ),
    Check::new(
        "TLS-P256-ONLY",
        &["1.1.3"],
        [
            "a client with P-256 alone is refused",
            "P-256만 제안하면 거부",
        ],
        [
            "Handshakes with P-256 alone over both carriers.",
            "No handshake comes about.",
        ],
        |stage| Box::pin(no_handshake(stage, || vec![kx_group::SECP256R1])),
    ),
    Check::new(
        "TLS-KEM-ONLY",
        &["1.1.3"],
        [
            "a client with ML-KEM-768 alone is refused",
            "ML-KEM-768만 제안하면 거부",
        ],
        [
            "Handshakes with ML-KEM-768 alone over both carriers.",
            "No handshake comes about.",
        ],
        |stage| Box::pin(no_handshake(stage, || vec![kx_group::MLKEM768])),
    ),
    Check::new(
        "TLS-P256-HYBRID-ONLY",
        &["1.1.3"],
        [
            "a client with the other hybrid, of P-256, alone is refused",
            "P-256 하이브리드만 제안하면 거부",
        ],
        [
            "Handshakes with SecP256r1MLKEM768 alone over both carriers.",
            "No handshake comes about.",
        ],
        |stage| Box::pin(no_handshake(stage, || vec![kx_group::SECP256R1MLKEM768])),
    ),
    Check::new(
        "TLS-NO-ALPN",
        &["1.1.4"],
        [
            "a client that names no protocol is refused",
            "프로토콜 이름이 없으면 거부",
        ],
        [
            "Handshakes without ALPN over both carriers.",
            "No handshake comes about.",
        ],
        |stage| Box::pin(no_protocol(stage, &[])),
    ),
    Check::new(
        "TLS-OTHER-ALPN",
        &["1.1.4"],
        [
            "a client of another protocol is refused",
            "다른 프로토콜 이름 거부",
        ],
        [
            "Handshakes with `h3`, `sori/2` and `sori/1 ` over both carriers.",
            "No handshake comes about.",
        ],
        |stage| {
            Box::pin(no_protocol(
                stage,
                &[b"h3", b"sori/2", b"sori/1 ", b"SORI/1", b"sori/"],
            ))
        },
    ),
    Check::new(
        "TLS-ALPN-AMONG-OTHERS",
        &["1.1.4"],
        [
            "the protocol is found among others",
            "여럿 가운데 프로토콜을 찾음",
        ],
        ["ALPN `h3`, `sori/1`, `sori/9`.", "A session with `sori/1`."],
        |stage| Box::pin(among_others(stage)),
    ),
    Check::new(
        "TLS-PINNED-KEY",
        &["1.2.1", "1.2.2", "1.3.1"],
        [
            "the relay proves the key that its URL names",
            "URL의 키를 증명함",
        ],
        [
            "Handshakes over both carriers.",
            "A raw public key of 44 bytes, that of the URL; the signature fits.",
        ],
        |stage| Box::pin(pinned_key(stage)),
    ),
    Check::new(
        "TLS-NO-CLIENT-CERTIFICATE",
        &["1.2.1"],
        [
            "nothing is asked of the client",
            "단말에 인증서를 요구하지 않음",
        ],
        ["Handshakes over both carriers.", "No CertificateRequest."],
        |stage| Box::pin(nothing_asked(stage)),
    ),
    Check::new(
        "TLS-NO-TICKETS",
        &["1.2.3"],
        ["no session tickets are given", "세션 티켓을 주지 않음"],
        [
            "A session over each carrier with traffic, for a second.",
            "No NewSessionTicket.",
        ],
        |stage| Box::pin(no_tickets(stage)),
    ),
    Check::new(
        "TLS-NO-TOKENS",
        &["1.2.3"],
        [
            "no tokens for later connections are given",
            "다음 연결을 위한 토큰을 주지 않음",
        ],
        [
            "A QUIC session with traffic, for a second.",
            "No NEW_TOKEN.",
        ],
        |stage| Box::pin(no_tokens(stage)),
    ),
    Check::new(
        "TLS-NO-RESUMPTION",
        &["1.2.3"],
        [
            "a ticket that nobody gave resumes nothing, and early data is not taken",
            "조작한 티켓으로 재개할 수 없음",
        ],
        [
            "A ClientHello by hand with a made-up ticket and early data.",
            "A ServerHello without a pre-shared key, or a refusal.",
        ],
        |stage| Box::pin(no_resumption(stage)),
    ),
    Check::new(
        "TLS-SAME-ON-BOTH",
        &["1.4.1", "1.1.8"],
        [
            "TCP serves at the same port with the same key",
            "같은 포트와 키로 TCP도 제공",
        ],
        ["A session over each carrier at one port.", "Both serve."],
        |stage| Box::pin(same_on_both(stage)),
    )
    .should(),
    Check::new(
        "TLS-PLAINTEXT",
        &["1.1.2", "1.4.1"],
        [
            "without TLS nothing is answered",
            "TLS 없이는 응답하지 않음",
        ],
        [
            "An honest message, and an HTTP request, on TCP without TLS.",
            "An alert or the end; no data of the session.",
        ],
        |stage| Box::pin(plaintext(stage)),
    ),
];

async fn reply(stage: &Stage, hello: &Hello) -> Result<Reply, Finding> {
    let mut stream = tcp(stage, &Options::new(Via::Tcp)).await?;
    hello.say(&mut stream).await
}

async fn version_13(stage: Stage) -> Outcome {
    match reply(&stage, &Hello::honest(stage.bytes("r"))).await? {
        Reply::Hello(hello) if hello.version == Some(TLS13) => Ok("0x0304".into()),
        other => Err(Finding::broken(format!("{other:?}"))),
    }
}

async fn version_12(stage: Stage) -> Outcome {
    let hello = Hello {
        versions: vec![TLS12],
        groups: vec![X25519, SECP256R1],
        ..Hello::honest(stage.bytes("r"))
    };
    match reply(&stage, &hello).await? {
        Reply::Hello(hello) => Err(Finding::broken(format!("a ServerHello: {hello:?}"))),
        Reply::Alert(alert) => Ok(format!("alert {alert}")),
        Reply::Nothing => Ok("the connection ended".into()),
    }
}

async fn version_both(stage: Stage) -> Outcome {
    let hello = Hello {
        versions: vec![TLS12, TLS13],
        ..Hello::honest(stage.bytes("r"))
    };
    let Reply::Hello(hello) = reply(&stage, &hello).await? else {
        return Err(Finding::broken("no ServerHello"));
    };
    must(hello.version == Some(TLS13), || {
        format!("version {:?}", hello.version)
    })?;
    let mark = hello.random.get(24..31);
    must(mark != Some(b"DOWNGRD".as_slice()), || {
        "the downgrade mark".into()
    })?;
    Ok("0x0304".into())
}

async fn hybrid(stage: Stage) -> Outcome {
    let hello = Hello {
        groups: vec![X25519, SECP256R1, HYBRID],
        ..Hello::honest(stage.bytes("r"))
    };
    match reply(&stage, &hello).await? {
        Reply::Hello(hello) if hello.group == Some(HYBRID) => Ok("0x11ec".into()),
        other => Err(Finding::broken(format!("{other:?}"))),
    }
}

/// No handshake comes about, or one whose connection is over before it says anything: TLS lets a client believe in the
/// handshake before the server has made up its mind.
async fn is_refused(stage: &Stage, options: &Options) -> bool {
    match Peer::connect(stage, options).await {
        Err(_) => true,
        Ok(mut peer) => peer.quiet().await.is_err(),
    }
}

async fn no_handshake(stage: Stage, groups: fn() -> Vec<&'static dyn SupportedKxGroup>) -> Outcome {
    for via in Via::BOTH {
        let options = Options {
            groups: groups(),
            ..Options::new(via)
        };
        must(is_refused(&stage, &options).await, || {
            format!("served over {}", via.name())
        })?;
        // It was the group, and not the relay that was away.
        stage.peer(via).await?;
    }
    Ok("refused over both carriers".into())
}

async fn no_protocol(stage: Stage, names: &[&[u8]]) -> Outcome {
    for via in Via::BOTH {
        let offers: Vec<Vec<Vec<u8>>> = if names.is_empty() {
            vec![Vec::new()]
        } else {
            names.iter().map(|name| vec![name.to_vec()]).collect()
        };
        for alpn in offers {
            let options = Options {
                alpn: alpn.clone(),
                ..Options::new(via)
            };
            must(is_refused(&stage, &options).await, || {
                format!("served over {} with {alpn:?}", via.name())
            })?;
        }
        stage.peer(via).await?;
    }
    Ok("refused over both carriers".into())
}

async fn among_others(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let alpn = [b"h3".as_slice(), b"sori/1", b"sori/9"];
        let options = Options {
            alpn: alpn.map(<[u8]>::to_vec).to_vec(),
            ..Options::new(via)
        };
        let mut peer = Peer::connect(&stage, &options).await?;
        peer.quiet().await?;
    }
    Ok("a session over both carriers".into())
}

async fn pinned_key(stage: Stage) -> Outcome {
    let key = stage.target.key();
    for via in Via::BOTH {
        let peer = stage.peer(via).await?;
        let presented = peer.recorder.presented();
        must(presented == Some(spki(&key)), || {
            format!("another identity over {}", via.name())
        })?;
        let options = Options {
            pinned: Some(stage.bytes("another key")),
            ..Options::new(via)
        };
        must(Peer::connect(&stage, &options).await.is_err(), || {
            "the suite's client took another key".into()
        })?;
    }
    Ok("the key of the URL over both carriers".into())
}

async fn nothing_asked(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let peer = stage.peer(via).await?;
        let asked = peer.recorder.certificate_requests();
        must(asked == 0, || {
            format!("a certificate was asked for over {}", via.name())
        })?;
    }
    Ok("nothing over both carriers".into())
}

/// A session with traffic that lasts long enough for anything that comes behind the handshake.
async fn lived(stage: &Stage, via: Via) -> Result<Arc<Recorder>, Finding> {
    let (mut peer, handle) = stage.attached(via, &stage.topic(via.name())).await?;
    for _ in 0..5 {
        peer.publish(handle, &[1; 100]).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Arc::clone(&peer.recorder))
}

async fn no_tickets(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let tickets = lived(&stage, via).await?.tickets();
        must(tickets == 0, || {
            format!("{tickets} tickets over {}", via.name())
        })?;
    }
    Ok("none over both carriers".into())
}

async fn no_tokens(stage: Stage) -> Outcome {
    let tokens = lived(&stage, Via::Quic).await?.tokens();
    must(tokens == 0, || format!("{tokens} tokens"))?;
    Ok("none".into())
}

async fn no_resumption(stage: Stage) -> Outcome {
    let hello = Hello {
        resumes: true,
        ..Hello::honest(stage.bytes("r"))
    };
    match reply(&stage, &hello).await? {
        Reply::Hello(hello) if hello.resumed => Err(Finding::broken("resumed")),
        Reply::Hello(_) => Ok("a full handshake".into()),
        Reply::Alert(alert) => Ok(format!("alert {alert}")),
        Reply::Nothing => Ok("the connection ended".into()),
    }
}

async fn same_on_both(stage: Stage) -> Outcome {
    for via in Via::BOTH {
        let mut peer = stage.peer(via).await?;
        peer.quiet().await?;
    }
    Ok(format!(
        "both serve at port {}",
        stage.target.address().port()
    ))
}

async fn plaintext(stage: Stage) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for bytes in [&[0, 0, 0, 2, 1, 1][..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = tcp(&stage, &Options::new(Via::Tcp)).await?;
        stream.write_all(bytes).await.map_err(Finding::not_seen)?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let in_time = tokio::time::timeout(Duration::from_secs(15), read).await;
        must(in_time.is_ok(), || {
            "the connection stayed open for 15 s".into()
        })?;
        let is_alert = answer.is_empty() || answer.first() == Some(&21);
        must(is_alert, || format!("answered with {} bytes", answer.len()))?;
    }
    Ok("ended, with an alert at most".into())
}
