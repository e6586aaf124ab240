//! One decision, with all that is needed to explain it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::{DecisionId, PolicyNumber, codec};

/// The largest encoded verdict that is accepted from another node or a ledger.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// A policy that determined a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLine {
    /// Its `@id`, or its number in the set where it has none.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// A policy that would have permitted what was denied, had all of its clauses held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// Its `@id`, or its number in the set where it has none.
    pub policy: String,
    /// Its scope and its conditions, in their order.
    pub clauses: Vec<ClauseLine>,
}

/// One clause of a policy: an end of its scope, or a part of a condition without which the whole does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseLine {
    /// In Cedar.
    pub text: String,
    /// Whether it holds.
    pub holds: Holds,
    /// What it looked at, with the values there.
    pub values: Vec<(String, String)>,
}

/// Whether a clause holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be evaluated, and why.
    Error(String),
}

impl Nearest {
    /// How many of its clauses hold.
    #[must_use]
    pub fn held(&self) -> usize {
        self.clauses.iter().filter(|clause| clause.holds == Holds::Yes).count()
    }
}

impl std::fmt::Display for Holds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Yes => "true",
            Self::No => "false",
            Self::Error(_) => "error",
        })
    }
}

/// What a gate decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its id.
    pub id: DecisionId,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// What was asked for.
    pub action: String,
    /// By whom, as policies name it.
    pub principal: String,
    /// To what, as policies name it.
    pub resource: String,
    /// The values that policies could look at, such as `principal.owner`.
    pub context: BTreeMap<String, String>,
    /// Whether it was permitted.
    pub allowed: bool,
    /// The set that was judged by; 0 when there was none.
    pub policy_set: PolicyNumber,
    /// The policies that determined it, by name; none when nothing permitted it.
    pub determining: Vec<PolicyLine>,
    /// For a denial, the policies that came nearest to permitting it, the nearest first.
    pub nearest: Vec<Nearest>,
    /// What went wrong while judging; whatever goes wrong is a refusal.
    pub errors: Vec<String>,
    /// The verdict in a sentence.
    pub reason: String,
}

/// A verdict as its node tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The verdict.
    pub verdict: Verdict,
    /// Of what it was worked out again, in a sentence; none for one that is told as it was given.
    pub worked_out: Option<String>,
}

impl Account {
    /// Of a verdict that is told as it was given.
    #[must_use]
    pub fn given(verdict: Verdict) -> Self {
        Self { verdict, worked_out: None }
    }

    /// As bytes, to answer another node.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// From another node's bytes.
    ///
    /// # Errors
    /// What keeps the bytes from being one.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::Error> {
        codec::decode(bytes, MAX_BYTES)
    }
}

impl ClauseLine {
    /// It, whether it holds, and the values.
    #[must_use]
    pub fn in_words(&self) -> String {
        let values = self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>();
        let why = match &self.holds {
            Holds::Error(error) => format!("{error}; "),
            Holds::Yes | Holds::No => String::new(),
        };
        let seen = format!("{why}{}", values.join(", "));
        let seen = seen.trim_end_matches("; ");
        let Self { text, holds, .. } = self;
        if seen.is_empty() { format!("{holds:5}  {text}") } else { format!("{holds:5}  {text}  [{seen}]") }
    }
}

impl Verdict {
    /// As bytes, for a ledger.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// From a ledger's bytes.
    ///
    /// # Errors
    /// What keeps the bytes from being a verdict.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::Error> {
        codec::decode(bytes, MAX_BYTES)
    }

    /// As name and value, in the order in which people read it.
    #[must_use]
    pub fn to_fields(&self) -> Vec<(String, String)> {
        let decision = if self.allowed { "allowed" } else { "denied" };
        let mut fields = vec![
            ("decision".to_owned(), decision.to_owned()),
            ("reason".to_owned(), self.reason.clone()),
            ("action".to_owned(), self.action.clone()),
            ("principal".to_owned(), self.principal.clone()),
            ("resource".to_owned(), self.resource.clone()),
        ];
        fields.extend(self.context.iter().map(|(name, value)| (name.clone(), value.clone())));
        fields.push(("policy set".to_owned(), self.policy_set.to_string()));
        fields.extend(self.determining.iter().map(|line| (format!("policy {}", line.id), line.text.clone())));
        for nearest in &self.nearest {
            let clauses: String = nearest.clauses.iter().map(|clause| format!("\n{}", clause.in_words())).collect();
            let (held, of) = (nearest.held(), nearest.clauses.len());
            fields.push((format!("nearest {} ({held} of {of} hold)", nearest.policy), clauses));
        }
        fields.extend(self.errors.iter().map(|error| ("error".to_owned(), error.clone())));
        fields.push(("id".to_owned(), self.id.to_string()));
        fields.push(("time".to_owned(), format!("{} ms", self.at_ms)));
        fields
    }
}
