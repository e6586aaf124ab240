//! The gate: judges requests by the current policy set, keeps the verdicts, and is the only maker of permits.

use crate::act::sealed::{Amounts, Describe, Question as Wanted};
use crate::act::{Act, ApplyPolicies};
use crate::findings::Findings;
use crate::judge::{Asked, Current, Finding, Judge, Question};
use crate::nearest::nearest;
use crate::set::{self, Candidate, Parsed};
use crate::verdict::{Nearest, Verdict};
use crate::verdicts::{Kept, Verdicts};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use symbi_model::policy::PermitRef;
use symbi_model::{DecisionId, Hash, NodeId, PolicyNumber, State, codec};

/// How many parsed sets are kept: the current one, and those that a reader with an older state still judges by.
const PARSED_SETS: usize = 4;

/// What came nearest is kept with a finding, and told to ledgers, up to so many bytes.
const NEAREST_BYTES: usize = 8 * 1024;

/// After so long without a word of a leader a node permits nothing that policies decide: they may have changed unheard.
pub const LEADERLESS_AFTER: Duration = Duration::from_secs(10);

/// The clocks of a gate.
#[derive(Clone)]
pub struct Clocks {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The time since this machine booted, sleep included.
    pub boottime: Arc<dyn Fn() -> Duration + Send + Sync>,
}

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
    /// The clocks.
    clocks: Clocks,
    /// The evaluator.
    judge: Judge,
    /// Sets by the hash of their text and entities, the latest first; one that cannot be parsed is remembered with its error.
    sets: Mutex<VecDeque<(Hash, Current)>>,
    /// What was found on messages.
    findings: Findings,
    /// The last verdicts.
    verdicts: Mutex<Verdicts>,
    /// When a leader was last heard, ms of the boot clock and one more; 0 for never.
    heard: AtomicU64,
    /// Told of every denial.
    denials: OnceLock<OnDenied>,
}

/// Told of a verdict that denied something.
type OnDenied = Box<dyn Fn(Verdict) + Send + Sync>;

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
    /// Whether it was refused only because this node has not heard of a leader: it may be permitted later.
    pub leaderless: bool,
}

/// Why a policy set is not applied: under it, whoever applies it could not apply another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the new policies would lock you out: {reason}")]
pub struct Lockout {
    /// What the new set says, in a sentence.
    pub reason: String,
}

