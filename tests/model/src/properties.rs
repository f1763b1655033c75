//! What must hold in every moment (invariants of protocol §5.9), and what must be reachable for that to mean something.

use std::sync::Arc;

use sori_mls::branch::Loss;
use stateright::Property;

use crate::scene::{CY, Fact, Kind};
use crate::view::View;
use crate::world::{Member, World, WorldState};

pub(crate) fn all() -> Vec<Property<World>> {
    vec![
        Property::always("I1 the same knowledge leads to the same head", same_head),
        Property::always(
            "I4 nothing settled is left but after votes on both sides",
            settled_stays,
        ),
        Property::always("I5 who is ordered out is out", removal_holds),
        Property::always(
            "I6 nothing by who is ordered out comes to count",
            poison_holds,
        ),
        Property::always("I7 nothing unsettled displaces a removal", removal_first),
        Property::always("I13 no honest commit is dropped for a lie", no_veto),
        Property::always("I13 nobody is left behind", nobody_stuck),
        Property::always("I15 nobody honest votes twice", one_vote),
        Property::sometimes("something is settled", |world, state| {
            views(world, state).any(|(_, _, view)| !view.choice.settled.is_empty())
        }),
        Property::sometimes("somebody leaves a state", |world, state| {
            views(world, state).any(|(who, member, view)| {
                world.universe.commits().any(|(id, commit)| {
                    let voted = Fact::Vote {
                        child: id,
                        account: who,
                    };
                    world.knows(member, voted)
                        && view.choice.path.contains(&commit.parent)
                        && !view.choice.path.contains(&id)
                })
            })
        }),
    ]
}

/// The honest members with what they make of what they know.
fn views<'a>(
    world: &'a World,
    state: &'a WorldState,
) -> impl Iterator<Item = (u8, &'a Member, Arc<View>)> {
    let members = world.honest().filter_map(|who| {
        let member = state.members.get(usize::from(who))?;
        Some((who, member))
    });
    members.map(|(who, member)| (who, member, world.view(member)))
}

/// Whether all honest members know the same and have nothing left that they have to do.
fn is_calm(world: &World, state: &WorldState) -> bool {
    let mut known = views(world, state).map(|(_, member, _)| member.known);
    let first = known.next();
    known.all(|other| Some(other) == first)
        && world
            .honest()
            .all(|who| world.duties(state, who).is_empty())
        && state.members.iter().all(|member| member.unsaved.is_none())
}

fn same_head(world: &World, state: &WorldState) -> bool {
    let all: Vec<_> = views(world, state).collect();
    all.iter().all(|(_, one, a)| {
        let equals = all.iter().filter(|(_, other, _)| one.known == other.known);
        equals
            .map(|(_, _, b)| b.head())
            .all(|head| head == a.head())
    })
}

/// Every commit that more than half voted for, or one before it, is on the path unless a liar voted on both sides of a
/// fork. The votes are counted here anew, by another way than in the choice.
fn settled_stays(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    if has_voted_on_both_sides(world, state) {
        return true;
    }
    views(world, state).all(|(_, member, view)| {
        universe.commits().all(|(child, commit)| {
            let members: Vec<u8> = universe.members(commit.parent).collect();
            let knows_way = universe
                .way_up(child)
                .all(|up| universe.commit(up).is_none() || world.knows(member, Fact::Commit(up)));
            let votes = members.iter().filter(|account| {
                let account = **account;
                world.knows(member, Fact::Vote { child, account })
            });
            let settled = match world.variant {
                crate::Variant::SettleEarly => votes.count() > 0,
                _ => votes.count() * 2 > members.len(),
            };
            !settled || !knows_way || view.choice.path.contains(&child)
        })
    })
}

/// Whether the liar voted for two commits on one state, or after them.
fn has_voted_on_both_sides(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    let votes = universe.known(&state.lies).filter_map(|fact| match fact {
        Fact::Vote { child, .. } => Some(child),
        Fact::Commit(_) | Fact::Failed { .. } | Fact::Order(_) => None,
    });
    let votes: Vec<u8> = votes.collect();
    let leads_to = |state: u8, to: u8| universe.way_up(to).any(|up| up == state);
    votes.iter().any(|one| {
        let aside = |other: &u8| !leads_to(*one, *other) && !leads_to(*other, *one);
        votes.iter().any(aside)
    })
}

/// When all is calm, whoever was ordered out is not in the group, and all are in one place.
fn removal_holds(world: &World, state: &WorldState) -> bool {
    if !is_calm(world, state) {
        return true;
    }
    views(world, state).all(|(_, _, view)| {
        let room = world.universe.epoch(view.head()) <= world.scene.epochs;
        view.order.is_none() || !room || world.universe.is_spent(view.head())
    })
}

fn poison_holds(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    views(world, state).all(|(_, _, view)| {
        let Some(base) = view.order else { return true };
        view.choice.path.iter().all(|id| {
            let by_target = universe
                .commit(*id)
                .is_some_and(|commit| commit.author == CY && !universe.is_spent(commit.parent));
            // Who does not know the base yet cannot tell what was before it but by the epoch.
            let before = match view.graph.knows(&base) {
                true => universe.way_up(base).any(|up| up == *id),
                false => universe.epoch(*id) <= universe.epoch(base),
            };
            !by_target || before || view.choice.settled.contains(id)
        })
    })
}

fn removal_first(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    views(world, state).all(|(_, member, view)| {
        let Some(base) = view.order else { return true };
        view.choice.path.iter().all(|id| {
            let Some(commit) = universe.commit(*id) else {
                return true;
            };
            let realises = |kind: Kind| kind == Kind::Realise;
            let rival = universe.commits().any(|(other, rival)| {
                rival.parent == commit.parent
                    && realises(rival.kind)
                    && universe.epoch(base) < rival.epoch
                    && world.knows(member, Fact::Commit(other))
            });
            !rival || realises(commit.kind) || view.choice.settled.contains(id)
        })
    })
}

fn no_veto(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    views(world, state).all(|(_, member, view)| {
        universe.commits().all(|(id, commit)| {
            let honest = commit.kind != Kind::Garbled;
            let dropped = view.choice.losses.get(&id) == Some(&Loss::Unprocessable);
            let forgotten =
                world.knows(member, Fact::Commit(id)) && view.graph.commit(&id).is_none();
            !honest || !(dropped || forgotten)
        })
    })
}

fn nobody_stuck(world: &World, state: &WorldState) -> bool {
    if !is_calm(world, state) {
        return true;
    }
    views(world, state).all(|(who, _, view)| {
        let room = world.universe.epoch(view.head()) <= world.scene.epochs;
        !room || !world.is_stuck(who, &view)
    })
}

fn one_vote(world: &World, state: &WorldState) -> bool {
    let universe = &world.universe;
    world.honest().all(|account| {
        let mut parents = Vec::new();
        universe.known(&state.said).all(|fact| match fact {
            Fact::Vote { child, account: by } if by == account => {
                let parent = universe.commit(child).map(|commit| commit.parent);
                let new = !parents.contains(&parent);
                parents.push(parent);
                new
            }
            _ => true,
        })
    })
}
