//! Cases: requests with the verdicts that a policy set ought to give, to try a set before it is applied or after.
//!
//! A case says itself what its principal and its resource are; nothing is read of the cluster. Who is in which group the
//! set's entities say, and a case may add groups.

use crate::entities::Subject;
use crate::judge::{Finding, Judge, Question};
use crate::nearest::nearest;
use crate::set::Candidate;
use crate::verdict::Nearest;
use std::collections::BTreeMap;
use symbi_model::PolicyNumber;

/// A request, and what ought to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// Who.
    pub principal: Subject,
    /// The action's name.
    pub action: String,
    /// To what.
    pub resource: Subject,
    /// The context: names and amounts.
    pub context: BTreeMap<String, i64>,
    /// Whether it ought to be permitted.
    pub allowed: bool,
    /// A policy that ought to be among those that decide; none if any may.
    pub by: Option<String>,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// What it is called.
    pub name: String,
    /// Whether it became of it what ought to.
    pub passed: bool,
    /// Whether it was permitted.
    pub allowed: bool,
    /// The policies that decided; none for a denial that no policy permitted.
    pub policies: Vec<String>,
    /// In a sentence.
    pub reason: String,
    /// For a denial that no policy forbids, the policies that came nearest to permitting it.
    pub nearest: Vec<Nearest>,
}

/// Puts every case to a set. What cannot be asked at all, such as an action that there is not, fails whatever was expected.
#[must_use]
pub fn test(set: &Candidate, number: PolicyNumber, cases: &[Case]) -> Vec<Tested> {
    let judge = Judge::new();
    cases.iter().map(|case| one(&judge, set, number, case)).collect()
}

/// The names of all actions, in order.
#[must_use]
pub fn actions() -> Vec<String> {
    Judge::new().actions().map(str::to_owned).collect()
}

fn one(judge: &Judge, set: &Candidate, number: PolicyNumber, case: &Case) -> Tested {
    let slice = judge.types.supposed(set.parsed(), &case.principal, &case.resource);
    let context = case.context.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    let question = Question { action: &case.action, slice, context };
    let finding = judge.policies(number, &Ok(set.parsed().clone()), question);
    let reason = finding.reason();
    let Finding { allowed, determining, asked, .. } = finding;
    let policies: Vec<String> = determining.iter().map(|line| line.id.clone()).collect();
    let could_be_asked = allowed || asked.is_some();
    let decided = case.by.as_ref().is_none_or(|by| policies.contains(by));
    let nearest = asked.filter(|_| policies.is_empty()).map(|asked| nearest(judge, &asked)).unwrap_or_default();
    Tested {
        name: case.name.clone(),
        passed: could_be_asked && allowed == case.allowed && decided,
        allowed,
        policies,
        reason,
        nearest,
    }
}
