//! What came nearest to permitting what no policy permitted, clause by clause.
//!
//! Of each policy that permits, every clause is asked by itself: as a policy of its own, put to Cedar with the request
//! and the entities by which was judged. Nearest is the policy with the fewest clauses that do not hold, and of those the
//! one with the most that do.
//!
//! Bounds: [`SHOWN`] policies are told of, and of a large set only the [`LOOKED_AT`] whose scopes fit best are taken apart.

use crate::est::{self, Conjunct};
use crate::judge::{Asked, Judge};
use crate::set::on_large_stack;
use crate::verdict::{ClauseLine, Holds, Nearest};
use cedar_policy::{Decision, Expression, Policy, PolicyId, PolicySet, eval_expression};
use serde_json::{Value, json};
use std::cmp::Reverse;

/// So many policies are told of.
const SHOWN: usize = 3;
/// So many are taken apart.
const LOOKED_AT: usize = 64;
/// A value is shown up to so many characters.
const VALUE: usize = 200;

/// The ends of a policy's scope.
const SCOPE: [&str; 3] = ["principal", "action", "resource"];

/// A policy that permits, as far as it has been looked at.
struct Candidate<'a> {
    /// Its name.
    name: &'a str,
    /// Its place in the set.
    order: usize,
    /// It, as Cedar's JSON.
    json: Value,
    /// Its scope.
    scope: Vec<ClauseLine>,
}

/// The policies of the set that came nearest, the nearest first.
pub fn nearest(judge: &Judge, asked: &Asked) -> Vec<Nearest> {
    // Expressions may be as deep as the parser lets them be.
    on_large_stack(|| Ok(find(judge, asked))).unwrap_or_default()
}

fn find(judge: &Judge, asked: &Asked) -> Vec<Nearest> {
    let mut candidates: Vec<Candidate<'_>> =
        asked.set.policies.policies().filter_map(|policy| candidate(judge, asked, policy)).collect();
    candidates.sort_by_key(|candidate| (failing(&candidate.scope), candidate.order));
    candidates.truncate(LOOKED_AT);
    let whole = candidates.into_iter().map(|candidate| {
        let conditions = est::conjuncts(&candidate.json).into_iter();
        let conditions = conditions.map(|conjunct| condition(judge, asked, &conjunct));
        let clauses: Vec<ClauseLine> = candidate.scope.into_iter().chain(conditions).collect();
        (candidate.order, Nearest { policy: candidate.name.to_owned(), clauses })
    });
    // One that holds whole did permit it: something else was in the way.
    let mut whole: Vec<(usize, Nearest)> = whole.filter(|(_, nearest)| failing(&nearest.clauses) > 0).collect();
    whole.sort_by_key(|(order, nearest)| (failing(&nearest.clauses), Reverse(nearest.held()), *order));
    whole.into_iter().take(SHOWN).map(|(_, nearest)| nearest).collect()
}

fn failing(clauses: &[ClauseLine]) -> usize {
    clauses.iter().filter(|clause| clause.holds != Holds::Yes).count()
}

fn candidate<'a>(judge: &Judge, asked: &'a Asked, policy: &Policy) -> Option<Candidate<'a>> {
    let clause = asked.set.clauses.get(policy.id()).filter(|clause| clause.permits)?;
    let json = policy.to_json().ok()?;
    let scope = SCOPE.iter().map(|end| scope(judge, asked, end, &json[*end])).collect();
    Some(Candidate { name: &clause.line.id, order: clause.order, json, scope })
}

/// One end of a scope.
fn scope(judge: &Judge, asked: &Asked, end: &str, constraint: &Value) -> ClauseLine {
    let mut alone = everything();
    alone[end] = constraint.clone();
    let uid = match end {
        "principal" => asked.request.principal(),
        "action" => asked.request.action(),
        _ => asked.request.resource(),
    };
    let mut values = Vec::new();
    if constraint["op"] != "All" {
        values.extend(uid.map(|uid| (end.to_owned(), uid.to_string())));
    }
    if let Some(groups) = uid.filter(|_| constraint.to_string().contains("\"Group\"")).map(|uid| {
        let groups = asked.set.members.groups(uid.type_name().basename(), uid.id().unescaped());
        groups.iter().map(ToString::to_string).collect::<Vec<_>>()
    }) {
        values.push((format!("{end}'s groups"), format!("[{}]", groups.join(", "))));
    }
    ClauseLine { text: scope_text(end, constraint), holds: ask(judge, asked, alone), values }
}

