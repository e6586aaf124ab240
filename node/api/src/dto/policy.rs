//! Policy sets and verdicts.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Set {
    /// Its number.
    pub number: u64,
    /// Whether it is the current one.
    pub current: bool,
    /// SHA-256 of its text and its entities.
    pub hash: String,
    /// Who applied it.
    pub actor: String,
    /// The log index from which on it was in force.
    pub index: u64,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// The policies.
    pub text: String,
    /// Their entities, Cedar's JSON.
    pub entities: String,
}

/// A line of the list of policy sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetLine {
    /// Its number.
    pub number: u64,
    /// Whether it is the current one.
    pub current: bool,
    /// SHA-256 of its text and its entities.
    pub hash: String,
    /// Who applied it.
    pub actor: String,
    /// The log index from which on it was in force.
    pub index: u64,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
}

/// A policy set that somebody wants applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The policies.
    pub text: String,
    /// Their entities, Cedar's JSON. Default: none.
    #[serde(default = "no_entities")]
    pub entities: String,
}

fn no_entities() -> String {
    symbi_model::policy::NO_ENTITIES.to_owned()
}

/// What became of a policy set that somebody wanted applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Applied {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// Its number; null when it was only tried.
    pub number: Option<u64>,
    /// The log index from which on it is in force; null when it was only tried.
    pub index: Option<u64>,
    /// SHA-256 of its text and its entities.
    pub hash: String,
    /// How many policies it has.
    pub policies: usize,
}

/// What differs between two policy sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Diff {
    /// The number of the first set.
    pub from: u64,
    /// The number of the second set.
    pub to: u64,
    /// What differs, policy by policy.
    pub clauses: Vec<DiffClause>,
}

/// What differs in one policy, or in the entities.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DiffClause {
    /// The policy's name, or `entities`.
    pub clause: String,
    /// Its lines, each behind `-`, `+` or a space.
    pub lines: Vec<String>,
}

/// The schema that policies are checked against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schema {
    /// In Cedar's notation.
    pub schema: String,
}

/// A verdict, and what led to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Its id.
    pub decision: String,
    /// `allow` or `deny`.
    pub verdict: String,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// The policy set that was current.
    pub policy_set: u64,
    /// Who wanted it.
    pub principal: String,
    /// What.
    pub action: String,
    /// To what.
    pub resource: String,
    /// The other values the policies could see.
    pub values: BTreeMap<String, String>,
    /// The policies that determined it; none for a denial that no policy permitted.
    pub policies: Vec<PolicyLine>,
    /// For a denial that no policy forbids, the policies that came nearest to permitting it, the nearest first.
    pub nearest: Vec<Nearest>,
    /// What could not be evaluated; whatever could not is a denial.
    pub errors: Vec<String>,
    /// In words.
    pub reason: String,
    /// For one that its node does not have whole any more: of what it was worked out again. Null for one that is as it was given.
    pub worked_out: Option<String>,
}

/// A policy that would have permitted it, had all of its clauses held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nearest {
    /// Its id within the set.
    pub policy: String,
    /// How many of its clauses hold.
    pub held: usize,
    /// Its clauses.
    pub clauses: Vec<Clause>,
}

/// A clause of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clause {
    /// In Cedar.
    pub clause: String,
    /// `true`, `false` or `error`.
    pub holds: String,
    /// Why it cannot be evaluated; null where it can.
    pub error: Option<String>,
    /// What it looked at, with the values there.
    pub values: BTreeMap<String, String>,
}

/// The JSON of what came nearest.
#[must_use]
pub fn nearest(nearest: &[symbi_policy::Nearest]) -> Vec<Nearest> {
    let clause = |clause: &symbi_policy::ClauseLine| Clause {
        clause: clause.text.clone(),
        holds: clause.holds.to_string(),
        error: match &clause.holds {
            symbi_policy::Holds::Error(error) => Some(error.clone()),
            symbi_policy::Holds::Yes | symbi_policy::Holds::No => None,
        },
        values: clause.values.iter().cloned().collect(),
    };
    let one = |nearest: &symbi_policy::Nearest| Nearest {
        policy: nearest.policy.clone(),
        held: nearest.held(),
        clauses: nearest.clauses.iter().map(clause).collect(),
    };
    nearest.iter().map(one).collect()
}

/// A policy that determined a verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyLine {
    /// Its id within the set.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// The JSON of a verdict.
#[must_use]
pub fn verdict(account: &symbi_policy::Account) -> Verdict {
    let symbi_policy::Account { verdict, worked_out } = account;
    Verdict {
        decision: verdict.id.to_string(),
        verdict: if verdict.allowed { "allow" } else { "deny" }.to_owned(),
        at_ms: verdict.at_ms,
        policy_set: verdict.policy_set.0,
        principal: verdict.principal.clone(),
        action: verdict.action.clone(),
        resource: verdict.resource.clone(),
        values: verdict.context.clone(),
        policies: verdict
            .determining
            .iter()
            .map(|line| PolicyLine { id: line.id.clone(), text: line.text.clone() })
            .collect(),
        nearest: nearest(&verdict.nearest),
        errors: verdict.errors.clone(),
        reason: verdict.reason.clone(),
        worked_out: worked_out.clone(),
    }
}

/// Why an agent is where it is, or nowhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhyAgent {
    /// The agent.
    pub agent: String,
    /// The node that holds it, or null.
    pub node: Option<String>,
    /// Its fence.
    pub epoch: Option<u64>,
    /// Its state.
    pub state: String,
    /// What its node last said.
    pub detail: String,
    /// The answer, in a sentence.
    pub why: String,
    /// For each node, what speaks for or against it.
    pub nodes: Vec<WhyNode>,
}

/// What speaks for or against a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhyNode {
    /// Its name.
    pub node: String,
    /// In words.
    pub reason: String,
}
