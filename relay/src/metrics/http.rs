//! As much of HTTP/1.1 as a scraper and a health check need: one `GET` per connection, answered and
//! closed. Everything that is read is bounded in bytes and time.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Health,
    Metrics,
}

/// An answer: status, media type and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) media_type: &'static str,
    pub(crate) body: String,
}

/// The status codes in use (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Ok,
    ServiceUnavailable,
}

/// Serves one connection to its end, however that comes.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl FnOnce(Request) -> Answer,
) {
    let exchange = async {
        let Some(head) = read_head(&mut stream).await else {
            return;
        };
        let (method, request) = parse(&head);
        let answer = request.map_or_else(Answer::error, answer);
        let _peer_is_gone = stream.write_all(&answer.encode(method)).await;
        let _peer_is_gone = stream.shutdown().await;
    };
    let _took_too_long = timeout(Duration::from_millis(EXCHANGE_MS_MAX), exchange).await;
}

/// Whether a body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Head,
}

impl Answer {
    pub(crate) fn text(status: Status, body: &str) -> Self {
        Self {
            status,
            media_type: "text/plain; charset=utf-8",
            body: body.to_owned(),
        }
    }

    fn error(status: Status) -> Self {
        Self::text(status, "Ask for GET /metrics or GET /health.\n")
    }

    fn encode(&self, method: Method) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.status.line(),
            self.media_type,
            self.body.len()
        );
        match method {
            Method::Get => [head.as_bytes(), self.body.as_bytes()].concat(),
            Method::Head => head.into_bytes(),
        }
    }
}

impl Status {
    const fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::MethodNotAllowed => "405 Method Not Allowed\r\nAllow: GET, HEAD",
            Self::NotFound => "404 Not Found",
            Self::Ok => "200 OK",
            Self::ServiceUnavailable => "503 Service Unavailable",
        }
    }
}

/// Everything up to the empty line. `None` if the peer went away before anything came.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_LEN_MAX);
    let mut bounded = stream.take(u64::try_from(HEAD_LEN_MAX).unwrap_or(u64::MAX));
    while !head.ends_with(b"\r\n\r\n") && bounded.read_buf(&mut head).await.ok()? > 0 {}
    (!head.is_empty()).then_some(head)
}

/// The first line is all that matters (RFC 9112, section 3): there is no body and no header that
/// would change the answer.
fn parse(head: &[u8]) -> (Method, Result<Request, Status>) {
    let refused = |status| (Method::Get, Err(status));
    if !head.ends_with(b"\r\n\r\n") {
        return refused(Status::BadRequest);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    if words.next().is_some() || !matches!(version, Some(b"HTTP/1.1" | b"HTTP/1.0")) {
        return refused(Status::BadRequest);
    }
    let method = match method {
        Some(b"GET") => Method::Get,
        Some(b"HEAD") => Method::Head,
        _ => return refused(Status::MethodNotAllowed),
    };
    let request = match target {
        Some(b"/metrics") => Ok(Request::Metrics),
        Some(b"/health") => Ok(Request::Health),
        _ => Err(Status::NotFound),
    };
    (method, request)
}

/// Longest request: a scraper's headers are a few hundred bytes.
const HEAD_LEN_MAX: usize = 4096;

/// Longest time for one exchange.
const EXCHANGE_MS_MAX: u64 = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(request: &[u8]) -> String {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        near.write_all(request).await.unwrap();
        near.shutdown().await.unwrap();
        serve(far, |request| {
            Answer::text(Status::Ok, &format!("{request:?}"))
        })
        .await;
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_two_places_are_served_and_nothing_else() {
        let metrics = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n").await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(metrics.contains("Content-Length: 7\r\n"), "{metrics}");
        assert!(metrics.ends_with("\r\n\r\nMetrics"), "{metrics}");
        let head = ask(b"HEAD /health HTTP/1.0\r\n\r\n").await;
        assert!(head.contains("Content-Length: 6\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        for (request, code) in [
            (b"GET / HTTP/1.1\r\n\r\n".as_slice(), "404"),
            (b"GET /metrics/../etc HTTP/1.1\r\n\r\n", "404"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"GET /metrics\r\n\r\n", "400"),
            (b"GET /metrics HTTP/2\r\n\r\n", "400"),
            (b"GET  /metrics HTTP/1.1\r\n\r\n", "400"),
            (b"GET /metrics HTTP/1.1\r\nHost", "400"),
            (b"\0\xff\r\n\r\n", "400"),
            (b"\r\n\r\n", "400"),
        ] {
            let answer = ask(request).await;
            let expected = format!("HTTP/1.1 {code} ");
            assert!(answer.starts_with(&expected), "{request:?}: {answer}");
        }
        assert_eq!(ask(b"").await, "");
    }

    #[tokio::test]
    async fn an_endless_request_is_cut_off() {
        let answer = ask(&[b'a'; HEAD_LEN_MAX + 1]).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_let_go() {
        let (_near, far) = tokio::io::duplex(16);
        serve(far, |_| Answer::text(Status::Ok, "")).await;
    }
}
