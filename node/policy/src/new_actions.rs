//! The actions that a gate brings, and whether a policy set names them: once the gate is open they are asked for, and what no policy
//! speaks of is denied to everybody, but for those who may do everything.

use crate::invalid::PolicyError;
use crate::set;
use serde_json::Value;
use symbi_model::gate;

/// An action that the current policies do not name, and what would permit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// The action.
    pub action: String,
    /// A policy to begin with.
    pub line: String,
}

/// The actions of the gates above `open`, up to `wanted`, that the policies of a set do not name.
///
/// # Errors
/// What keeps the set from being read.
pub fn unnamed(text: &str, open: u32, wanted: u32) -> Result<Vec<Unnamed>, PolicyError> {
    let mut brought = (open + 1..=wanted.max(open)).flat_map(gate::actions).peekable();
    if brought.peek().is_none() {
        return Ok(Vec::new());
    }
    let parsed = set::parse(text, symbi_model::policy::NO_ENTITIES)?;
    let policies: Vec<Value> = parsed.policies.policies().filter_map(|policy| policy.to_json().ok()).collect();
    let missing = brought.filter(|action| !policies.iter().any(|policy| names(policy, action)));
    let line =
        |action: &&str| format!("permit (principal in Group::\"admin\", action == Action::{action:?}, resource);");
    Ok(missing.map(|action| Unnamed { action: (*action).to_owned(), line: line(action) }).collect())
}

/// Whether a policy, as Cedar's JSON, has this action anywhere.
fn names(policy: &Value, action: &str) -> bool {
    match policy {
        Value::Object(members) => {
            let is_it = members.get("type").is_some_and(|kind| kind == "Action")
                && members.get("id").is_some_and(|id| id == action);
            is_it || members.values().any(|member| names(member, action))
        }
        Value::Array(items) => items.iter().any(|item| names(item, action)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_named_wherever_a_policy_has_it() {
        let named = |text: &str| {
            let parsed = set::parse(text, symbi_model::policy::NO_ENTITIES).unwrap();
            let mut policies = parsed.policies.policies().filter_map(|policy| policy.to_json().ok());
            policies.any(|policy| names(&policy, "agent::stop"))
        };
        for text in [
            r#"permit (principal, action == Action::"agent::stop", resource);"#,
            r#"permit (principal, action in [Action::"message::ask", Action::"agent::stop"], resource);"#,
            r#"forbid (principal, action, resource) unless { action != Action::"agent::stop" };"#,
        ] {
            assert!(named(text), "{text}");
        }
        for text in
            ["permit (principal, action, resource);", r#"permit (principal == User::"agent::stop", action, resource);"#]
        {
            assert!(!named(text), "{text}");
        }
    }

    #[cfg(debug_assertions)]
    #[test]
    fn what_the_next_gate_brings_is_to_be_named() {
        let lines = |text: &str| -> Vec<String> {
            unnamed(text, gate::CURRENT, gate::NEXT).unwrap().into_iter().map(|unnamed| unnamed.line).collect()
        };
        let [line] = &lines(crate::STARTER)[..] else { panic!("one action is new") };
        assert_eq!(line, "permit (principal in Group::\"admin\", action == Action::\"next::mark\", resource);");
        assert_eq!(lines(&format!("{}{line}", crate::STARTER)), [""; 0]);
        assert_eq!(unnamed(crate::STARTER, gate::NEXT, gate::NEXT), Ok(Vec::new()), "it is open already");
    }
}
