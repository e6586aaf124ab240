//! The gate: judges requests by the current policy set, keeps the verdicts, and is the only maker of permits.

#[cfg(test)]
mod tests;

use crate::act::sealed::{Amounts, Describe, Question as Wanted, Who};
use crate::act::{ADMIN, Act, ApplyPolicies, Principal, Reading};
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
use symbi_model::token::{ApiToken, Scope};
use symbi_model::{ApiTokenId, DecisionId, Hash, NodeId, PolicyNumber, State, codec};

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

/// Why something is not done: afterwards nobody could change what anybody is permitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lockout {
    /// Whoever applies the new policies could not apply others.
    #[error("the new policies would lock you out: {reason}")]
    Policies {
        /// What the new set says, in a sentence.
        reason: String,
    },
    /// The last one who could would be gone.
    #[error(
        "afterwards nobody could change the policies: no user who is left may, and is the one of a node's own socket or has an API token for policy::apply that does not expire"
    )]
    Keepers,
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
        let credential = request.question().principal().credential();
        let finding = self.find(state, request.question());
        let policy_set = finding.policy_set;
        if finding.allowed {
            let decision = self.keep(finding);
            return Ok(Permit { request, reference: PermitRef { decision, policy_set, credential } });
        }
        Err(self.deny(finding))
    }

    /// Whether something may be read. It leaves a verdict only if it may not.
    ///
    /// # Errors
    /// As [`Gate::judge`].
    pub fn look<R: Reading>(&self, state: &State, request: &R) -> Result<(), Denied> {
        self.forestall(state, request)
    }

    /// Refuses at once what would be refused, before anything is looked up for it. It leaves a verdict only then, and permits nothing.
    ///
    /// # Errors
    /// As [`Gate::judge`].
    pub fn forestall<R: Act>(&self, state: &State, request: &R) -> Result<(), Denied> {
        let finding = self.find(state, request.question());
        if finding.allowed { Ok(()) } else { Err(self.deny(finding)) }
    }

    /// Whether an act would be permitted. It leaves no verdict, and permits nothing.
    #[must_use]
    pub fn would_permit<R: Act>(&self, state: &State, request: &R) -> bool {
        self.find(state, request.question()).allowed
    }

    /// Whether something that is part of an answer may be read, or is to be left out of it. It leaves no verdict.
    #[must_use]
    pub fn sees<R: Reading>(&self, state: &State, request: &R) -> bool {
        self.would_permit(state, request)
    }

    /// Whether an act of this name is in the scope of the token that a principal has shown, where others judge the act itself.
    ///
    /// # Errors
    /// The refusal.
    pub fn in_scope(&self, state: &State, principal: &Principal, action: &'static str) -> Result<(), Denied> {
        match self.out_of_scope(state, principal.into(), (action, action)) {
            Some(finding) => Err(self.deny(finding)),
            None => Ok(()),
        }
    }

    /// Whether a principal may make an API token of this scope: by a token of its own none that is good for more than that one.
    ///
    /// # Errors
    /// The refusal.
    pub fn may_hand_on(&self, state: &State, principal: &Principal, scope: &Scope) -> Result<(), Denied> {
        let who = Who::from(principal);
        let Some(own) = who.credential().and_then(|id| state.api_token(id)) else { return Ok(()) };
        if own.scope.covers(scope) {
            return Ok(());
        }
        let id = ApiTokenId::of(&own.hash);
        let why = format!("API token {id} is for {} and cannot make one for {scope}", own.scope);
        Err(self.deny(self.inner.judge.out_of_scope(state.counters.policy_set, "api-token create", who, why).into()))
    }

    /// The groups that the current set has a user in, directly or through others.
    #[must_use]
    pub fn groups(&self, state: &State, user: &str) -> Vec<String> {
        let Ok(set) = self.current(state) else { return Vec::new() };
        set.members.groups("User", user).iter().map(|group| group.id().unescaped().to_owned()).collect()
    }

    /// The names of all actions that policies can name, in order.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.inner.judge.actions().map(str::to_owned).collect()
    }

    fn deny(&self, finding: Arc<Finding>) -> Denied {
        let policy_set = finding.policy_set;
        let (reason, leaderless) = (finding.reason(), finding.leaderless);
        let decision = self.keep(finding);
        tracing::debug!(%decision, %reason, "denied");
        if let (Some(told), Some(kept)) = (self.inner.denials.get(), self.kept(&decision)) {
            // Without what came nearest: to be refused must stay cheap for who is asked.
            told(kept.verdict());
        }
        Denied { decision, policy_set, reason, leaderless }
    }

    /// A user who could change the policies under `candidate`, if there is one, and whoever applies it could. Nothing is kept of this:
    /// it is no decision.
    ///
    /// # Errors
    /// What the candidate says to whoever applies it, or that nobody is left.
    pub fn keeps_open(&self, state: &State, candidate: &Candidate, request: &ApplyPolicies) -> Result<String, Lockout> {
        let next = PolicyNumber(state.counters.policy_set.0 + 1);
        let set = candidate.parsed();
        let under = |request: &ApplyPolicies| {
            let Wanted::Policies { action, principal, resource, .. } = request.question() else { return None };
            let slice = self.inner.judge.types.slice(state, set, principal, resource);
            Some(self.inner.judge.policies(next, &Ok(set.clone()), Question { action, slice, context: Vec::new() }))
        };
        if let Some(finding) = under(request).filter(|finding| !finding.allowed) {
            return Err(Lockout::Policies { reason: finding.reason() });
        }
        let keeps = |request: ApplyPolicies| under(&request).is_some_and(|finding| finding.allowed);
        keeper(state, keeps).ok_or(Lockout::Keepers)
    }

    /// A user of `state` who may apply policies by its current set, and can ask for it. Nothing is kept of this.
    ///
    /// # Errors
    /// When there is none.
    pub fn keeper(&self, state: &State) -> Result<String, Lockout> {
        let may = |request: ApplyPolicies| self.find(state, request.question()).allowed;
        keeper(state, may).ok_or(Lockout::Keepers)
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
        if let Some(refused) = self.out_of_scope(state, wanted.principal(), wanted.named()) {
            return refused;
        }
        let (action, principal, resource, context) = match wanted {
            Wanted::Administrator { what, principal } => return self.administrator(state, what, principal.bare()),
            Wanted::Policies { action, principal, resource, context } => (action, principal.bare(), resource, context),
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

    /// Why a token that was shown is not good for this, if one was and it is not. The name in scopes comes before the act's own.
    fn out_of_scope(
        &self,
        state: &State,
        principal: Who<'_>,
        (action, what): (&'static str, &'static str),
    ) -> Option<Arc<Finding>> {
        let Who::Bearer { user, token: id } = principal else { return None };
        let why = match state.api_token(*id) {
            Some(token) if token.user == user => self.unfit(id, token, action)?,
            _ => format!("API token {id} is not one of User::{user:?}, or is not any more"),
        };
        Some(self.inner.judge.out_of_scope(state.counters.policy_set, what, principal, why).into())
    }

    fn unfit(&self, id: &ApiTokenId, token: &ApiToken, action: &str) -> Option<String> {
        if token.has_expired((self.inner.clocks.wall_ms)()) {
            return Some(format!("API token {id} has expired"));
        }
        (!token.scope.allows(action)).then(|| format!("API token {id} is for {} and not for {action}", token.scope))
    }

    /// What is found on an act that needs an administrator. For the user of that name no policy is looked at: that is the way back
    /// from policies that permit nothing.
    fn administrator(&self, state: &State, what: &'static str, principal: Who<'_>) -> Arc<Finding> {
        let (judge, number) = (&self.inner.judge, state.counters.policy_set);
        if principal == Who::User(ADMIN) {
            return judge.administrator(number, what, principal, &Parsed::default()).into();
        }
        if let Some(silent) = self.silent() {
            return judge.leaderless(number, what, principal, silent).into();
        }
        let (current, empty) = (self.current(state), Parsed::default());
        judge.administrator(number, what, principal, current.as_deref().unwrap_or(&empty)).into()
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

/// A user who may apply policies, as `may` has it, and can ask for it, now and later: on a node's own socket, or by an API token that
/// does not end by itself.
fn keeper(state: &State, may: impl Fn(ApplyPolicies) -> bool) -> Option<String> {
    let others = state.users.keys().map(String::as_str).filter(|user| *user != ADMIN);
    let others = others.filter(|user| state.api_tokens_of(user).any(ApiToken::keeps));
    let may = |user: &&str| may(ApplyPolicies { principal: Principal::User((*user).to_owned()) });
    std::iter::once(ADMIN).chain(others).find(may).map(str::to_owned)
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
