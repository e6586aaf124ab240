//! An agent's specification as people write it: TOML in a file, the same shape as JSON over HTTP.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::agent::{self, Resources, Strategy, Tier};
use symbi_model::node::{LABEL_BYTES, LABELS, valid_labels};

/// The most messages an agent may be given at once.
const MAX_IN_FLIGHT: u16 = 1024;
/// The shortest and the longest time that an agent may be given to answer, ms: a second and a day.
const ANSWER_WITHIN_MS: std::ops::RangeInclusive<u64> = 1_000..=86_400_000;

/// What a user asks for. Unknown keys are errors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The agent's name: a-z, 0-9 and '-', at most 63.
    pub name: String,
    /// Whose it is: agents of one owner may message each other under the starter policies. No default.
    pub owner: String,
    /// What is run.
    pub program: Program,
    /// How it is given messages.
    #[serde(default)]
    pub messages: Messages,
    /// What is reserved.
    #[serde(default)]
    pub resources: Reservation,
    /// Where it may run.
    #[serde(default)]
    pub placement: Placement,
    /// When it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// Words that policies may look at, such as "team=x". Default: none.
    #[serde(default)]
    pub labels: BTreeSet<String>,
}

/// What is run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program, by absolute path or found in the node's PATH, and its arguments.
    pub command: Vec<String>,
    /// Variables added to its environment. Default: none.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How many messages it is given before it has answered the first. Default: 1.
    #[serde(default = "one")]
    pub max_in_flight: u16,
}

fn one() -> u16 {
    1
}

/// How it is given messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// For how long it may answer nothing, while messages wait for its answers, before it counts as unresponsive: with three of them it
    /// is ended, and "restart" says what comes next. How long those who ask wait does not matter. Default: 60,000.
    pub answer_within_ms: u64,
}

impl Default for Messages {
    fn default() -> Self {
        Self { answer_within_ms: agent::ANSWER_WITHIN_MS }
    }
}

/// What is reserved on the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reservation {
    /// Memory in MiB; the limit of the process's data too. Default: 128.
    pub memory_mb: u64,
    /// Processor time in thousandths of a core; for processes a reservation only. Default: 100.
    pub cpu_millis: u64,
}

impl Default for Reservation {
    fn default() -> Self {
        Self { memory_mb: 128, cpu_millis: 100 }
    }
}

/// Where it may run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Placement {
    /// What isolates it: "process", the default.
    pub tier: String,
    /// Labels that its node must have, all of them, such as "zone=a"; every node has "node=NAME". Default: none.
    pub require: BTreeSet<String>,
    /// Which of the nodes that could take it is given it: "spread" (the default) the one with the most room left,
    /// "best-fit" the one with the least, "first-fit" the first by name.
    pub strategy: String,
    /// A higher one is placed first. Default: 0.
    pub priority: u16,
}

impl Default for Placement {
    fn default() -> Self {
        let (tier, strategy) = (Tier::Process.to_string(), Strategy::default().to_string());
        Self { tier, require: BTreeSet::new(), strategy, priority: 0 }
    }
}

/// When it is started again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// "always", "on-failure" (the default) or "never".
    pub policy: String,
}

impl Default for Restart {
    fn default() -> Self {
        Self { policy: "on-failure".to_owned() }
    }
}

impl Spec {
    /// The model's form of it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] that names the key and what it takes.
    pub fn into_model(self) -> Result<agent::Spec, Error> {
        let bad = |text: String| Error::BadRequest(text);
        let name = self.name.parse().map_err(|error| bad(format!("name: {error}")))?;
        if self.owner.is_empty() || self.owner.len() > 128 {
            return Err(bad("owner: 1 to 128 bytes".to_owned()));
        }
        if self.program.command.first().is_none_or(String::is_empty) {
            return Err(bad("program.command: the program and its arguments, at least the program".to_owned()));
        }
        if !(1..=MAX_IN_FLIGHT).contains(&self.program.max_in_flight) {
            return Err(bad(format!("program.max_in_flight: 1 to {MAX_IN_FLIGHT}")));
        }
        if !ANSWER_WITHIN_MS.contains(&self.messages.answer_within_ms) {
            let (from, to) = (ANSWER_WITHIN_MS.start(), ANSWER_WITHIN_MS.end());
            return Err(bad(format!("messages.answer_within_ms: {from} to {to}")));
        }
        let tier = match self.placement.tier.as_str() {
            "process" => Tier::Process,
            other => return Err(bad(format!("placement.tier: {other:?} is not offered here; it takes \"process\""))),
        };
        let restart = match self.restart.policy.as_str() {
            "always" => agent::Restart::Always,
            "on-failure" => agent::Restart::OnFailure,
            "never" => agent::Restart::Never,
            other => {
                let takes = "it takes \"always\", \"on-failure\" or \"never\"";
                return Err(bad(format!("restart.policy: {other:?}; {takes}")));
            }
        };
        let strategy = strategy(&self.placement.strategy).map_err(bad)?;
        for (key, labels) in [("labels", &self.labels), ("placement.require", &self.placement.require)] {
            if !valid_labels(labels) {
                let takes = format!("at most {LABELS} words without spaces, each of at most {LABEL_BYTES} bytes");
                return Err(bad(format!("{key}: it takes {takes}")));
            }
        }
        let resources = Resources { memory_mb: self.resources.memory_mb, cpu_millis: self.resources.cpu_millis };
        Ok(agent::Spec {
            name,
            owner: self.owner,
            command: self.program.command,
            env: self.program.env,
            max_in_flight: self.program.max_in_flight,
            answer_within_ms: self.messages.answer_within_ms,
            resources,
            tier,
            restart,
            labels: self.labels,
            require: self.placement.require,
            strategy,
            priority: self.placement.priority,
        })
    }