/// As it is written in Cedar.
fn scope_text(end: &str, constraint: &Value) -> String {
    let named = |entity: &Value| {
        let (kind, id) = (entity["type"].as_str().unwrap_or_default(), entity["id"].as_str().unwrap_or_default());
        format!("{kind}::{id:?}")
    };
    let is = constraint["entity_type"].as_str().map(|kind| format!(" is {kind}")).unwrap_or_default();
    let inside = constraint.get("in").map(|inside| format!(" in {}", named(&inside["entity"]))).unwrap_or_default();
    let listed = constraint["entities"].as_array().map(|entities| {
        let names: Vec<String> = entities.iter().map(named).collect();
        format!(" in [{}]", names.join(", "))
    });
    match (constraint["op"].as_str(), listed, constraint.get("entity")) {
        (Some("is"), ..) => format!("{end}{is}{inside}"),
        (_, Some(listed), _) => format!("{end}{listed}"),
        (Some(operator), None, Some(entity)) => format!("{end} {operator} {}", named(entity)),
        _ => end.to_owned(),
    }
}

/// One conjunct of a condition.
fn condition(judge: &Judge, asked: &Asked, conjunct: &Conjunct) -> ClauseLine {
    let kind = if conjunct.negated { "unless" } else { "when" };
    let mut alone = everything();
    alone["conditions"] = json!([{ "kind": kind, "body": conjunct.body }]);
    let text = format!("{kind} {{ {} }}", body_text(&conjunct.body));
    let values = est::looked_at(&conjunct.body).into_iter().map(|path| {
        let value = value(asked, &path);
        (path, value)
    });
    ClauseLine { text, values: values.collect(), holds: ask(judge, asked, alone) }
}

/// An expression as it is written in Cedar.
fn body_text(body: &Value) -> String {
    let mut alone = everything();
    // Whatever it stands in: Cedar prints an `unless` as a `when` of the opposite.
    alone["conditions"] = json!([{ "kind": "when", "body": body }]);
    let text = Policy::from_json(None, alone).ok().and_then(|policy| policy.to_cedar());
    let written = text.as_deref().and_then(|text| text.split_once('{')?.1.rsplit_once('}'));
    written.map_or_else(|| body.to_string(), |(written, _)| written.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What is to be seen at `path`.
fn value(asked: &Asked, path: &str) -> String {
    let Ok(expression) = path.parse::<Expression>() else { return "-".to_owned() };
    let shown = match eval_expression(&asked.request, &asked.entities, &expression) {
        Ok(value) => value.to_string(),
        Err(_) => "not there".to_owned(),
    };
    match shown.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// A policy that permits everything.
fn everything() -> Value {
    let all = json!({ "op": "All" });
    json!({ "effect": "permit", "principal": all, "action": all, "resource": all, "conditions": [] })
}

/// Puts the request to a policy that stands alone.
fn ask(judge: &Judge, asked: &Asked, alone: Value) -> Holds {
    let policy = Policy::from_json(Some(PolicyId::new("alone")), alone);
    let set = policy
        .map_err(|error| error.to_string())
        .and_then(|policy| PolicySet::from_policies([policy]).map_err(|error| error.to_string()));
    let policies = match set {
        Ok(policies) => policies,
        Err(error) => return Holds::Error(error),
    };
    let response = judge.response(&asked.request, &policies, &asked.entities);
    if let Some(error) = response.diagnostics().errors().next() {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        return Holds::Error(error.inner().to_string());
    }
    if response.decision() == Decision::Allow { Holds::Yes } else { Holds::No }
}
