//! The byte session of one connection: messages in, messages out (`protocol §2`).
//!
//! It does not know what carries it. The same function will serve TLS over TCP.

use std::time::Duration;

use bytes::Bytes;
use sori_wire::limits::{UNATTACHED_MS_MAX, WRITE_STALL_MS_MAX};
use sori_wire::{
    ClientMessage, CloseCode, DecodeError, Decoder, Exporter, Handle, Refusal, RequestId,
};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::hub::{Hub, Membership};
use crate::stream::{Broken, ByteReader, ByteWriter};
use crate::switch::{ConnectionId, ProvenTopic, Switch, Time, Transmit};

/// Serves one connection until it ends, and says with which code to close it.
///
/// `exporter` is the connection's TLS exporter value, which topic proofs are bound to. Dropping the
/// future ends the session and forgets everything about it.
pub async fn serve(
    hub: &Hub,
    exporter: &Exporter,
    reader: impl ByteReader,
    writer: impl ByteWriter,
) -> CloseCode {
    let Some(member) = hub.join() else {
        return CloseCode::GoingAway;
    };
    let written = Notify::new();
    tokio::select! {
        code = read_all(&member, exporter, reader, &written) => code,
        code = write_all(&member, writer, &written) => code,
        code = watch_unattached(&member) => code,
    }
}

async fn read_all(
    member: &Membership,
    exporter: &Exporter,
    mut reader: impl ByteReader,
    written: &Notify,
) -> CloseCode {
    let mut decoder = Decoder::new();
    loop {
        match reader.read().await {
            Ok(Some(bytes)) => decoder.push(&bytes),
            Ok(None) if decoder.is_between_messages() => return CloseCode::Done,
            Ok(None) => return CloseCode::Malformed,
            Err(Broken) => return CloseCode::Done,
        }
        let steps = match decode_steps(&mut decoder, exporter) {
            Ok(steps) => steps,
            Err(DecodeError::TooLong) => return CloseCode::MessageTooLong,
            Err(_) => return CloseCode::Malformed,
        };
        if steps
            .iter()
            .any(|step| matches!(step, Step::Attach(..) | Step::Refuse(..)))
        {
            wipe_stack();
        }
        member.with(|switch, id, now| {
            for step in steps {
                step.apply(switch, id, now);
            }
        });
        // A peer that asks and does not read waits for itself, nobody else.
        while member.with(|switch, id, _| switch.is_congested(id)) {
            written.notified().await;
        }
        tokio::task::coop::consume_budget().await;
    }
}

async fn write_all(
    member: &Membership,
    mut writer: impl ByteWriter,
    written: &Notify,
) -> CloseCode {
    loop {
        match member.with(Switch::poll_transmit) {
            Transmit::Nothing => member.woken().await,
            Transmit::Finish => {
                writer.finish().await;
                return CloseCode::GoingAway;
            }
            Transmit::Bytes(pieces) => {
                written.notify_one();
                if let Err(code) = write_in_time(member, &mut writer, pieces).await {
                    return code;
                }
            }
        }
    }
}

/// Writes one batch. While the transport takes nothing, lets what waits behind it grow old.
async fn write_in_time(
    member: &Membership,
    writer: &mut impl ByteWriter,
    pieces: Vec<Bytes>,
) -> Result<(), CloseCode> {
    let mut write = std::pin::pin!(writer.write(pieces));
    let mut stalled_ms = 0;
    while stalled_ms < WRITE_STALL_MS_MAX {
        tokio::select! {
            outcome = &mut write => return outcome.map_err(|Broken| CloseCode::Done),
            () = sleep(Duration::from_millis(EXPIRY_TICK_MS)) => {
                member.with(|switch, id, now| switch.handle_timeout(id, now));
                stalled_ms = stalled_ms.saturating_add(EXPIRY_TICK_MS);
            }
        }
    }
    Err(CloseCode::Stalled)
}

/// Returns once the connection has been without an attachment for too long.
async fn watch_unattached(member: &Membership) -> CloseCode {
    loop {
        let idle_ms = member.with(|switch, id, now| {
            let since = switch.unattached_since(id);
            since.map_or(0, |since| now.millis_since(since))
        });
        let left_ms = UNATTACHED_MS_MAX.saturating_sub(idle_ms);
        if left_ms == 0 {
            return CloseCode::Unattached;
        }
        sleep(Duration::from_millis(left_ms)).await;
    }
}

/// A decoded request, ready for the switch: what needs computing has been computed outside the lock.
enum Step {
    Attach(RequestId, ProvenTopic),
    Detach(Handle),
    Publish(RequestId, Handle, Bytes),
    Refuse(RequestId, Refusal),
    Nothing,
}

impl Step {
    fn new(message: ClientMessage, exporter: &Exporter) -> Self {
        match message {
            ClientMessage::Attach {
                request,
                topic,
                proof,
            } => match ProvenTopic::verify(&topic, &proof, exporter) {
                Ok(proven) => Self::Attach(request, proven),
                Err(_) => Self::Refuse(request, Refusal::BadProof),
            },
            ClientMessage::Detach { handle } => Self::Detach(handle),
            ClientMessage::Access { .. } => Self::Nothing,
            ClientMessage::Publish {
                request,
                handle,
                frame,
            } => Self::Publish(request, handle, Bytes::from(frame.into_bytes())),
        }
    }

    fn apply(self, switch: &mut Switch, id: ConnectionId, now: Time) {
        match self {
            Self::Attach(request, proven) => switch.handle_attach(id, request, &proven),
            Self::Detach(handle) => switch.handle_detach(id, handle, now),
            Self::Publish(request, handle, frame) => {
                switch.handle_publish(id, request, handle, &frame, now);
            }
            Self::Refuse(request, reason) => switch.handle_refused(id, request, reason),
            Self::Nothing => {}
        }
    }
}

/// Everything that is complete in the decoder: bounded by what one read brought. Never inlined, so
/// that its stack lies where [`wipe_stack`] wipes.
#[inline(never)]
fn decode_steps(
    decoder: &mut Decoder<ClientMessage>,
    exporter: &Exporter,
) -> Result<Vec<Step>, DecodeError> {
    let mut steps = Vec::new();
    while let Some(message) = decoder.next()? {
        steps.push(Step::new(message, exporter));
    }
    Ok(steps)
}

/// Overwrites the stack below the caller: verifying a proof leaves copies of the topic there, and the
/// stack of a worker thread lives as long as the relay. To be called from where the work was.
#[inline(never)]
fn wipe_stack() {
    let stack = [0_u8; STACK_WIPED_LEN];
    std::hint::black_box(&stack); // Somebody might look at it, so it has to be there.
}

/// More than decoding and verifying use, also without optimisation.
const STACK_WIPED_LEN: usize = 65_536;

/// How often a blocked writer looks for frames that have waited too long.
const EXPIRY_TICK_MS: u64 = 500;
