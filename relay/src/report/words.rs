//! What each figure is called: for people in two languages, and for a metrics collector.

/// Whether a figure is a level or a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    Now,
    SinceStart,
}

/// A language to print in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// English
    En,
    /// 한국어
    Ko,
}

/// One number that a relay knows.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) series: Series,
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// Its name among the metrics, after `sori_relay_`.
    pub(crate) metric: &'static str,
    /// What tells it from others of the same metric; the values are fixed here and never come from
    /// a connection.
    pub(crate) label: Option<(&'static str, &'static str)>,
    english: &'static str,
    korean: &'static str,
}

impl Figure {
    pub(crate) const fn words(&self, language: Language) -> &'static str {
        match language {
            Language::En => self.english,
            Language::Ko => self.korean,
        }
    }
}

impl Language {
    /// From the environment, as POSIX orders it: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that
    /// is set.
    pub(crate) fn from_environment() -> Self {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let set = names.iter().find_map(|name| {
            let value = std::env::var(name).ok();
            value.filter(|value| !value.is_empty())
        });
        match set
            .as_deref()
            .and_then(|locale| locale.split(['_', '.']).next())
        {
            Some("ko") => Self::Ko,
            Some(_) | None => Self::En,
        }
    }
}

macro_rules! figures {
    ($($series:ident $name:ident $metric:ident $([$key:literal = $value:literal])?: $english:literal, $korean:literal;)*) => {
        /// All of them, in the order in which people are told.
        pub(crate) const FIGURES: &[Figure] = &[$(Figure {
            series: Series::$series,
            name: stringify!($name),
            metric: stringify!($metric),
            label: figures!(@label $($key, $value)?),
            english: $english,
            korean: $korean,
        }),*];
    };
    (@label) => { None };
    (@label $key:literal, $value:literal) => { Some(($key, $value)) };
}

figures! {
    Now connections_quic connections ["transport" = "quic"]: "connections over QUIC", "QUIC 연결 수";
    Now connections_tcp connections ["transport" = "tcp"]: "connections over TLS on TCP", "TLS(TCP) 연결 수";
    Now handshakes handshakes: "handshakes under way", "진행 중인 핸드셰이크 수";
    Now attachments attachments: "attachments to topics", "토픽에 붙어 있는 연결 수";
    Now topics topics: "topics with somebody attached, counted on each thread", "누군가 붙어 있는 토픽 수(스레드별 합)";
    Now queued_bytes queued_bytes: "bytes that wait in memory for slow readers", "느린 수신자를 메모리에서 기다리는 바이트 수";
    Now cluster_up cluster_up: "connections to the cluster's NATS servers, 0 or 1", "클러스터의 NATS 서버 연결 수(0 또는 1)";
    Now cluster_relays cluster_relays: "other relays of the cluster that can be heard", "응답 중인 클러스터 내 다른 릴레이 수";
    SinceStart connections_quic connections_opened ["transport" = "quic"]: "connections made over QUIC", "QUIC로 맺은 연결 수";
    SinceStart connections_tcp connections_opened ["transport" = "tcp"]: "connections made over TLS on TCP", "TLS(TCP)로 맺은 연결 수";
    SinceStart handshakes_failed handshakes_failed: "handshakes that failed", "실패한 핸드셰이크 수";
    SinceStart refused_full connections_refused ["reason" = "full"]: "connections refused for want of room", "자리가 없어 거절한 연결 수";
    SinceStart refused_rate connections_refused ["reason" = "rate"]: "connection attempts passed over as too many", "너무 잦아 무시한 연결 시도 수";
    SinceStart retries retries: "connection attempts asked to prove their address", "주소 확인을 요청한 연결 시도 수";
    SinceStart access_denied connections_ended ["reason" = "access_denied"]: "connections ended for want of an access key", "접근 키가 없어 끊은 연결 수";
    SinceStart malformed connections_ended ["reason" = "malformed"]: "connections ended for sending nonsense", "잘못된 데이터를 보내 끊은 연결 수";
    SinceStart stalled connections_ended ["reason" = "stalled"]: "connections ended for taking nothing", "데이터를 받지 않아 끊은 연결 수";
    SinceStart unattached connections_ended ["reason" = "unattached"]: "connections ended for staying without a topic", "토픽에 붙지 않아 끊은 연결 수";
    SinceStart attached attaches: "attachments made", "토픽에 붙은 횟수";
    SinceStart attach_refused attaches_refused: "attachments refused", "토픽에 붙기를 거절한 횟수";
    SinceStart frames_in frames_in: "frames taken in", "받은 프레임 수";
    SinceStart bytes_in bytes_in: "bytes of those", "받은 프레임의 바이트 수";
    SinceStart frames_out frames_out: "frames handed on", "전달한 프레임 수";
    SinceStart bytes_out bytes_out: "bytes of those", "전달한 프레임의 바이트 수";
    SinceStart gaps gaps: "times a slow reader lost frames", "느린 수신자가 프레임을 놓친 횟수";
    SinceStart throttled throttled: "times a connection was made to wait", "연결을 잠시 기다리게 한 횟수";
    SinceStart key_updates key_updates: "renewals of a connection's keys", "연결 키를 갱신한 횟수";
    SinceStart cluster_connects cluster_connects: "connections made to the cluster's NATS servers", "클러스터의 NATS 서버에 연결한 횟수";
    SinceStart cluster_epochs cluster_epochs: "keys of the cluster taken up", "받아들인 클러스터 키 수";
    SinceStart cluster_frames_out cluster_frames ["direction" = "out"]: "frames handed to other relays", "다른 릴레이에 넘긴 프레임 수";
    SinceStart cluster_frames_in cluster_frames ["direction" = "in"]: "frames that came from other relays", "다른 릴레이에서 받은 프레임 수";
    SinceStart cluster_lost cluster_lost: "times that frames of another relay were missing", "다른 릴레이의 프레임이 빠진 횟수";
    SinceStart cluster_refused cluster_refused: "messages refused as not by a relay of the cluster", "클러스터 릴레이의 것이 아니어서 거절한 메시지 수";
}
