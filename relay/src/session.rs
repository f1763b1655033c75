//! The byte session of one connection: messages in, messages out (`protocol §2`).
//!
//! It does not know what carries it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use sori_wire::limits::{ATTACH_WORK, MESSAGE_WORK};
use sori_wire::{
    ClientMessageRef, CloseCode, DecodeError, Exporter, Handle, Intake, Refusal, RequestId,
};
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

use crate::bucket::Bucket;
use crate::carrier::{Broken, Inlet, Outlet, Taken};
use crate::hub::{Hub, Membership};
use crate::settings::Rate;
use crate::stack;
use crate::switch::{Draft, ProvenTopic, Publication};
use crate::totals::Counters;

/// Serves one connection until it ends, and says with which code to close it.
///
/// `exporter` is the connection's TLS exporter value, which proofs are bound to. Dropping the future
/// ends the session and forgets everything about it.
pub async fn serve(
    hub: &Hub,
    exporter: Exporter,
    inlet: impl Inlet,
    outlet: impl Outlet + 'static,
) -> CloseCode {
    let Some(member) = hub.join(Box::new(outlet)) else {
        return CloseCode::GoingAway;
    };
    let rate = member.work_rate();
    let session = Session {
        work: Bucket::full(rate, hub.now()),
        rate,
        exporter,
        inlet,
        intake: Intake::new(),
        stage: Stage::First,
        rest: None,
        member: &member,
    };
    let mut code = session.await;
    // Who has heard that the relay stops may end its own direction first.
    if code == CloseCode::Done && hub.is_stopping() {
        code = CloseCode::GoingAway;
    }
    let counters = hub.counters();
    match code {
        CloseCode::Malformed | CloseCode::MessageTooLong => counters.malformed.add(1),
        CloseCode::NoAccess => counters.access_denied.add(1),
        CloseCode::Stalled => counters.stalled.add(1),
        CloseCode::Unattached => counters.unattached.add(1),
        CloseCode::Done | CloseCode::Full | CloseCode::GoingAway => {}
    }
    member.say_farewell(code).await;
    code
}

/// The reading half. Writing is done by whoever has something to say, in the hub.
struct Session<'a, I> {
    member: &'a Membership,
    exporter: Exporter,
    inlet: I,
    intake: Intake,
    stage: Stage,
    work: Bucket,
    rate: Rate,
    /// Nothing is read before this is over: the connection asked for too much.
    rest: Option<Pin<Box<Sleep>>>,
}

/// Whether the client has said anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Later,
}

impl<I: Inlet> Future for Session<'_, I> {
    type Output = CloseCode;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseCode> {
        if let Poll::Ready(code) = self.member.poll_verdict(cx) {
            return Poll::Ready(code);
        }
        for _ in 0..TAKES_IN_A_ROW {
            if let Some(rest) = &mut self.rest {
                if rest.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.rest = None;
            }
            // A peer that asks and does not read waits for itself, nobody else. Its transport wakes
            // this task when it takes more.
            if self.member.is_congested() {
                return Poll::Pending;
            }
            match self.take(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(code)) => return Poll::Ready(code),
            }
        }
        // Others have a turn first, those too to whom the runtime has not listened yet: who merely woke itself
        // would have dozens of turns before that.
        let _wakes_this_task_then = pin!(yield_now()).poll(cx);
        Poll::Pending
    }
}

impl<I: Inlet> Session<'_, I> {
    /// Reads what has arrived and does what it asks for.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseCode>> {
        let mut steps = Steps::default();
        let mut outcome = Ok(());
        let (intake, stage, member) = (&mut self.intake, &mut self.stage, self.member);
        let exporter = &self.exporter;
        let taken = self.inlet.poll_take(cx, &mut |bytes| {
            if outcome.is_ok() {
                outcome = read(intake, bytes, |message| {
                    let stage = std::mem::replace(stage, Stage::Later);
                    admit(member, exporter, stage, &message)?;
                    steps.add(message, exporter);
                    Ok(())
                });
            }
        });
        let taken = match taken {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(taken) => taken,
        };
        if steps.verified {
            stack::wipe();
        }
        // What came before something malformed was said before it, and is done.
        self.carry_out(steps);
        Poll::Ready(match (taken, outcome) {
            (_, Err(code)) => Err(code),
            (Err(Broken), _) => Err(CloseCode::Done),
            (Ok(Taken::Bytes), Ok(())) => Ok(()),
            (Ok(Taken::End), Ok(())) if self.intake.is_between_messages() => Err(CloseCode::Done),
            (Ok(Taken::End), Ok(())) => Err(CloseCode::Malformed),
        })
    }

    fn carry_out(&mut self, steps: Steps) {
        let member = self.member;
        let counters = member.hub().counters();
        let steps = steps.finish();
        if steps.is_empty() {
            return;
        }
        let (work, now) = member.with(|switch, id, now| {
            let mut work = 0_u64;
            for step in steps {
                let receivers = match &step {
                    Step::Access => {
                        switch.handle_access(id);
                        0
                    }
                    Step::Attach(request, proven) => {
                        let before = switch.attachment_count();
                        switch.handle_attach(id, *request, proven);
                        if switch.attachment_count() > before {
                            counters.attached.add(1);
                        } else {
                            counters.attach_refused.add(1);
                        }
                        0
                    }
                    Step::Detach(handle) => {
                        switch.handle_detach(id, *handle, now);
                        0
                    }
                    Step::Publish(publication) => {
                        let receivers = switch.handle_publish(id, publication, now);
                        if let Some(receivers) = receivers {
                            member.post(switch, publication.delivery());
                            count(counters, publication, receivers);
                        }
                        receivers.unwrap_or(0)
                    }
                    Step::Refuse(request, reason) => {
                        counters.attach_refused.add(1);
                        switch.handle_refused(id, *request, *reason);
                        0
                    }
                };
                work = work.saturating_add(step.work(receivers));
            }
            (work, now)
        });
        let rest_ms = self.work.charge(work, self.rate, now);
        if rest_ms > 0 {
            counters.throttled.add(1);
            self.rest = Some(Box::pin(sleep(Duration::from_millis(rest_ms))));
        }
    }
}

