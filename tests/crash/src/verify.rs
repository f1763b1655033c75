//! Is everything there that was acknowledged, and nothing else?

use std::path::Path;

use crate::engine::{Engine, Subject};
use crate::error::Error;
use crate::forensics;
use crate::model::Contents;
use crate::plan::{Plan, Step};
use crate::worker::{Acknowledged, secrets};

/// A store to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// Which engine.
    pub(crate) engine: Engine,
    /// Its folder.
    pub(crate) folder: &'a Path,
    /// The seed of its plan.
    pub(crate) seed: u64,
    /// What its worker has acknowledged.
    pub(crate) acknowledged: Acknowledged,
    /// Where the engine's randomness starts.
    pub(crate) entropy: u64,
}

/// Opens the store and compares everything in it with what has to be there: all acknowledged steps, and the one under way
/// whole or not at all. Then it goes on working: one more step, closed and opened, compared again, and its
/// files are searched for what must be forgotten. Answers what has been done after that.
///
/// # Errors
/// [`Error::Finding`] for what is missing or too much, [`Error::Engine`] if the store does not open or work.
pub(crate) fn verify(case: &Case<'_>) -> Result<Acknowledged, Error> {
    let mut plan = Plan::new(case.seed);
    plan.advance_to(case.acknowledged.step);
    let engine = case.engine;
    if !engine.exists(case.folder) {
        if case.acknowledged.is_open {
            return Err(Error::finding("the store is gone"));
        }
        engine.create(case.folder, case.entropy)?;
        return Ok(Acknowledged {
            is_open: true,
            step: 0,
        });
    }
    if engine.is_ours() && plan.secret() > 0 {
        let former = [plan.secret() - 1];
        if engine.open(case.folder, &former, case.entropy).is_ok() {
            return Err(Error::finding("a replaced secret still opens the store"));
        }
    }
    let mut subject = engine.open(case.folder, &secrets(&plan), case.entropy)?;
    let head = subject.head()?;
    let mut next = plan.clone();
    next.advance();
    // A step that changes nothing is simply taken again.
    if head != plan.model().head() {
        if head != next.model().head() {
            let step = case.acknowledged.step;
            return Err(Error::finding(format!(
                "step {step} was acknowledged, and the store is at {head}"
            )));
        }
        plan = next;
    }
    compare(&subject.contents()?, &plan.model().contents())?;
    let step = go_on(subject.as_mut(), &mut plan)?;
    if engine.is_ours() {
        // Closing forgets what is to be forgotten, also what a crash had kept it from.
        drop(subject);
        forensics::examine(case.folder, &plan)?;
    }
    Ok(Acknowledged {
        is_open: true,
        step,
    })
}

/// Takes steps up to the next that changes the contents, opens the store again and compares; answers that step.
fn go_on(subject: &mut dyn Subject, plan: &mut Plan) -> Result<u64, Error> {
    let mut step = plan.advance();
    while !matches!(step, Step::Commit(_)) {
        if let Step::ChangeUnlock(_) = step {
            subject.take(&step, plan.number())?;
        }
        step = plan.advance();
    }
    subject.take(&step, plan.number())?;
    subject.take(&Step::Reopen, plan.number())?;
    compare(&subject.contents()?, &plan.model().contents())?;
    Ok(plan.number())
}

/// Nothing may differ.
///
/// # Errors
/// [`Error::Finding`] with the first difference.
pub(crate) fn compare(found: &Contents, expected: &Contents) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let mut places = expected.keys().chain(found.keys());
    let place = places.find(|place| found.get(*place) != expected.get(*place));
    let Some(place @ (kind, key)) = place else {
        return Ok(());
    };
    let tell = |contents: &Contents| {
        contents.get(place).map_or_else(
            || "nothing".to_owned(),
            |value| {
                let version = crate::value::recognise(value);
                format!("version {version:?} of {} bytes", value.len())
            },
        )
    };
    Err(Error::finding(format!(
        "{kind:?} {:?}: {} instead of {}",
        &key[12.min(key.len())..],
        tell(found),
        tell(expected)
    )))
}
