//! Who sends: an agent that runs here, or the node's gateway on behalf of a user from outside.

use super::credentials::Identity;
use super::envelope::SendPermit;
use super::origin::Origin;
use super::send_queues::SendQueues;
use crate::ending::{Ending, not_delivered};
use crate::grants::DEAF_AFTER;
use crate::host::Host;
use crate::instance::Instance;
use crate::observer::Effect;
use std::sync::Arc;
use symbi_model::{Epoch, State};
use symbi_policy::{AgentRef, Principal};
use symbi_proto::session::Kind;

/// Who sends.
#[derive(Clone)]
pub(crate) enum Sender {
    /// The gateway, as a user.
    Gateway {
        /// The user.
        user: String,
    },
    /// An agent.
    Agent(Arc<Instance>),
}

impl Sender {
    /// For whom the policy judges.
    pub(crate) fn principal(&self) -> Principal {
        match self {
            Self::Gateway { user } => Principal::User(user.clone()),
            Self::Agent(instance) => {
                let spec = &instance.assignment.spec;
                Principal::Agent(AgentRef { name: spec.name.to_string(), owner: spec.owner.clone() })
            }
        }
    }

    /// Whether it may send at all, before anything else is done; the state by which that was seen.
    pub(crate) fn check(&self, host: &Host, kind: Kind) -> Result<State, Ending> {
        match self {
            Self::Agent(instance) => {
                host.check(instance, effect(kind)).map_err(|refused| not_delivered(format!("the sender is {refused}")))
            }
            // The gateway holds no epoch that could be overtaken. But policies may have changed unheard.
            Self::Gateway { .. } if host.guard.heard_within(DEAF_AFTER) => Ok(host.state()),
            Self::Gateway { .. } => {
                let limit = DEAF_AFTER.as_secs();
                Err(not_delivered(format!("this node has heard no leader for {limit} s, so it permits nothing")))
            }
        }
    }

    /// The effect itself: tested in the moment of sending, and the permit is used up by it.
    #[expect(clippy::needless_pass_by_value, reason = "the permit is used up")]
    pub(crate) fn test(&self, host: &Host, kind: Kind, permit: SendPermit) -> Result<State, Ending> {
        debug_assert!(matches!(permit, SendPermit::Tell(_)) == (kind == Kind::Tell), "permitted was what is sent");
        tracing::trace!(decision = %permit.reference().decision, ?kind, "a message leaves");
        match self {
            Self::Agent(instance) => {
                host.test(instance, effect(kind)).map_err(|refused| not_delivered(format!("the sender is {refused}")))
            }
            Self::Gateway { .. } => self.check(host, kind),
        }
    }

    /// As whom it is received.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Agent(instance) => Origin::Agent {
                name: instance.assignment.name().clone(),
                epoch: instance.assignment.epoch,
                incarnation: instance.incarnation,
            },
            Self::Gateway { user } => Origin::Gateway { user: user.clone() },
        }
    }

    /// As whom its sessions are set up; none before the node is a member.
    pub(crate) fn identity<'a>(&'a self, host: &'a Host, state: &State) -> Option<Identity<'a>> {
        match self {
            Self::Agent(instance) => Some(Identity::agent(instance)),
            Self::Gateway { .. } => Identity::gateway(host, state),
        }
    }

    /// Its name and epoch, as its credentials have them; no epoch before the node is a member.
    pub(crate) fn named(&self, host: &Host) -> (String, Epoch) {
        match self {
            Self::Agent(instance) => (instance.assignment.name().to_string(), instance.assignment.epoch),
            Self::Gateway { .. } => {
                let state = host.state();
                let identity = Identity::gateway(host, &state);
                identity.map(|identity| (identity.subject.to_string(), identity.epoch)).unwrap_or_default()
            }
        }
    }

    /// For whom a gateway speaks; empty for an agent.
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Agent(_) => "",
            Self::Gateway { user } => user,
        }
    }

    /// The same sender, speaking for `user` if it is a gateway.
    pub(crate) fn speaking_for(&self, user: &str) -> Self {
        match self {
            Self::Agent(instance) => Self::Agent(Arc::clone(instance)),
            Self::Gateway { .. } => Self::Gateway { user: user.to_owned() },
        }
    }

    /// What waits to leave of it.
    pub(crate) fn send_queues<'a>(&'a self, host: &'a Host) -> &'a SendQueues {
        match self {
            Self::Agent(instance) => &instance.send_queues,
            Self::Gateway { .. } => &host.gateway.send_queues,
        }
    }
}

fn effect(kind: Kind) -> Effect {
    match kind {
        Kind::Ask => Effect::Ask,
        Kind::Tell => Effect::Tell,
        Kind::Answer => Effect::Answer,
    }
}
