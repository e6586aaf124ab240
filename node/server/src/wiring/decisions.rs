//! Decisions, wherever they were made: found by the beginning of their ids, and accounted for by the node that judged.
//!
//! A node has its last verdicts whole, and in its ledger those that denied something. Of an older one that allowed a message
//! the ledger has what was allowed; the policies that did are worked out again, and the account says so.

use super::call;
use super::remote::Remote;
use futures::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use symbi_api::ports::Decided;
use symbi_host::ledger::{Allowed, DECISIONS, Ledger};
use symbi_model::entry::{AHEAD_MS, BEHIND_MS};
use symbi_model::ledger::Kind;
use symbi_model::node::Membership;
use symbi_model::{DecisionId, NodeId, PolicyNumber, State};
use symbi_policy::{Account, AgentRef, Ask, Gate, LEADERLESS_AFTER, Principal, Receive, Tell, Verdict};
use symbi_proto::wire::{ControlReply, ControlRequest};

/// How long a node has to look for a decision.
const PATIENCE: Duration = Duration::from_secs(3);

/// The decisions from `low` to `high`, asked of every member whose ids may lie there.
pub async fn find(remote: &Remote, gate: &Gate, ledger: &Ledger, low: DecisionId, high: DecisionId) -> Decided {
    let state = remote.raft.state().borrow().clone();
    let is_asked = |node: &NodeId| low.node[..] <= node.0[..4] && node.0[..4] <= high.node[..];
    let members = state.nodes.iter().filter(|(id, node)| node.membership == Membership::Member && is_asked(id));
    let asked = members.map(|(node, record)| async move {
        let reply = if *node == remote.node {
            tell(gate, ledger, low, high).await
        } else {
            let request = ControlRequest::Decisions { low, high };
            call::control(&remote.net, *node, &request, PATIENCE).await.unwrap_or(ControlReply::Unknown)
        };
        (record.name.clone(), reply)
    });
    let mut decided = Decided::default();
    for (name, reply) in join_all(asked).await {
        match reply {
            ControlReply::Decisions { ids, more } => {
                decided.ids.extend(ids);
                decided.more |= more;
            }
            _ => decided.unreachable.push(name),
        }
    }
    decided
}

/// The answer to another node that looks for decisions.
pub async fn tell(gate: &Gate, ledger: &Ledger, low: DecisionId, high: DecisionId) -> ControlReply {
    match ledger.decisions(low, high).await {
        Ok((recorded, more)) => {
            let kept = gate.decisions(&low, &high, DECISIONS + 1);
            let ids: BTreeSet<DecisionId> = recorded.into_keys().chain(kept).collect();
            let more = more || ids.len() > DECISIONS;
            ControlReply::Decisions { ids: ids.into_iter().take(DECISIONS).collect(), more }
        }
        Err(error) => ControlReply::Failed { reason: error.to_string() },
    }
}

/// What this node knows of a decision of its own; none if it knows nothing of it, or not any more.
///
/// # Errors
/// Why its ledger cannot tell, for people.
pub async fn account(state: &State, gate: &Gate, ledger: &Ledger, id: DecisionId) -> Result<Option<Account>, String> {
    if let Some(verdict) = gate.verdict(&id) {
        return Ok(Some(Account::given(verdict)));
    }
    if let Some(denied) = ledger.verdict(id).await.map_err(|error| error.to_string())? {
        let denied = Verdict::decode(&denied).map_err(|error| format!("the verdict in its ledger: {error}"))?;
        return Ok(Some(Account::given(denied)));
    }
    let allowed = ledger.allowed(id).await.map_err(|error| error.to_string())?;
    Ok(allowed.and_then(|allowed| worked_out(state, gate, id, &allowed)))
}

/// The answer to another node that asks for an account.
pub async fn tell_account(state: &State, gate: &Gate, ledger: &Ledger, id: DecisionId) -> ControlReply {
    match account(state, gate, ledger, id).await {
        Ok(account) => ControlReply::Decision(account.map(|account| account.encode())),
        Err(reason) => ControlReply::Failed { reason },
    }
}

/// The account that another node's answer has.
///
/// # Errors
/// As for [`account`], or that the node did not answer.
pub fn told<E>(reply: Result<ControlReply, E>) -> Result<Option<Account>, String> {
    match reply {
        Ok(ControlReply::Decision(None)) => Ok(None),
        Ok(ControlReply::Decision(Some(bytes))) => {
            Account::decode(&bytes).map(Some).map_err(|error| format!("its answer: {error}"))
        }
        Ok(ControlReply::Failed { reason }) => Err(reason),
        _ => Err("it does not answer".to_owned()),
    }
}

/// The account of a verdict of which the ledger has only that it allowed a message.
fn worked_out(state: &State, gate: &Gate, id: DecisionId, allowed: &Allowed) -> Option<Account> {
    let seen = &allowed.seen;
    let sets = allowed.policy_set.map_or_else(|| in_force(state, id.time_ms()), |number| vec![number]);
    let verdicts: Vec<Verdict> = sets.iter().filter_map(|number| again(state, gate, id, allowed, *number)).collect();
    let permits = verdicts.iter().find(|verdict| verdict.allowed).cloned();
    let holds = permits.is_some();
    let mut verdict = permits.or_else(|| verdicts.first().cloned())?;
    let (line, kind) = (seen.line, seen.kind.map_or("message", Kind::name));
    let by: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let by = match (allowed.policy_set, by.as_slice()) {
        (Some(number), _) => format!("policy set {number}"),
        (None, [only]) => format!("policy set {only}, which was in force then"),
        (None, several) => format!("the policy sets {}, one of which was in force then", several.join(" and ")),
    };
    let records = "what the cluster knows of both ends now";
    let recorded = format!("line {line} of its node's ledger says that {kind} {} was allowed", seen.message);
    let found = if holds {
        format!("by which policies is worked out again, from {by}, and {records}")
    } else {
        // What the ledger says holds; it is the records of the two that are others by now.
        verdict.reason = format!("{recorded}; which policies allowed it cannot be worked out any more");
        (verdict.allowed, verdict.determining, verdict.errors) = (true, Vec::new(), Vec::new());
        format!("by which policies cannot be worked out again from {by}, and {records}: it has changed")
    };
    Some(Account { verdict, worked_out: Some(format!("{recorded}; {found}")) })
}