    /// The form that people read back, as far as this program knows what is recorded.
    #[must_use]
    pub fn from_recorded(recorded: &agent::Recorded) -> Self {
        let known = recorded.skim().unwrap_or_else(|_| {
            let spec = agent::Spec::new(recorded.name.clone(), &recorded.owner, Vec::new());
            agent::Spec { resources: recorded.resources, labels: recorded.labels.clone(), ..spec }
        });
        Self::from_model(&known)
    }

    /// The form that people read back.
    #[must_use]
    pub fn from_model(spec: &agent::Spec) -> Self {
        let policy = match spec.restart {
            agent::Restart::Always => "always",
            agent::Restart::OnFailure => "on-failure",
            agent::Restart::Never => "never",
        };
        Self {
            name: spec.name.to_string(),
            owner: spec.owner.clone(),
            program: Program {
                command: spec.command.clone(),
                env: spec.env.clone(),
                max_in_flight: spec.max_in_flight,
            },
            messages: Messages { answer_within_ms: spec.answer_within_ms },
            resources: Reservation { memory_mb: spec.resources.memory_mb, cpu_millis: spec.resources.cpu_millis },
            placement: Placement {
                tier: spec.tier.to_string(),
                require: spec.require.clone(),
                strategy: spec.strategy.to_string(),
                priority: spec.priority,
            },
            restart: Restart { policy: policy.to_owned() },
            labels: spec.labels.clone(),
        }
    }
}

fn strategy(name: &str) -> Result<Strategy, String> {
    let all = [Strategy::Spread, Strategy::BestFit, Strategy::FirstFit];
    let found = all.into_iter().find(|strategy| strategy.to_string() == name);
    let takes = "it takes \"spread\", \"best-fit\" or \"first-fit\"";
    found.ok_or_else(|| format!("placement.strategy: {name:?}; {takes}"))
}

/// Adds "did you mean" to a parser's complaint about an unknown key.
#[must_use]
pub fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.contains("unknown field").then(|| quoted.next()).flatten();
    let near = unknown.and_then(|key| {
        let score = |candidate: &&str| strsim::jaro_winkler(key, candidate);
        quoted.max_by(|a, b| score(a).total_cmp(&score(b))).filter(|best| score(best) > 0.7)
    });
    match near {
        Some(key) => format!("{}; did you mean `{key}`?", message.trim_end()),
        None => message.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(extra: &str) -> Result<Spec, String> {
        let text = format!(r#"{{"name":"a","owner":"o","program":{{"command":["true"]}}{extra}}}"#);
        serde_json::from_str(&text).map_err(|error| with_suggestion(&error.to_string()))
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let model = spec("").unwrap().into_model().unwrap();
        assert_eq!((model.resources.memory_mb, model.resources.cpu_millis, model.max_in_flight), (128, 100, 1));
        assert_eq!((model.restart, model.answer_within_ms), (agent::Restart::OnFailure, 60_000));
        assert_eq!((model.strategy, model.priority), (Strategy::Spread, 0));
        assert!(model.require.is_empty() && model.labels.is_empty());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let error = spec(r#","resources":{"memory":1}"#).unwrap_err();
        assert!(error.contains("unknown field `memory`") && error.ends_with("did you mean `memory_mb`?"), "{error}");
    }

    #[test]
    fn a_round_trip_keeps_everything() {
        let placement = r#""placement":{"require":["zone=a"],"strategy":"best-fit","priority":7}"#;
        let placement = format!(r#"{placement},"messages":{{"answer_within_ms":5000}}"#);
        let extra = format!(r#","restart":{{"policy":"always"}},"labels":["team=x"],{placement}"#);
        let model = spec(&extra).unwrap().into_model().unwrap();
        assert_eq!((model.strategy, model.priority, model.answer_within_ms), (Strategy::BestFit, 7, 5_000));
        assert!(model.require.contains("zone=a") && model.labels.contains("team=x"));
        assert_eq!(Spec::from_model(&model).into_model().unwrap(), model);
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (extra, key) in [
            (r#","restart":{"policy":"sometimes"}"#, "restart.policy"),
            (r#","placement":{"tier":"docker"}"#, "placement.tier"),
            (r#","placement":{"strategy":"worst-fit"}"#, "placement.strategy"),
            (r#","placement":{"require":["zone a"]}"#, "placement.require"),
            (r#","labels":[""]"#, "labels"),
            (r#","messages":{"answer_within_ms":999}"#, "messages.answer_within_ms"),
        ] {
            assert!(spec(extra).unwrap().into_model().unwrap_err().to_string().starts_with(key));
        }
    }
}
