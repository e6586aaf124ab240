//! What an update changes in a spec: by the names that people write, and never a variable's value.

use super::spec::Spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The values of an agent's environment: they may be secrets.
const ENV: &str = "program.env";

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which, as `resources.memory_mb` or `program.env.KEY`.
    pub field: String,
    /// What it was; null when it was not there. A variable's value is `"***"`.
    pub from: Value,
    /// What it is to be, likewise.
    pub to: Value,
}

/// What changes from one spec to another, by name.
#[must_use]
pub fn changes(old: &Spec, new: &Spec) -> Vec<Change> {
    let (old, new) = (fields(old), fields(new));
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let mut changes: Vec<Change> = names
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Change { field: name.clone(), from: shown(name, old.get(name)), to: shown(name, new.get(name)) })
        .collect();
    changes.sort_by(|left, right| left.field.cmp(&right.field));
    changes
}

/// What the audit says of them: the fields, and of the environment not even which variables.
#[must_use]
pub fn named(changes: &[Change]) -> Vec<String> {
    let name = |change: &Change| if is_env(&change.field) { ENV.to_owned() } else { change.field.clone() };
    let mut names: Vec<String> = changes.iter().map(name).collect();
    names.dedup();
    names
}

fn shown(name: &str, value: Option<&Value>) -> Value {
    match value {
        Some(_) if is_env(name) => Value::String("***".to_owned()),
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

fn is_env(name: &str) -> bool {
    name.strip_prefix(ENV).is_some_and(|rest| rest.starts_with('.'))
}

/// The fields of a spec that have no fields themselves.
fn fields(spec: &Spec) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    // A spec is made of texts, numbers and maps of them.
    let value = serde_json::to_value(spec).unwrap_or_default();
    flatten("", &value, &mut fields);
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, fields);
            }
        }
        value => {
            fields.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{changes, named};
    use crate::dto::spec::Spec;

    fn spec(text: &str) -> Spec {
        serde_json::from_str(text).expect("a spec")
    }

    #[test]
    fn what_changes_is_named_and_no_variable_is_shown() {
        let old = spec(r#"{"name":"a","owner":"o","program":{"command":["true"],"env":{"K":"secret","GONE":"x"}}}"#);
        let new = spec(
            r#"{"name":"a","owner":"o","program":{"command":["false","-x"],"env":{"K":"other","NEW":"y"}},
                "resources":{"memory_mb":64}}"#,
        );
        let found = changes(&old, &new);
        let lines: Vec<String> =
            found.iter().map(|change| format!("{}: {} -> {}", change.field, change.from, change.to)).collect();
        assert_eq!(
            lines,
            [
                r#"program.command: ["true"] -> ["false","-x"]"#,
                r#"program.env.GONE: "***" -> null"#,
                r#"program.env.K: "***" -> "***""#,
                r#"program.env.NEW: null -> "***""#,
                "resources.memory_mb: 128 -> 64",
            ]
        );
        assert_eq!(named(&found), ["program.command", "program.env", "resources.memory_mb"]);
        assert!(changes(&new, &new).is_empty());
    }
}