fn count(counters: &Counters, publication: &Publication, receivers: usize) {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let delivery = publication.delivery();
    let (frames, bytes) = (number(delivery.frames()), number(delivery.frame_bytes()));
    counters.frames_in.add(frames);
    counters.bytes_in.add(bytes);
    let receivers = number(receivers);
    counters.frames_out.add(frames.saturating_mul(receivers));
    counters.bytes_out.add(bytes.saturating_mul(receivers));
}

/// Gives every whole message in `bytes` to `each`.
fn read(
    intake: &mut Intake,
    bytes: &[u8],
    mut each: impl FnMut(ClientMessageRef<'_>) -> Result<(), CloseCode>,
) -> Result<(), CloseCode> {
    let mut received = intake.receive(bytes);
    loop {
        match received.next() {
            Ok(Some(message)) => each(message)?,
            Ok(None) => return Ok(()),
            Err(DecodeError::TooLong) => return Err(CloseCode::MessageTooLong),
            Err(_) => return Err(CloseCode::Malformed),
        }
    }
}

/// Whether a message may stand where it stands (`protocol §2.9`).
fn admit(
    member: &Membership,
    exporter: &Exporter,
    stage: Stage,
    message: &ClientMessageRef<'_>,
) -> Result<(), CloseCode> {
    match (stage, message) {
        (Stage::First, ClientMessageRef::Access { proof }) => {
            let lets_in = member.lets_in(proof, exporter);
            lets_in.then_some(()).ok_or(CloseCode::NoAccess)
        }
        (Stage::Later, ClientMessageRef::Access { .. }) => Err(CloseCode::Malformed),
        (Stage::First, _) if member.is_private() => Err(CloseCode::NoAccess),
        (Stage::First | Stage::Later, _) => Ok(()),
    }
}

/// Requests, ready for the switch: what needs computing has been computed outside of its lock.
#[derive(Default)]
struct Steps {
    done: Vec<Step>,
    draft: Option<Draft>,
    verified: bool,
}

enum Step {
    Access,
    Attach(RequestId, ProvenTopic),
    Detach(Handle),
    Publish(Publication),
    Refuse(RequestId, Refusal),
}

impl Steps {
    /// Never inlined, so that its stack lies where [`stack::wipe`] wipes.
    #[inline(never)]
    fn add(&mut self, message: ClientMessageRef<'_>, exporter: &Exporter) {
        match message {
            ClientMessageRef::Publish {
                request,
                handle,
                frame,
            } => {
                let draft = self.draft.as_mut();
                if !draft.is_some_and(|draft| draft.takes(handle, request, frame)) {
                    self.close_draft();
                    self.draft = Some(Draft::new(handle, request, frame));
                }
            }
            ClientMessageRef::Attach {
                request,
                topic,
                proof,
            } => {
                self.verified = true;
                self.push(match ProvenTopic::verify(&topic, &proof, exporter) {
                    Ok(proven) => Step::Attach(request, proven),
                    Err(_) => Step::Refuse(request, Refusal::BadProof),
                });
            }
            ClientMessageRef::Detach { handle } => self.push(Step::Detach(handle)),
            ClientMessageRef::Access { .. } => self.push(Step::Access),
        }
    }

    fn push(&mut self, step: Step) {
        self.close_draft();
        self.done.push(step);
    }

    fn close_draft(&mut self) {
        let publication = self.draft.take().map(Draft::finish);
        self.done.extend(publication.map(Step::Publish));
    }

    fn finish(mut self) -> Vec<Step> {
        self.close_draft();
        self.done
    }
}

impl Step {
    /// What it costs the relay, in bytes (`protocol §2.5.4`).
    fn work(&self, receivers: usize) -> u64 {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self {
            Self::Attach(..) | Self::Refuse(..) => ATTACH_WORK,
            Self::Access | Self::Detach(_) => MESSAGE_WORK,
            Self::Publish(publication) => {
                let delivery = publication.delivery();
                number(delivery.frames())
                    .saturating_mul(MESSAGE_WORK)
                    .saturating_add(number(delivery.frame_bytes()))
                    .saturating_mul(number(receivers).saturating_add(1))
            }
        }
    }
}

/// How often one connection is read from before others have their turn.
const TAKES_IN_A_ROW: usize = 2;
