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
    /// SHA-256 of its text.
    pub hash: String,
    /// The policies.
    pub text: String,
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
    /// In words.
    pub reason: String,
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
pub fn verdict(verdict: &symbi_policy::Verdict) -> Verdict {
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
        reason: verdict.reason.clone(),
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
