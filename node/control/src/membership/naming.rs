//! How the voters' change is told to the audit chain. Who is to vote next is *named* before the change; it begins when those who rule
//! have witnessed that; and when Raft has gone over, those who were named are *settled*. A naming that nothing came of is given up.
//!
//! (A) No change of voters is asked for that was not named and witnessed as it is. (B) What Raft did without a naming, as by hand, is
//! named afterwards. (C) Nothing else waits for a naming.

use super::view::{Change, Step, View};
use std::collections::BTreeSet;
use symbi_model::NodeId;
use symbi_model::command::Phase;
use symbi_model::planted::{self, Defect};

/// What must be said of the voters as they are, before anything else.
pub(super) fn settle(view: &View) -> Option<Step> {
    let (naming, seats) = (&view.naming, view.seats());
    match &naming.next {
        Some(next) if *next == seats => {
            (naming.is_witnessed || is_planted()).then_some(Step::Voters(Phase::Settled, seats))
        }
        None if !naming.ruling.is_empty() && naming.ruling != seats => Some(Step::Voters(Phase::Next, seats)),
        Some(_) | None => None,
    }
}

/// What is to be done for a step: the step itself, unless it changes the voters and these were not named and witnessed.
pub(super) fn admit(view: &View, step: Step) -> Option<Step> {
    let Some(wanted) = voters_after(view, &step) else { return Some(step) };
    match &view.naming.next {
        None => Some(Step::Voters(Phase::Next, wanted)),
        Some(next) if *next == wanted => (view.naming.is_witnessed || is_planted()).then_some(step),
        // Those must be settled first.
        Some(next) if *next == view.seats() => None,
        Some(next) => Some(Step::Voters(Phase::Aborted, next.clone())),
    }
}

/// Gives up a naming for which there is no step any more.
pub(super) fn give_up(view: &View) -> Option<Step> {
    let next = view.naming.next.as_ref().filter(|next| view.naming.is_old && **next != view.seats());
    next.map(|next| Step::Voters(Phase::Aborted, next.clone()))
}

/// Who votes after a step, by rising id; none if it leaves them as they are.
fn voters_after(view: &View, step: &Step) -> Option<Vec<NodeId>> {
    let mut voters: BTreeSet<NodeId> = view.voters.clone();
    match step {
        Step::Change(Change::Promote(nodes)) => voters.extend(nodes),
        Step::Change(Change::Remove(node)) => {
            voters.remove(node);
        }
        Step::Change(Change::AddLearner(_)) | Step::FinishJoin(_) | Step::ClearJoin(_) | Step::Voters(..) => {}
    }
    (voters != view.voters).then(|| voters.into_iter().collect())
}

fn is_planted() -> bool {
    planted::active(Defect::VotersUnwitnessed)
}
