//! One request to another node, and its answer: on the control lane, or on the lane of asks, whose answers take as long as agents
//! take.

use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_net::{CallError, Lane};
use symbi_proto::wire::{ControlReply, ControlRequest};

/// Sends `request` to `to` on its lane and awaits the answer.
///
/// # Errors
/// Why there is none; an answer that cannot be read counts as a closed connection.
pub async fn control(
    net: &symbi_net::Handle,
    to: NodeId,
    request: &ControlRequest,
    patience: Duration,
) -> Result<ControlReply, CallError> {
    let lane = lane(request);
    let body = net.call(to, (lane, GroupId(0)), request.encode().into(), patience).await?;
    ControlReply::decode(&body).map_err(|error| {
        tracing::warn!(node = %to.short(), ?lane, %error, "an answer cannot be read");
        CallError::Closed
    })
}

/// The lane of a request: nothing that a node needs to go on is behind what waits for an agent.
#[must_use]
pub fn lane(request: &ControlRequest) -> Lane {
    match request {
        ControlRequest::AskFrom { .. } => Lane::Ask,
        _ => Lane::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlRequest, Lane, lane};
    use symbi_model::policy::PermitRef;
    use symbi_model::{DecisionId, GroupId, PolicyNumber};
    use symbi_proto::session::Kind;

    #[test]
    fn what_waits_for_an_agent_has_a_lane_of_its_own() {
        let decision = DecisionId { node: [0; 4], id: uuid::Uuid::nil() };
        let ask = ControlRequest::AskFrom {
            from: "a".parse().unwrap(),
            to: "b".parse().unwrap(),
            kind: Kind::Ask,
            payload: Vec::new(),
            timeout_ms: 1,
            user: "admin".to_owned(),
            permit: PermitRef { decision, policy_set: PolicyNumber(1), credential: None },
        };
        assert_eq!(lane(&ask), Lane::Ask);
        assert_eq!(lane(&ControlRequest::Forward { group: GroupId(0), batch: Vec::new() }), Lane::Control);
        assert_eq!(lane(&ControlRequest::Grant { boot: 1, anchor: None }), Lane::Control);
    }
}