/// What a policy set says to it now.
fn again(state: &State, gate: &Gate, id: DecisionId, allowed: &Allowed, number: PolicyNumber) -> Option<Verdict> {
    let seen = &allowed.seen;
    let agent = |name: &str| AgentRef { name: name.to_owned(), owner: String::new() };
    let of_user = seen.on_behalf.as_ref().filter(|behalf| behalf.judged == id);
    let from = match of_user.map_or(seen.user.as_str(), |behalf| behalf.user.as_str()) {
        "" => Principal::Agent(agent(&seen.sender)),
        user => Principal::User(user.to_owned()),
    };
    let to = agent(&seen.receiver);
    match (seen.sent_by == Some(id) || of_user.is_some(), seen.kind) {
        (false, _) => gate.work_out(state, number, id, &Receive { from, to }),
        (true, Some(Kind::Tell)) => gate.work_out(state, number, id, &Tell { from, to }),
        (true, _) => gate.work_out(state, number, id, &Ask { from, to }),
    }
}

/// The policy sets by which a node may have judged at a time of its clock, the latest first: it permits nothing once it has not
/// heard of a leader for a while, clocks differ, and a change may be older than its coming into force.
fn in_force(state: &State, time_ms: u64) -> Vec<PolicyNumber> {
    let limit_ms = u64::try_from(LEADERLESS_AFTER.as_millis()).expect("a few seconds");
    let (from, to) = (time_ms.saturating_sub(limit_ms + AHEAD_MS + BEHIND_MS), time_ms.saturating_add(AHEAD_MS));
    let mut sets = Vec::new();
    for set in state.policy_sets.values().rev().filter(|set| set.created_ms <= to) {
        sets.push(set.number);
        if set.created_ms <= from {
            break;
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::{account, in_force, tell_account, told};
    use ed25519_dalek::SigningKey;
    use std::sync::Arc;
    use std::time::Duration;
    use symbi_host::ledger;
    use symbi_model::policy::PolicySet;
    use symbi_model::{DecisionId, Hash, NodeId, PolicyNumber, State};
    use symbi_policy::{Clocks, Gate, Options};
    use symbi_proto::wire::ControlReply;
    use symbi_store::memory::{Disk, Memory};
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn a_set_that_may_have_been_in_force_is_among_them_and_no_other() {
        let mut state = State::default();
        for (number, created_ms) in [(1, 1_000_000), (2, 2_000_000), (3, 2_050_000), (4, 3_000_000)] {
            let number = PolicyNumber(number);
            let (text, entities, actor) = (String::new(), "[]".to_owned(), "user:admin".to_owned());
            let set = PolicySet { number, text, entities, hash: Hash::default(), actor, created_at: 1, created_ms };
            state.policy_sets.insert(number, set);
        }
        let at = |time_ms| in_force(&state, time_ms).into_iter().map(|number| number.0).collect::<Vec<_>>();
        assert_eq!(at(1_500_000), [1]);
        assert_eq!(at(1_998_000), [2, 1], "the other's clock may be ahead");
        assert_eq!(at(2_060_000), [3, 2, 1], "both may have come into force later than they say");
        assert_eq!(at(2_151_999), [3, 2]);
        assert_eq!(at(2_152_000), [3]);
        assert_eq!(at(9_000_000), [4]);
        assert_eq!(at(0), [0; 0]);
    }
    /// A ledger whose writer has ended.
    fn closed() -> ledger::Ledger {
        let ports = ledger::Ports {
            key: Arc::new(SigningKey::from_bytes(&[1; 32])),
            boot: 1,
            engine: Arc::new(Memory::open(Disk::new()).unwrap()),
            state: watch::channel(State::default()).1,
            wall_ms: Arc::new(|| 0),
            observer: Arc::new(|_| {}),
        };
        ledger::new(ports, CancellationToken::new()).0
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_read_is_not_one_that_knows_nothing() {
        let (node, state) = (NodeId([1; 32]), State::default());
        let clocks = Clocks { wall_ms: Arc::new(|| 0), boottime: Arc::new(|| Duration::ZERO) };
        let gate = Gate::new(Options::new(node), clocks);
        let id: DecisionId = "01010101-0198a6b2-7c1e-7d3f-8a51-5f0f8a3b6c11".parse().unwrap();
        let here = account(&state, &gate, &closed(), id).await;
        assert_eq!(here, Err(ledger::Error::Stopped.to_string()));
        let reply = tell_account(&state, &gate, &closed(), id).await;
        assert_eq!(reply, ControlReply::Failed { reason: ledger::Error::Stopped.to_string() });
        assert_eq!(told::<()>(Ok(reply)), here, "whoever asks learns why");
        assert_eq!(told::<()>(Ok(ControlReply::Decision(None))), Ok(None));
        assert!(told::<()>(Ok(ControlReply::Decision(Some(vec![0])))).is_err());
        assert!(told(Err(())).is_err());
    }
}
