//! An outcome as it is kept, sent and hashed: a code and typed values.

use super::{Lack, Limit, Outcome, Refusal};
use crate::field::{Fields, Value};
use crate::ids::{Epoch, NodeId, PolicyNumber};
use crate::names::{Code, Field};
use serde::{Deserialize, Serialize};

/// A code and its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    /// What became of the command.
    pub code: Code,
    /// What belongs to the code.
    pub values: Fields,
}

/// The refusals that are nothing but their code.
const PLAIN: [Refusal; 31] = [
    Refusal::OriginNotMember,
    Refusal::BadSignature,
    Refusal::StaleTerm,
    Refusal::PermitMissing,
    Refusal::KeyReused,
    Refusal::KeyTooOld,
    Refusal::KeyFromFuture,
    Refusal::TooManyClients,
    Refusal::ClientShare,
    Refusal::ClusterExists,
    Refusal::NameTaken,
    Refusal::NotFound,
    Refusal::TokenUnknown,
    Refusal::TokenExpired,
    Refusal::TokenUsed,
    Refusal::TokenRevoked,
    Refusal::JoinExpired,
    Refusal::StaleEpoch,
    Refusal::StillHeld,
    Refusal::NotWanted,
    Refusal::NodeUnavailable,
    Refusal::NodeLeaving,
    Refusal::NoRoom,
    Refusal::ForeignNode,
    Refusal::Fixed,
    Refusal::NoPrevious,
    Refusal::SpecHash,
    Refusal::VotersNamed,
    Refusal::VotersOther,
    Refusal::CredentialRevoked,
    Refusal::Lockout,
];

impl From<Outcome> for Coded {
    fn from(outcome: Outcome) -> Self {
        let code = outcome.code();
        let values = match outcome {
            Outcome::Done => Fields::new(),
            Outcome::Created { id } => Fields::new().with(Field::AGENT, id),
            Outcome::Placed { epoch } => Fields::new().with(Field::EPOCH, epoch.0),
            Outcome::PoliciesApplied { number } => Fields::new().with(Field::POLICY_SET, number.0),
            Outcome::Anchored { answers } => Fields::new().with(Field::ANSWERS, Value::Codes(answers)),
            Outcome::Refused(refusal) => refusal.values(),
            Outcome::Unknown(coded) => return coded,
        };
        Self { code, values }
    }
}

impl From<Coded> for Outcome {
    fn from(coded: Coded) -> Self {
        if coded.code == Code::DONE {
            return done(&coded.values).unwrap_or(Self::Unknown(coded));
        }
        match Refusal::of(&coded) {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Unknown(coded),
        }
    }
}

/// What was done, by the one value that says more than that.
fn done(values: &Fields) -> Option<Outcome> {
    let mut all = values.iter();
    let only = all.next().filter(|_| all.next().is_none());
    match only {
        None => (values == &Fields::new()).then_some(Outcome::Done),
        Some((Field::AGENT, Value::Agent(id))) => Some(Outcome::Created { id: *id }),
        Some((Field::EPOCH, Value::Number(epoch))) => Some(Outcome::Placed { epoch: Epoch(*epoch) }),
        Some((Field::POLICY_SET, Value::Number(number))) => {
            Some(Outcome::PoliciesApplied { number: PolicyNumber(*number) })
        }
        Some((Field::ANSWERS, Value::Codes(answers))) => Some(Outcome::Anchored { answers: answers.clone() }),
        Some(_) => None,
    }
}

impl Refusal {
    /// The values that belong to its code.
    fn values(&self) -> Fields {
        match self {
            Self::PolicyMoved { current } => Fields::new().with(Field::CURRENT, current.0),
            Self::Limit { limit, max } => Fields::new().with(Field::LIMIT, *limit).with(Field::MAX, *max),
            Self::InvariantBroken { invariant } => Fields::new().with(Field::INVARIANT, invariant.as_str()),
            Self::Unsuitable { lacks: Lack::Tier(tier) } => Fields::new().with(Field::TIER, tier.as_str()),
            Self::Unsuitable { lacks: Lack::Label(label) } => Fields::new().with(Field::LACKS, label.as_str()),
            Self::VersionMoved { current } => Fields::new().with(Field::CURRENT, *current),
            Self::GateClosed { gate } => Fields::new().with(Field::GATE, *gate),
            Self::GateUnspoken { node, speaks } => Fields::new().with(Field::NODE, *node).with(Field::SPEAKS, *speaks),
            _ => Fields::new(),
        }
    }

    /// The refusal that this is; none if this program does not know it, or not with these values.
    fn of(coded: &Coded) -> Option<Self> {
        let values = &coded.values;
        let small = |field| values.number(field).and_then(|number| u32::try_from(number).ok());
        let refusal = match coded.code {
            Code::POLICY_MOVED => Self::PolicyMoved { current: PolicyNumber(values.number(Field::CURRENT)?) },
            Code::LIMIT => {
                Self::Limit { limit: Limit::named(values.text(Field::LIMIT)?)?, max: values.number(Field::MAX)? }
            }
            Code::INVARIANT_BROKEN => Self::InvariantBroken { invariant: values.text(Field::INVARIANT)?.to_owned() },
            Code::UNSUITABLE => Self::Unsuitable { lacks: lack(values)? },
            Code::VERSION_MOVED => Self::VersionMoved { current: values.number(Field::CURRENT)? },
            Code::GATE_CLOSED => Self::GateClosed { gate: small(Field::GATE)? },
            Code::GATE_UNSPOKEN => Self::GateUnspoken { node: node(values)?, speaks: small(Field::SPEAKS)? },
            Code::NODE_IN_USE => Self::NodeInUse,
            code => PLAIN.iter().find(|refusal| refusal.code() == code)?.clone(),
        };
        // Values that a later version added to a code are kept, by not taking it for the refusal that this program knows.
        (refusal.values() == *values).then_some(refusal)
    }
}

fn lack(values: &Fields) -> Option<Lack> {
    let tier = values.text(Field::TIER).map(|tier| Lack::Tier(tier.to_owned()));
    tier.or_else(|| values.text(Field::LACKS).map(|label| Lack::Label(label.to_owned())))
}

fn node(values: &Fields) -> Option<NodeId> {
    values.get(Field::NODE).and_then(Value::node)
}
