//! Whether a message may leave, and where to: what is asked before it does, and again when it has come back.

use super::envelope::{Cleared, Envelope, PAYLOAD_BYTES, Route, SendPermit};
use super::sender::Sender;
use crate::ending::{Ending, not_delivered};
use crate::host::Host;
use serde::de::IgnoredAny;
use symbi_model::agent::{AgentName, Desired, Hold};
use symbi_model::ledger::entry::VERDICT_BYTES;
use symbi_model::ledger::{self, Entry, OnBehalf};
use symbi_model::{MessageId, State};
use symbi_policy::{Administer, AgentRef, Ask, Principal, SPEAK_AS_AGENT, Tell, Verdict};
use symbi_proto::session::Kind;
use symbi_proto::wire::message::USER_BYTES;

/// Why nothing more is sent or taken in.
pub(super) const NO_ROOM: &str = "this node's ledger does not keep up";

/// Everything that is asked before a message leaves.
pub(super) fn clear(host: &Host, sender: &Sender, envelope: &Envelope) -> Result<Cleared, Ending> {
    check_payload(&envelope.payload)?;
    if sender.user().len() > USER_BYTES || envelope.behalf.as_ref().is_some_and(|behalf| behalf.user.len() > USER_BYTES)
    {
        return Err(not_delivered("the user's name is too long"));
    }
    if !host.ledger.has_room() {
        return Err(not_delivered(NO_ROOM));
    }
    let state = sender.check(host, envelope.kind)?;
    let Some(agent) = state.agents.get(&envelope.to) else {
        return Err(not_delivered(format!("there is no agent {}", envelope.to)));
    };
    let receiver = AgentRef { name: envelope.to.to_string(), owner: agent.spec.owner.clone() };
    let on_behalf = on_behalf(host, &state, envelope, &receiver)?;
    let permit = permit(host, &state, sender.principal(), envelope, receiver)?;
    Ok(Cleared { permit, on_behalf, route: route_to(&state, &envelope.to)? })
}

/// Judges a message for the user whose words it has, if it has a user's: whoever may have an agent speak may do so only to whom the
/// user could speak as well. Who the user is the agent's node has from one member, and says so in what it records.
fn on_behalf(host: &Host, state: &State, envelope: &Envelope, to: &AgentRef) -> Result<Option<Box<OnBehalf>>, Ending> {
    let Some(behalf) = &envelope.behalf else { return Ok(None) };
    if !behalf.permit.decision.is_of(&behalf.member) {
        return Err(not_delivered("the permit on which it is asked for is of another node than the one that asks"));
    }
    let principal = Principal::User(behalf.user.clone());
    let administer = Administer { principal: principal.clone(), what: SPEAK_AS_AGENT };
    let may_speak = host.ports.gate.judge(state, administer);
    // What is no message's verdict the ledger keeps by itself.
    let _permit = may_speak.map_err(|refusal| Ending::Denied { decision: refusal.decision, reason: refusal.reason })?;
    let judged = permit(host, state, principal, envelope, to.clone())?.reference().decision;
    let (user, member, permit) = (behalf.user.clone(), behalf.member, behalf.permit.decision);
    Ok(Some(Box::new(OnBehalf { user, member, permit, judged })))
}

fn check_payload(payload: &[u8]) -> Result<(), Ending> {
    if payload.len() > PAYLOAD_BYTES {
        let length = payload.len();
        return Err(not_delivered(format!("its payload has {length} bytes; at most {PAYLOAD_BYTES} are allowed")));
    }
    match serde_json::from_slice::<IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(not_delivered(format!("its payload is not JSON: {error}"))),
    }
}

fn permit(
    host: &Host,
    state: &State,
    from: Principal,
    envelope: &Envelope,
    to: AgentRef,
) -> Result<SendPermit, Ending> {
    let judged = match envelope.kind {
        Kind::Tell => host.ports.gate.judge(state, Tell { from, to }).map(SendPermit::Tell),
        Kind::Ask | Kind::Answer => host.ports.gate.judge(state, Ask { from, to }).map(SendPermit::Ask),
    };
    judged.map_err(|refusal| denied(host, envelope.message, refusal))
}

/// What becomes of a message that a policy does not allow; the ledger keeps the verdict.
pub(super) fn denied(host: &Host, message: MessageId, refusal: symbi_policy::Denied) -> Ending {
    let symbi_policy::Denied { decision, reason, .. } = refusal;
    if let Some(verdict) = host.ports.gate.verdict_in_short(&decision) {
        let denied = ledger::Denied { decision, message: Some(message), verdict: recorded(verdict) };
        host.ledger.record(Entry::Denied(denied));
    }
    Ending::Denied { decision, reason }
}

/// A verdict as the ledger takes it. The policies that determined it may be too long for that: their names say which they were,
/// and the set has their texts.
fn recorded(mut verdict: Verdict) -> Vec<u8> {
    let whole = verdict.encode();
    if whole.len() <= VERDICT_BYTES {
        return whole;
    }
    verdict.determining.iter_mut().for_each(|line| line.text.clear());
    verdict.encode()
}

/// Where a message to an agent goes.
pub(super) fn route_to(state: &State, to: &AgentName) -> Result<Route, Ending> {
    let agent = state.agents.get(to);
    match agent.and_then(|agent| agent.placement) {
        Some(placement) if placement.hold == Hold::Held => Ok(Route { node: placement.node, epoch: placement.epoch }),
        Some(placement) if placement.hold == Hold::Lost => {
            Err(not_delivered(format!("the node of {to} was lost and it is not placed again yet")))
        }
        _ => {
            let status = agent.and_then(|agent| agent.status.as_ref());
            let said = status.map(|status| format!(": it is {}", status.state)).unwrap_or_default();
            Err(not_delivered(format!("{to} is not placed on any node{said}")))
        }
    }
}

/// Whether an agent that is nowhere is about to be placed, as far as the cluster knows.
pub(super) fn is_expected(state: &State, to: &AgentName) -> bool {
    state
        .agents
        .get(to)
        .is_some_and(|agent| agent.desired == Desired::Running && !agent.is_held() && !agent.has_ended())
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbi_model::{DecisionId, PolicyNumber};
    use symbi_policy::PolicyLine;

    #[test]
    fn of_a_verdict_that_is_too_long_for_the_ledger_the_texts_of_its_policies_are_left_out() {
        let verdict = |text: &str| Verdict {
            id: DecisionId { node: [0; 4], id: uuid::Uuid::nil() },
            at_ms: 1,
            action: "message::tell".to_owned(),
            principal: "Agent::\"a\"".to_owned(),
            resource: "Agent::\"b\"".to_owned(),
            context: Default::default(),
            allowed: false,
            policy_set: PolicyNumber(1),
            determining: vec![PolicyLine { id: "no".to_owned(), text: text.to_owned() }],
            nearest: Vec::new(),
            errors: Vec::new(),
            reason: "no forbids it".to_owned(),
        };
        let short = verdict("forbid (principal, action, resource);");
        assert_eq!(Verdict::decode(&recorded(short.clone())), Ok(short));
        let kept = recorded(verdict(&"x".repeat(VERDICT_BYTES)));
        assert!(kept.len() < 1_000);
        assert_eq!(Verdict::decode(&kept), Ok(verdict("")));
    }
}
