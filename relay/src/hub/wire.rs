//! One connection as the hub knows it: its way out, and what its transport has not taken yet.

use std::fmt;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use sori_wire::CloseCode;
use sori_wire::limits::WRITE_STALL_MS_MAX;

use crate::carrier::Outlet;
use crate::switch::{ConnectionId, Switch, Time, Transmit};

pub(super) struct Wire {
    outlet: Box<dyn Outlet>,
    /// Taken from the switch, not yet by the transport: at most a batch.
    pending: Vec<Bytes>,
    blocked_since: Option<Time>,
    /// Of the connection's own task.
    waker: Waker,
    verdict: Option<CloseCode>,
    stage: Stage,
    keys_since: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Everything was said; the stream is to be ended.
    Finishing,
    Open,
}

impl Wire {
    pub(super) fn new(outlet: Box<dyn Outlet>, now: Time) -> Self {
        Self {
            outlet,
            pending: Vec::new(),
            blocked_since: None,
            waker: Waker::noop().clone(),
            verdict: None,
            stage: Stage::Open,
            keys_since: now,
        }
    }

    /// Writes what waits for this connection, as far as its transport takes it. May be called from
    /// any task; the connection's own is woken when more can be written or it has to end.
    pub(super) fn flush(&mut self, id: ConnectionId, switch: &mut Switch, now: Time) {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        while self.verdict.is_none() && self.stage == Stage::Open {
            if !self.pending.is_empty() || self.blocked_since.is_some() {
                match self.outlet.poll_write(&mut cx, &mut self.pending) {
                    Poll::Pending => {
                        self.blocked_since.get_or_insert(now);
                        return;
                    }
                    Poll::Ready(Ok(())) => self.blocked_since = None,
                    Poll::Ready(Err(_broken)) => return self.close(CloseCode::Done),
                }
            }
            match switch.poll_transmit(id, now, &mut self.pending) {
                Transmit::Bytes => {}
                Transmit::Nothing => break,
                Transmit::Finish => {
                    self.stage = Stage::Finishing;
                    self.waker.wake_by_ref();
                }
            }
        }
        if self.pending.capacity() > PENDING_KEPT {
            self.pending.shrink_to(PENDING_KEPT);
        }
    }

    /// For the connection's own task: why it is over, once it is.
    pub(super) fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        if !self.waker.will_wake(cx.waker()) {
            self.waker = cx.waker().clone();
        }
        if let Some(code) = self.verdict {
            return Poll::Ready(code);
        }
        match self.stage {
            Stage::Open => Poll::Pending,
            Stage::Finishing => self.outlet.poll_finish(cx).map(|()| CloseCode::GoingAway),
        }
    }

    /// Says a last thing and ends the stream, if nothing is in the way.
    pub(super) fn poll_farewell(
        &mut self,
        cx: &mut Context<'_>,
        last: &mut Vec<Bytes>,
    ) -> Poll<()> {
        if !self.pending.is_empty() || self.blocked_since.is_some() {
            return Poll::Ready(());
        }
        match self.outlet.poll_write(cx, last) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => self.outlet.poll_finish(cx),
            Poll::Ready(Err(_broken)) => Poll::Ready(()),
        }
    }

    pub(super) fn outlet(&self) -> &dyn Outlet {
        &*self.outlet
    }

    pub(super) fn close(&mut self, code: CloseCode) {
        self.verdict.get_or_insert(code);
        self.waker.wake_by_ref();
    }

    /// Ends the connection if its transport has taken nothing for too long.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let Some(since) = self.blocked_since
            && now.millis_since(since) >= WRITE_STALL_MS_MAX
        {
            self.close(CloseCode::Stalled);
        }
    }

    /// Renews the keys if their time is over. Returns whether it was.
    pub(super) fn renew_keys(&mut self, after_ms: u64, now: Time) -> bool {
        let is_due = now.millis_since(self.keys_since) >= after_ms;
        if is_due {
            self.keys_since = now;
            self.outlet.update_keys();
            // Nothing else may come to take the notice of it along.
            let waker = self.waker.clone();
            let mut cx = Context::from_waker(&waker);
            if self
                .outlet
                .poll_write(&mut cx, &mut self.pending)
                .is_pending()
            {
                self.blocked_since.get_or_insert(now);
            }
        }
        is_due
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// Pieces for which an idle connection keeps room: what its first piece makes anyway.
const PENDING_KEPT: usize = 4;
