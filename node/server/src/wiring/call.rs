//! One control request to another node, and its answer.

use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_net::{CallError, Lane};
use symbi_proto::wire::{ControlReply, ControlRequest};

/// Sends `request` to `to` on the control lane and awaits the answer.
///
/// # Errors
/// Why there is none; an answer that cannot be read counts as a closed connection.
pub async fn control(
    net: &symbi_net::Handle,
    to: NodeId,
    request: &ControlRequest,
    patience: Duration,
) -> Result<ControlReply, CallError> {
    let body = net.call(to, (Lane::Control, GroupId(0)), request.encode().into(), patience).await?;
    ControlReply::decode(&body).map_err(|error| {
        tracing::warn!(node = %to.short(), %error, "an answer on the control lane cannot be read");
        CallError::Closed
    })
}
