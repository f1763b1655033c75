//! Orders: decisions that outlive the race of commits (protocol §5.5).
//!
//! Who decides that somebody is removed or demoted, or leaves, signs an order and sends it. Whoever hears of it keeps it, and
//! whichever branch wins, the next commit on it realises it. So the losing of a race delays a removal and does not
//! undo it.

use sori_mls::{AccountId, CommitHeader, Misuse, Operation, Order, OrderKind};

use crate::engine::Engine;
use crate::envelope::ChannelMessage;
use crate::error::Error;
use crate::group::Group;
use crate::outcome::{Outcome, Reason};
use crate::record::{Standing, Wish};
use crate::time::Time;

/// Most orders that a group keeps.
const ORDERS_MAX: usize = 64;
/// Most orders of one account that a group keeps, so that none pushes out those of others.
const ORDERS_OF_ONE_MAX: usize = 32;

impl Engine {
    /// Decides something about a member: the order is kept, sent, and what remains to be wished for is that it be
    /// realised.
    pub(crate) fn give_order(
        &mut self,
        group: &mut Group,
        kind: OrderKind,
        target: AccountId,
        now: Time,
    ) -> Result<Wish, Error> {
        group.check_active()?;
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let order = self.core()?.order(kind, target, head.snapshot())?;
        let me = self.me()?.id;
        let given = self
            .open_orders(group)?
            .into_iter()
            .find(|known| (known.kind(), known.target(), known.issuer()) == (kind, target, me));
        if let Some(given) = given {
            return Ok(Wish::Order {
                order: given.encode()?,
            });
        }
        let order = order.encode()?;
        self.keep_order(group, &order)?;
        let message = ChannelMessage::Order {
            order: order.clone(),
        };
        self.send_envelope(group.channel()?, &message, None, now)?;
        Ok(Wish::Order { order })
    }

    /// Takes in an order of somebody: it is kept until it is too old, for a commit that realises it
    /// may lose. It waits for its base if it cannot be judged before.
    pub(crate) fn take_order(
        &mut self,
        group: &mut Group,
        order: &[u8],
        now: Time,
    ) -> Result<Outcome, Error> {
        let Ok(parsed) = Order::decode(order) else {
            return Ok(Outcome::Refused(Reason::Malformed));
        };
        if self.is_over(group, now)? {
            return Ok(Outcome::Over);
        }
        if group.record.orders.iter().any(|known| known == order) {
            return Ok(Outcome::Known);
        }
        let (base, _) = parsed.base();
        if group.is_stateless() {
            return Ok(Outcome::Waits(base));
        }
        if !self.holds_at_head(group, &parsed)? {
            if !group.record.states.contains_key(&base) && group.tree.node(&base).is_none() {
                return Ok(Outcome::Waits(base));
            }
            self.open_state(group, &base, now)?;
            let Some(at_base) = self.snapshot(group, &base)? else {
                return Ok(Outcome::Unreadable);
            };
            if parsed.verify(&at_base).is_err() {
                return Ok(Outcome::Refused(Reason::Rules));
            }
        }
        self.keep_order(group, order)?;
        self.plan_open_orders(group, now)?;
        Ok(Outcome::Taken)
    }

    /// Keeps the orders that came inside a commit: it may lose, and they hold all the same.
    pub(crate) fn take_orders_of(
        &mut self,
        group: &mut Group,
        header: &CommitHeader,
        now: Time,
    ) -> Result<(), Error> {
        if header.orders.is_empty() {
            return Ok(());
        }
        for order in &header.orders {
            self.keep_order(group, &order.encode()?)?;
        }
        self.plan_open_orders(group, now)
    }

    /// Keeps an order whose signature was checked, if there is room: those that a commit on the head could realise go
    /// before those that are spent there.
    fn keep_order(&mut self, group: &mut Group, order: &[u8]) -> Result<(), Error> {
        if group.record.orders.iter().any(|known| known == order) {
            return Ok(());
        }
        let issuer = Order::decode(order)?.issuer();
        let by_issuer =
            |bytes: &Vec<u8>| Order::decode(bytes).is_ok_and(|order| order.issuer() == issuer);
        let of_one = group.record.orders.iter().filter(|o| by_issuer(o)).count();
        if group.record.orders.len() >= ORDERS_MAX || of_one >= ORDERS_OF_ONE_MAX {
            let mut open = Vec::new();
            for bytes in group.record.orders.clone() {
                if self.holds_at_head(group, &Order::decode(&bytes)?)? {
                    open.push(bytes);
                }
            }
            group.set_orders(open);
        }
        let of_one = group.record.orders.iter().filter(|o| by_issuer(o)).count();
        if group.record.orders.len() < ORDERS_MAX && of_one < ORDERS_OF_ONE_MAX {
            group.record.orders.push(order.to_vec());
            let order = Order::decode(order)?;
            group.branches.learn_order(&order, group.facts.values());
        }
        self.save_group(group)
    }

    fn holds_at_head(&self, group: &mut Group, order: &Order) -> Result<bool, Error> {
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        Ok(order.verify(head.snapshot()).is_ok())
    }

