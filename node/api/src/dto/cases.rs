//! Cases of policies as people write them: TOML in a file, the same shape as JSON over HTTP.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbi_policy::{Case, Kind, Subject, Tested};

/// The most cases at once.
const MOST: usize = 1_000;

/// Requests with the verdicts that they ought to get. Unknown keys are errors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<One>,
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct One {
    /// What it is called.
    pub name: String,
    /// Who.
    pub principal: Who,
    /// The action, such as `message::ask`.
    pub action: String,
    /// To what.
    pub resource: Who,
    /// The context: names and amounts. Default: none.
    #[serde(default)]
    pub context: BTreeMap<String, i64>,
    /// `allow` or `deny`.
    pub expect: String,
    /// A policy that must be among those that decide. Default: any may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A principal or a resource: one of `agent`, `node`, `user` and `cluster`, with its id, and what it has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// An agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A node's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The cluster's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// An agent's owner. Default: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// An agent's tier. Default: `process`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// An agent's or a node's labels. Default: none.
    pub labels: BTreeSet<String>,
    /// Groups, beside those that the set's entities say. Default: none.
    pub groups: BTreeSet<String>,
}

impl Cases {
    /// The policy crate's form of them.
    ///
    /// # Errors
    /// [`Error::BadRequest`] that names the case and the key.
    pub fn into_cases(self) -> Result<Vec<Case>, Error> {
        if self.cases.len() > MOST {
            return Err(Error::BadRequest(format!("case: at most {MOST} of them")));
        }
        self.cases.into_iter().map(One::into_case).collect()
    }
}

impl One {
    fn into_case(self) -> Result<Case, Error> {
        let bad = |key: &str, what: String| Error::BadRequest(format!("case {:?}: {key}: {what}", self.name));
        let allowed = match self.expect.as_str() {
            "allow" => true,
            "deny" => false,
            other => return Err(bad("expect", format!("{other:?}; it takes \"allow\" or \"deny\""))),
        };
        let actions = symbi_policy::cases::actions();
        if !actions.contains(&self.action) {
            return Err(bad("action", format!("there is no {:?}; there are {}", self.action, actions.join(", "))));
        }
        let principal = self.principal.clone().into_subject().map_err(|what| bad("principal", what))?;
        let resource = self.resource.clone().into_subject().map_err(|what| bad("resource", what))?;
        let Self { name, action, context, by, .. } = self;
        Ok(Case { name, principal, action, resource, context, allowed, by })
    }
}

impl Who {
    fn into_subject(self) -> Result<Subject, String> {
        let Self { agent, node, user, cluster, owner, tier, labels, groups } = self;
        let named = [(Kind::Agent, agent), (Kind::Node, node), (Kind::User, user), (Kind::Cluster, cluster)];
        let mut named = named.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
        let (Some((kind, id)), None) = (named.next(), named.next()) else {
            return Err("it is one of agent, node, user and cluster".to_owned());
        };
        if kind != Kind::Agent && (owner.is_some() || tier.is_some()) {
            return Err("only an agent has an owner and a tier".to_owned());
        }
        if !matches!(kind, Kind::Agent | Kind::Node) && !labels.is_empty() {
            return Err("only an agent and a node have labels".to_owned());
        }
        let (owner, tier) = (owner.unwrap_or_default(), tier.unwrap_or_else(|| "process".to_owned()));
        Ok(Subject { kind, id, owner, tier, labels, groups })
    }
}

/// What became of cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The set they were put to; null when it is none of the cluster's.
    pub number: Option<u64>,
    /// How many passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// Each of them, in order.
    pub cases: Vec<Outcome>,
}

/// What became of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What it is called.
    pub name: String,
    /// Whether it became of it what ought to.
    pub passed: bool,
    /// What was expected: `allow` or `deny`.
    pub expected: String,
    /// `allow` or `deny`.
    pub verdict: String,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// In words.
    pub reason: String,
    /// For a denial that no policy forbids, what came nearest to permitting it.
    pub nearest: Vec<super::policy::Nearest>,
}

/// The JSON of what became of `cases`.
#[must_use]
pub fn report(number: Option<u64>, cases: &[Case], tested: &[Tested]) -> Report {
    let verdict = |allowed: bool| if allowed { "allow" } else { "deny" }.to_owned();
    let passed = tested.iter().filter(|tested| tested.passed).count();
    let lines = cases.iter().zip(tested).map(|(case, tested)| Outcome {
        name: tested.name.clone(),
        passed: tested.passed,
        expected: verdict(case.allowed),
        verdict: verdict(tested.allowed),
        policies: tested.policies.clone(),
        reason: tested.reason.clone(),
        nearest: super::policy::nearest(&tested.nearest),
    });
    Report { number, passed, failed: tested.len() - passed, cases: lines.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(case: &str) -> String {
        let whole = format!(r#"{{"case": [{{"name": "c", "expect": "deny", "action": "message::ask", {case}}}]}}"#);
        serde_json::from_str::<Cases>(&whole).unwrap().into_cases().unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_names_the_case_and_the_key() {
        for (case, says) in [
            (r#""principal": {}, "resource": {"agent": "b"}"#, "case \"c\": principal: it is one of"),
            (
                r#""principal": {"user": "u", "agent": "a"}, "resource": {"agent": "b"}"#,
                "case \"c\": principal: it is one of",
            ),
            (
                r#""principal": {"user": "u"}, "resource": {"user": "b", "owner": "o"}"#,
                "case \"c\": resource: only an agent",
            ),
            (
                r#""principal": {"user": "u", "labels": ["x"]}, "resource": {"agent": "b"}"#,
                "case \"c\": principal: only an agent and a node",
            ),
        ] {
            assert!(refused(case).starts_with(says), "{}", refused(case));
        }
        let case = One {
            name: "c".to_owned(),
            principal: Who { user: Some("u".to_owned()), ..Who::default() },
            action: "message::asks".to_owned(),
            resource: Who { agent: Some("a".to_owned()), ..Who::default() },
            context: BTreeMap::new(),
            expect: "allow".to_owned(),
            by: None,
        };
        let wrong = case.clone().into_case().unwrap_err().to_string();
        assert!(wrong.contains("there is no \"message::asks\"; there are agent::create"), "{wrong}");
        let wrong = One { action: "message::ask".to_owned(), expect: "yes".to_owned(), ..case }.into_case();
        assert!(wrong.unwrap_err().to_string().contains("it takes \"allow\" or \"deny\""));
    }
}
