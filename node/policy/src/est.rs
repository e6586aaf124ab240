//! A policy as Cedar's JSON, taken apart: its conditions, their conjuncts, and the literals and attributes in them.
//!
//! Cedar shows its syntax tree in this form alone. What is not known here is passed through as it is.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Policy};
use serde_json::Value;
use std::collections::BTreeSet;

/// A condition of a policy, or a part of one: when it does not hold, neither does the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conjunct {
    /// Whether it stands in an `unless`: it holds when its body is false.
    pub negated: bool,
    /// The expression.
    pub body: Value,
}

/// The conjuncts of a policy's conditions, in their order: `when { a && b }` has two, and `unless { a || b }` as well.
pub fn conjuncts(policy: &Value) -> Vec<Conjunct> {
    let mut found = Vec::new();
    for condition in policy["conditions"].as_array().into_iter().flatten() {
        let negated = condition["kind"] == "unless";
        split(&condition["body"], negated, &mut found);
    }
    found
}

fn split(body: &Value, negated: bool, found: &mut Vec<Conjunct>) {
    match body.get(if negated { "||" } else { "&&" }) {
        Some(parts) => {
            split(&parts["left"], negated, found);
            split(&parts["right"], negated, found);
        }
        None => found.push(Conjunct { negated, body: body.clone() }),
    }
}

/// The entities that a policy's conditions name, beside actions.
pub fn literals(policy: &Policy) -> BTreeSet<EntityUid> {
    let mut found = BTreeSet::new();
    if let Ok(json) = policy.to_json() {
        walk(&json["conditions"], &mut |value| {
            let named = value.get("__entity").and_then(entity);
            found.extend(named.filter(|uid| uid.type_name().basename() != "Action"));
        });
    }
    found
}

fn entity(json: &Value) -> Option<EntityUid> {
    let kind: EntityTypeName = json["type"].as_str()?.parse().ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(json["id"].as_str()?)))
}

/// What an expression looks at: `principal`, `resource`, `context`, or an attribute of one of them, written in Cedar.
pub fn looked_at(body: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    look(body, &mut found);
    found
}

fn look(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(path) = path(value) {
        found.insert(path);
        return;
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| look(field, found)),
        Value::Array(items) => items.iter().for_each(|item| look(item, found)),
        _ => {}
    }
}

/// `principal.owner` and the like.
fn path(value: &Value) -> Option<String> {
    if let Some(variable) = value.get("Var") {
        return variable.as_str().filter(|name| *name != "action").map(str::to_owned);
    }
    let access = value.get(".")?;
    let (left, attribute) = (path(&access["left"])?, access["attr"].as_str()?);
    Some(if is_identifier(attribute) { format!("{left}.{attribute}") } else { format!("{left}[{attribute:?}]") })
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn walk(value: &Value, each: &mut impl FnMut(&Value)) {
    each(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| walk(field, each)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(conditions: &str) -> Policy {
        Policy::parse(None, format!("permit (principal, action, resource) {conditions};")).unwrap()
    }

    #[test]
    fn conjunctions_are_split_and_disjunctions_under_unless() {
        let counted = |conditions: &str| conjuncts(&policy(conditions).to_json().unwrap()).len();
        assert_eq!(counted(""), 0);
        assert_eq!(counted("when { true && (1 < 2 && 2 < 3) } when { 1 < 2 || false }"), 4);
        assert_eq!(counted("unless { 1 < 2 || 2 < 3 } unless { 1 < 2 && 2 < 3 }"), 3);
    }

    #[test]
    fn literals_of_conditions_are_found_and_those_of_the_scope_are_not() {
        let text = r#"permit (principal == User::"a", action, resource)
            when { Group::"g" in Group::"h" && action == Action::"message::ask" || principal in [User::"b"] };"#;
        let found: Vec<String> =
            literals(&Policy::parse(None, text).unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(found, [r#"Group::"g""#, r#"Group::"h""#, r#"User::"b""#]);
    }

    #[test]
    fn what_is_looked_at_is_written_in_cedar() {
        let json = policy(r#"when { principal.owner == resource["a b"].c && context.n > 1 && principal has owner }"#);
        let json = json.to_json().unwrap();
        let found: Vec<String> = looked_at(&json["conditions"]).into_iter().collect();
        assert_eq!(found, ["context.n", "principal", "principal.owner", "resource[\"a b\"].c"]);
    }
}