impl Gate {
    /// A gate with an empty table of verdicts, that has not heard of a leader.
    #[must_use]
    pub fn new(options: Options, clocks: Clocks) -> Self {
        let inner = Inner {
            clocks,
            judge: Judge::new(),
            sets: Mutex::default(),
            findings: Findings::default(),
            verdicts: Mutex::new(Verdicts::new(&options.node, options.kept)),
            heard: AtomicU64::new(0),
            denials: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes note that a leader, confirmed by a majority, was heard: at the time `at` of the boot clock, at the latest.
    pub fn heard(&self, at: Duration) {
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX - 1);
        self.inner.heard.fetch_max(at_ms + 1, Ordering::Relaxed);
    }

    /// Has `told` hear of every denial from now on, so that it is kept for longer than the last verdicts are. The first who asks
    /// is told.
    pub fn on_denied(&self, told: impl Fn(Verdict) + Send + Sync + 'static) {
        // One keeper is enough: who comes second is not told.
        let _ = self.inner.denials.set(Box::new(told));
    }

    /// Judges `request` by the policy set that is current in `state`, and keeps the verdict.
    ///
    /// The first request under a set parses it, which takes milliseconds; every other one takes microseconds, and a
    /// message like one before it takes one or two.
    ///
    /// # Errors
    /// The refusal: nothing permits it, something forbids it, it could not be judged, or this node has not heard of a
    /// leader for [`LEADERLESS_AFTER`].
    pub fn judge<R: Act>(&self, state: &State, request: R) -> Result<Permit<R>, Denied> {
        let finding = self.find(state, request.question());
        let policy_set = finding.policy_set;
        if finding.allowed {
            let decision = self.keep(finding);
            return Ok(Permit { request, reference: PermitRef { decision, policy_set } });
        }
        let (reason, leaderless) = (finding.reason(), finding.leaderless);
        let decision = self.keep(finding);
        tracing::debug!(%decision, %reason, "denied");
        if let (Some(told), Some(kept)) = (self.inner.denials.get(), self.kept(&decision)) {
            // Without what came nearest: to be refused must stay cheap for who is asked.
            told(kept.verdict());
        }
        Err(Denied { decision, policy_set, reason, leaderless })
    }

    /// Whether under `candidate` whoever applies it could still apply another. Nothing is kept of this: it is no decision.
    ///
    /// # Errors
    /// What the candidate says to it.
    pub fn keeps_open(&self, state: &State, candidate: &Candidate, request: &ApplyPolicies) -> Result<(), Lockout> {
        let Wanted::Policies { action, principal, resource, .. } = request.question() else { return Ok(()) };
        let set = candidate.parsed();
        let slice = self.inner.judge.types.slice(state, set, principal, resource);
        let next = PolicyNumber(state.counters.policy_set.0 + 1);
        let question = Question { action, slice, context: Vec::new() };
        let finding = self.inner.judge.policies(next, &Ok(set.clone()), question);
        if finding.allowed { Ok(()) } else { Err(Lockout { reason: finding.reason() }) }
    }

    /// A verdict of this gate, if it is still kept; for a denial with what came nearest to permitting it.
    #[must_use]
    pub fn verdict(&self, id: &DecisionId) -> Option<Verdict> {
        self.explained(id, |asked| nearest(&self.inner.judge, asked))
    }

    /// The same as a ledger keeps it: without what came nearest, if that is long. Whoever is refused the same again and again has
    /// it worked out once.
    #[must_use]
    pub fn verdict_in_short(&self, id: &DecisionId) -> Option<Verdict> {
        self.explained(id, |_| Vec::new())
    }

    /// A verdict with what came nearest: what is kept of that, or if it is too long to be kept, what `otherwise` says.
    fn explained(&self, id: &DecisionId, otherwise: impl FnOnce(&Asked) -> Vec<Nearest>) -> Option<Verdict> {
        let kept = self.kept(id)?;
        let mut verdict = kept.verdict();
        // What a policy forbids is not nearer to being permitted for a clause of another.
        if let Some(asked) = kept.finding.asked.as_ref().filter(|_| verdict.determining.is_empty()) {
            let short = || {
                let found = nearest(&self.inner.judge, asked);
                (codec::encode(&found).len() <= NEAREST_BYTES).then_some(found)
            };
            verdict.nearest = asked.nearest.get_or_init(short).clone().unwrap_or_else(|| otherwise(asked));
        }
        Some(verdict)
    }

    /// The ids from `low` to `high` of the verdicts that are still kept, at most `most`.
    #[must_use]
    pub fn decisions(&self, low: &DecisionId, high: &DecisionId, most: usize) -> Vec<DecisionId> {
        self.inner.verdicts.lock().unwrap_or_else(PoisonError::into_inner).ids(low, high, most)
    }

    /// What the set `number` says to a request of which only the decision's id is left, by what `state` says of those whom the
    /// request names. It is worked out anew, kept nowhere, and permits nothing. None if there is no such set.
    #[must_use]
    pub fn work_out<R: Act>(
        &self,
        state: &State,
        number: PolicyNumber,
        id: DecisionId,
        request: &R,
    ) -> Option<Verdict> {
        let Wanted::Policies { action, principal, resource, context } = request.question() else { return None };
        let set = state.policy_sets.get(&number)?;
        let parsed = set::parse(&set.text, &set.entities).map(Arc::new).map_err(|error| error.to_string());
        let empty = Parsed::default();
        let slice = self.inner.judge.types.slice(state, parsed.as_deref().unwrap_or(&empty), principal, resource);
        let finding = self.inner.judge.policies(number, &parsed, Question { action, slice, context: amounts(context) });
        Some(Kept { id, at_ms: id.time_ms(), finding: Arc::new(finding) }.verdict())
    }

    fn kept(&self, id: &DecisionId) -> Option<Kept> {
        self.inner.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn find(&self, state: &State, wanted: Wanted<'_>) -> Arc<Finding> {
        let Inner { judge, findings, .. } = &*self.inner;
        let number = state.counters.policy_set;
        let (action, principal, resource, context) = match wanted {
            Wanted::Administrator { what, principal } => return judge.administrator(number, what, principal).into(),
            Wanted::Policies { action, principal, resource, context } => (action, principal, resource, context),
        };
        if let Some(silent) = self.silent() {
            return judge.leaderless(number, action, principal, silent).into();
        }
        let key = findings.key(action, principal, resource);
        if let Some(found) = key.and_then(|key| findings.get(state, &key)) {
            return found;
        }
        let current = self.current(state);
        let empty = Parsed::default();
        let set = current.as_deref().unwrap_or(&empty);
        let mut slice = judge.types.slice(state, set, principal, resource);
        let (read, only_agents) = (std::mem::take(&mut slice.read), slice.only_agents);
        let question = Question { action, slice, context: amounts(context) };
        let finding = Arc::new(judge.policies(number, &current, question));
        if let Some(key) = key.filter(|_| only_agents) {
            findings.put(state, &key, read, finding.clone());
        }
        finding
    }

    /// For how long no leader was heard, once that is too long: none within if none ever was.
    fn silent(&self) -> Option<Option<Duration>> {
        let now = (self.inner.clocks.boottime)();
        let heard = match self.inner.heard.load(Ordering::Relaxed) {
            0 => return Some(None),
            after => Duration::from_millis(after - 1),
        };
        let silent = now.saturating_sub(heard);
        (silent >= LEADERLESS_AFTER).then_some(Some(silent))
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
        let parsed = set::parse(&set.text, &set.entities).map(Arc::new).map_err(|error| error.to_string());
        sets.truncate(PARSED_SETS - 1);
        sets.push_front((set.hash, parsed.clone()));
        parsed
    }

    fn keep(&self, finding: Arc<Finding>) -> DecisionId {
        let mut verdicts = self.inner.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock, so that ids and times rise together.
        let (id, oldest) = verdicts.keep((self.inner.clocks.wall_ms)(), finding);
        drop(verdicts);
        drop(oldest);
        id
    }
}

/// Amounts as Cedar has them.
fn amounts(context: Amounts) -> Vec<(&'static str, i64)> {
    context.into_iter().map(|(name, amount)| (name, i64::try_from(amount).unwrap_or(i64::MAX))).collect()
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{AgentRef, Principal, Tell};
    use symbi_model::agent::{Agent, Spec};
    use symbi_model::policy::{NO_ENTITIES, PolicySet};
    use symbi_model::{AgentId, NodeId};

    /// A gate that has heard of a leader, and a state with agents `a` and `b` under the policies `text`.
    fn refusing(text: &str) -> (Gate, State) {
        let clocks = Clocks { wall_ms: Arc::new(|| 1), boottime: Arc::new(|| Duration::ZERO) };
        let gate = Gate::new(Options::new(NodeId([1; 32])), clocks);
        gate.heard(Duration::ZERO);
        let mut state = State::default();
        let (number, hash) = (PolicyNumber(1), PolicySet::hash_of(text, NO_ENTITIES));
        let (text, entities, actor) = (text.to_owned(), NO_ENTITIES.to_owned(), "user:admin".to_owned());
        let set = PolicySet { number, text, entities, hash, actor, created_at: 1, created_ms: 1 };
        state.policy_sets.insert(number, set);
        state.counters.policy_set = number;
        for name in ["a", "b"] {
            let spec = Spec::new(name.parse().unwrap(), "demo", vec!["true".to_owned()]);
            state.agents.insert(name.parse().unwrap(), Agent::new(AgentId(uuid::Uuid::from_u128(9)), spec, 1));
        }
        (gate, state)
    }

    /// `a` tells `b` something, and is refused.
    fn refuse(gate: &Gate, state: &State) -> DecisionId {
        let agent = |name: &str| AgentRef { name: name.to_owned(), owner: "demo".to_owned() };
        let tell = Tell { from: Principal::Agent(agent("a")), to: agent("b") };
        gate.judge(state, tell).unwrap_err().decision
    }

    fn kept(gate: &Gate, id: &DecisionId) -> Option<Option<Vec<Nearest>>> {
        gate.kept(id).unwrap().finding.asked.as_ref().unwrap().nearest.get().cloned()
    }

    #[test]
    fn what_came_nearest_is_worked_out_once_for_who_is_refused_again_and_again() {
        let (gate, state) = refusing("permit (principal, action, resource) when { principal.owner == \"other\" };");
        let (first, second) = (refuse(&gate, &state), refuse(&gate, &state));
        assert_eq!(kept(&gate, &first), None, "to be refused is cheap");
        let told = gate.verdict_in_short(&first).unwrap();
        assert_eq!(told.nearest.len(), 1);
        assert_eq!(kept(&gate, &second), Some(Some(told.nearest.clone())), "both are of one finding");
        assert_eq!(gate.verdict(&second).unwrap().nearest, told.nearest);
    }

    #[test]
    fn what_came_nearest_is_kept_and_told_to_ledgers_only_if_it_is_short() {
        let owners = (0..2_000).map(|owner| format!("\"owner-{owner}\"")).collect::<Vec<_>>().join(", ");
        let text = format!("permit (principal, action, resource) when {{ [{owners}].contains(principal.owner) }};");
        let (gate, state) = refusing(&text);
        let id = refuse(&gate, &state);
        assert_eq!(gate.verdict_in_short(&id).unwrap().nearest, []);
        assert_eq!(kept(&gate, &id), Some(None));
        assert_eq!(gate.verdict(&id).unwrap().nearest.len(), 1, "who asks is told");
    }
}