    /// Whether a commit of this device would not count because it is ordered out, or by one to demote it if it could
    /// not make the commit without its role.
    pub(crate) fn is_ordered_out(
        &self,
        group: &mut Group,
        needs_role: bool,
    ) -> Result<bool, Error> {
        let me = self.me()?.id;
        for order in group.orders() {
            let counts = match order.kind() {
                OrderKind::Remove => true,
                OrderKind::Demote => needs_role,
                OrderKind::Leave | _ => false,
            };
            if counts && order.target() == me && self.holds_at_head(group, &order)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The orders about others that a commit of this device on the head may realise, as many as fit into one. Not one
    /// of a later epoch whose base is not known: the way to it may be on its way here.
    pub(crate) fn open_orders(&self, group: &mut Group) -> Result<Vec<Order>, Error> {
        let me = self.me()?.id;
        let mut open = Vec::new();
        if sori_mls::broken!("an order not realised") {
            return Ok(open);
        }
        if self.is_ordered_out(group, false)? {
            return Ok(open);
        }
        for order in group.orders() {
            let is_ahead =
                !group.branches.knows(&order.base().0) && self.is_later(group, &order)?;
            if order.target() != me && !is_ahead && self.holds_at_head(group, &order)? {
                open.push(order);
            }
        }
        open.truncate(sori_mls::limits::ORDERS_PER_COMMIT_MAX);
        Ok(open)
    }

    /// Whether an order was given in a later epoch than the head's.
    fn is_later(&self, group: &mut Group, order: &Order) -> Result<bool, Error> {
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        Ok(order.base().1 > head.snapshot().epoch())
    }

    /// Plans the realising of what can be realised at the head.
    pub(crate) fn plan_open_orders(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.record.standing == Standing::Active && !self.open_orders(group)?.is_empty() {
            self.plan_commits(group, now);
        }
        Ok(())
    }

    /// Realises what was ordered about others, before anything else is said or done: nobody who is to be out gets to
    /// read it (protocol §5.5.2). Leaving is left to the plan, so that not all of a group commit at once.
    pub(crate) fn realise_decisions(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        if group.record.standing != Standing::Active {
            return Ok(());
        }
        let decided = |open: Vec<Order>| open.iter().filter(|o| is_decision(o)).count();
        let mut left = decided(self.open_orders(group)?);
        while left > 0 {
            self.wish(group, Wish::Realise, now)?;
            let now_left = decided(self.open_orders(group)?);
            if now_left >= left {
                break;
            }
            left = now_left;
        }
        Ok(())
    }

    /// What to commit for orders: of those that are open as many as go into one commit.
    pub(crate) fn realise(&self, group: &mut Group) -> Result<Operation, Error> {
        let orders = for_one_commit(self.open_orders(group)?, None);
        match orders.is_empty() {
            true => Err(Error::NotFound("order")),
            false => Ok(Operation::Realise { orders }),
        }
    }

    /// What to commit for an order of this account, and with it of those that are open as many as go into one commit.
    pub(crate) fn realise_own(&self, group: &mut Group, order: &[u8]) -> Result<Operation, Error> {
        let order = Order::decode(order)?;
        self.ensure_head(group)?;
        let head = group
            .head
            .as_ref()
            .ok_or(Error::Internal("head"))?
            .snapshot();
        if head.data().is_spent(&order) {
            return Err(sori_mls::Error::Misuse(Misuse::NoChange).into());
        }
        if head.role_of(&order.target()).is_none() {
            return Err(sori_mls::Error::Misuse(Misuse::UnknownAccount).into());
        }
        order.verify(head)?;
        let mut orders = for_one_commit(self.open_orders(group)?, Some(&order));
        if !orders.contains(&order) {
            orders.truncate(sori_mls::limits::ORDERS_PER_COMMIT_MAX.saturating_sub(1));
            orders.push(order);
        }
        Ok(Operation::Realise { orders })
    }
}

/// Whether somebody decided it about somebody else.
fn is_decision(order: &Order) -> bool {
    order.kind() != OrderKind::Leave
}

/// Of these orders those that go into one commit: all that take roles, and of those that put accounts out the ones about
/// one account, that of `first` or else of a decision. MLS is indifferent to the order in which a commit names those whom
/// it removes, and OpenMLS leaves it to chance; so would be the name of the state that follows.
fn for_one_commit(mut orders: Vec<Order>, first: Option<&Order>) -> Vec<Order> {
    let removal = first.filter(|order| removes(order)).or_else(|| {
        let mut removals = orders.iter().filter(|order| removes(order));
        let decided = removals.clone().find(|order| is_decision(order));
        decided.or_else(|| removals.next())
    });
    let target = removal.map(Order::target);
    orders.retain(|order| !removes(order) || Some(order.target()) == target);
    orders
}

/// Whether it puts its target out.
fn removes(order: &Order) -> bool {
    order.kind() != OrderKind::Demote
}

/// What order about whom a wish is about; nothing for bytes that are none.
pub(crate) fn subject(order: &[u8]) -> Option<(OrderKind, AccountId)> {
    let order = Order::decode(order).ok()?;
    Some((order.kind(), order.target()))
}
