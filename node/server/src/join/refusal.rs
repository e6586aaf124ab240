//! What the failures of a join mean to the operator: what happened, why, the way on, and what was undone.

use super::Ended;
use crate::failure::Failure;
use symbi_proto::join::SKEW_MS;
use symbi_proto::wire::JoinReply;
use symbi_proto::wire::join::{Refused, RefusedCode};

/// The texts of the token's failures.
#[must_use]
pub fn token_failure(what: impl Into<String>) -> Failure {
    Failure::new(24, "JOIN_TOKEN", what)
        .fix("on a member, make another: symbi-node token create --print-join-command")
        .undo("nothing was recorded")
}

/// The join was cleared: this node's key is a tombstone's.
pub(crate) fn expired(why: impl Into<String>) -> Ended {
    Ended::Expired(
        token_failure("this join was cleared because it did not finish in time")
            .why(why)
            .fix("run the same command again: it joins as a new node")
            .undo("this node's key and database were dropped; its name is free again"),
    )
}

/// The time is over, and whether the cluster has enrolled the node is not known.
pub(super) fn unfinished(why: impl Into<String>) -> Failure {
    Failure::new(28, "JOIN_CATCH_UP", "the join did not finish in time")
        .why(why)
        .fix("run the same command again: it continues where it stopped")
        .undo("join.pending was kept; the leader clears a join that gets no further for 120 s")
}

pub(super) fn unresolved(address: &str, why: impl Into<String>) -> Failure {
    Failure::new(20, "JOIN_RESOLVE", format!("cannot resolve {address:?}"))
        .why(why)
        .fix("give --join a member's HOST:PORT, as its 'start' printed it")
        .undo("nothing was recorded")
}

pub(super) fn clock(skew_ms: i64) -> Failure {
    let direction = if skew_ms > 0 { "behind" } else { "ahead of" };
    Failure::new(
        25,
        "JOIN_CLOCK",
        format!("this machine's clock is {} ms {direction} the member's", skew_ms.unsigned_abs()),
    )
    .why(format!("at most {SKEW_MS} ms are allowed, so that times in the audit can be compared"))
    .fix("set the clock, for example: systemctl restart systemd-timesyncd")
    .undo("nothing was recorded")
}

/// The member and this node speak no version of the join protocol in common.
pub(super) fn version(why: impl Into<String>) -> Failure {
    Failure::new(26, "JOIN_VERSION", "this node and the member speak no common version of the join protocol")
        .why(why)
        .fix("run a version of symbi-node that the members can work with, best the one that they run")
        .undo("nothing was recorded")
}

/// What a member's refusal means for a node that wanted to be called `name`.
pub(super) fn refused(reply: JoinReply, name: &str) -> Ended {
    let JoinReply::Refused(Refused { code, detail }) = reply else {
        let what = "the node gave an unexpected answer";
        return Ended::Failed(
            Failure::new(22, "JOIN_CLUSTER_MISMATCH", what)
                .fix("give --join the address of a member that runs the same version"),
        );
    };
    match code {
        RefusedCode::JoinExpired => expired(detail),
        RefusedCode::NameTaken => Ended::Refused(
            Failure::new(27, "JOIN_NAME", format!("the name {name:?} is taken"))
                .why(detail)
                .fix("choose another with --name")
                .undo("the token was not used up"),
        ),
        RefusedCode::Denied => Ended::Refused(
            Failure::new(4, "DENIED", "the policies do not admit this node")
                .why(detail)
                .fix("on a member: symbi-node policy show, and apply one that admits it"),
        ),
        RefusedCode::TokenUnknown => of_token("the cluster does not know this token", detail),
        RefusedCode::TokenExpired => of_token("the token has expired", detail),
        RefusedCode::TokenUsed => of_token("the token has no uses left", detail),
        RefusedCode::TokenRevoked => of_token("the token was revoked", detail),
        RefusedCode::Unfit | RefusedCode::Malformed => Ended::Refused(
            Failure::new(1, "JOIN_UNFIT", "the cluster does not accept this node's details")
                .why(detail)
                .fix("correct --name, --advertise-addr or the labels, and join again"),
        ),
        RefusedCode::Clock => {
            let what = "the member's clock and this one's differ by too much";
            Ended::Failed(
                Failure::new(25, "JOIN_CLOCK", what).why(detail).fix("synchronise both clocks, for example with NTP"),
            )
        }
        RefusedCode::Version => Ended::Failed(version(detail)),
        RefusedCode::DialBack => Ended::Refused(
            Failure::new(23, "JOIN_ADVERTISE_UNREACHABLE", "the member's dial back to this node failed")
                .why(detail)
                .fix("open that port to the members, or give an address that they reach with --advertise-addr")
                .undo("nothing was recorded, and the token's use was not spent"),
        ),
        RefusedCode::ClusterFull => Ended::Refused(
            Failure::new(7, "CLUSTER_FULL", "the cluster has as many members as it may")
                .why(detail)
                .fix("on a member, remove a node that is not needed: symbi-node node remove NAME")
                .undo("nothing was recorded, and the token's use was not spent"),
        ),
        RefusedCode::ForeignCluster | RefusedCode::ProofWrong => Ended::Failed(
            Failure::new(22, "JOIN_CLUSTER_MISMATCH", "the token is not this cluster's")
                .why(detail)
                .fix("copy the token again: symbi-node token create --print-join-command"),
        ),
        RefusedCode::Unavailable | RefusedCode::Busy | RefusedCode::Unknown | RefusedCode::HelloFirst => {
            Ended::Failed(unavailable(detail))
        }
    }
}

/// No member can admit a node now.
pub(super) fn unavailable(why: String) -> Failure {
    Failure::new(5, "NO_LEADER", "the cluster cannot admit a node now")
        .why(why)
        .fix("see 'symbi-node cluster status' on a member")
}

fn of_token(what: &str, detail: String) -> Ended {
    Ended::Refused(token_failure(what).why(detail))
}
