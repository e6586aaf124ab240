//! The gate: judges requests by the current policy set, keeps the verdicts, and is the only maker of permits.

use crate::act::Act;
use crate::act::sealed::Question;
use crate::judge::{Current, Finding, Judge};
use crate::set;
use crate::verdict::Verdict;
use crate::verdicts::Verdicts;
use cedar_policy::EntityUid;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::policy::PermitRef;
use symbi_model::{DecisionId, Hash, NodeId, PolicyNumber, State};

/// How many parsed sets are kept: the current one, and those that a reader with an older state still judges by.
const PARSED_SETS: usize = 4;

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a gate is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node that judges: its first four bytes lead every decision id.
    pub node: NodeId,
    /// How many verdicts are kept, 10,000 by default; the oldest goes first.
    pub kept: usize,
}

impl Options {
    /// The defaults for `node`.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self { node, kept: 10_000 }
    }
}

/// The gate of one node. Clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    /// What the clones share.
    inner: Arc<Inner>,
}

struct Inner {
    /// The wall clock.
    clock: Clock,
    /// The evaluator.
    judge: Judge,
    /// The actions of the schema, by name.
    actions: BTreeMap<String, EntityUid>,
    /// Sets by the hash of their text, the latest first; one that cannot be parsed is remembered with its error.
    sets: Mutex<VecDeque<(Hash, Current)>>,
    /// The last verdicts.
    verdicts: Mutex<Verdicts>,
}

/// Proof that a request was judged and permitted; whoever holds it may do what the request says, once.
#[derive(Debug)]
#[must_use = "a permit is for an effect"]
pub struct Permit<R> {
    /// What was permitted.
    request: R,
    /// The verdict and its policy set.
    reference: PermitRef,
}

impl<R> Permit<R> {
    /// What a command carries of it.
    pub fn reference(&self) -> PermitRef {
        self.reference
    }

    /// What was permitted.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// What was permitted, for the effect that uses the permit up.
    pub fn into_request(self) -> R {
        self.request
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("denied: {reason} (decision {decision})")]
pub struct Denied {
    /// The verdict's id, for `why decision`.
    pub decision: DecisionId,
    /// The set that was judged by.
    pub policy_set: PolicyNumber,
    /// Why, in a sentence.
    pub reason: String,
}

impl Gate {
    /// A gate with an empty table of verdicts.
    #[must_use]
    pub fn new(options: Options, clock: Clock) -> Self {
        let actions = set::schema();
        let actions = actions.actions().map(|action| (action.id().unescaped().to_owned(), action.clone())).collect();
        let verdicts = Mutex::new(Verdicts::new(&options.node, options.kept));
        let inner = Inner { clock, judge: Judge::new(), actions, sets: Mutex::default(), verdicts };
        Self { inner: Arc::new(inner) }
    }

    /// Judges `request` by the policy set that is current in `state`, and keeps the verdict.
    ///
    /// The first request under a set parses it, which takes milliseconds; every other one takes microseconds.
    ///
    /// # Errors
    /// The refusal: nothing permits it, something forbids it, or it could not be judged.
    pub fn judge<R: Act>(&self, state: &State, request: R) -> Result<Permit<R>, Denied> {
        let (action, finding) = self.find(state, &request.question());
        let policy_set = state.counters.policy_set;
        let (allowed, reason) = (finding.allowed, finding.reason.clone());
        let decision = self.keep(action, policy_set, finding);
        if allowed {
            return Ok(Permit { request, reference: PermitRef { decision, policy_set } });
        }
        tracing::debug!(%decision, %reason, "denied");
        Err(Denied { decision, policy_set, reason })
    }

    /// A verdict of this gate, if it is still kept.
    #[must_use]
    pub fn verdict(&self, id: &DecisionId) -> Option<Verdict> {
        let verdicts = self.inner.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(id).cloned()
    }

    fn find(&self, state: &State, question: &Question<'_>) -> (&'static str, Finding) {
        match question {
            Question::Policies { action, principal, resource } => {
                let uid = self.inner.actions.get(*action).expect("the schema has every action that is asked");
                (action, self.inner.judge.policies(state, &self.current(state), uid, principal, resource))
            }
            Question::Administrator { what, principal } => (what, Judge::administrator(what, principal)),
        }
    }

    /// The set that is current in `state`, parsed at most once.
    fn current(&self, state: &State) -> Current {
        let number = state.counters.policy_set;
        let Some(set) = state.policy_sets.get(&number) else {
            return Err("this node has not heard of a policy set yet".to_owned());
        };
        let mut sets = self.inner.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parsed)) = sets.iter().find(|(hash, _)| *hash == set.hash) {
            return parsed.clone();
        }
        let parsed = set::parse(&set.text).map(Arc::new).map_err(|error| error.to_string());
        sets.truncate(PARSED_SETS - 1);
        sets.push_front((set.hash, parsed.clone()));
        parsed
    }

    fn keep(&self, action: &'static str, policy_set: PolicyNumber, finding: Finding) -> DecisionId {
        let mut verdicts = self.inner.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock, so that ids and times rise together.
        let at_ms = (self.inner.clock)();
        let id = verdicts.mint(at_ms);
        verdicts.keep(Verdict {
            id,
            at_ms,
            action: action.to_owned(),
            principal: finding.principal,
            resource: finding.resource,
            context: finding.values,
            allowed: finding.allowed,
            policy_set,
            determining: finding.determining,
            errors: finding.errors,
            reason: finding.reason,
        });
        id
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").finish_non_exhaustive()
    }
}
