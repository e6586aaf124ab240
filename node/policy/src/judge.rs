//! A question put to one policy set: what is found, and the reason in words.
//!
//! Cedar skips a policy whose condition fails to evaluate, so that a failing `forbid` would allow. Here whatever fails
//! is a refusal.

use crate::act::sealed::Resource;
use crate::act::{ADMIN, Principal};
use crate::entities::{Slice, Types};
use crate::set::{Parsed, schema};
use crate::verdict::PolicyLine;
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, Request, Response, Schema,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbi_model::{PolicyNumber, State};

/// The parsed set that is current, or why there is none.
pub type Current = Result<Arc<Parsed>, String>;

/// What judging needs besides policies, made once.
#[derive(Debug)]
pub struct Judge {
    /// Cedar's evaluator.
    authorizer: Authorizer,
    /// The built-in schema.
    schema: Schema,
    /// The entity types.
    types: Types,
}

/// What was found.
#[derive(Debug)]
pub struct Finding {
    /// By whom, as policies name it.
    pub principal: String,
    /// To what, as policies name it.
    pub resource: String,
    /// The values that policies could look at.
    pub values: BTreeMap<String, String>,
    /// Whether it is permitted.
    pub allowed: bool,
    /// The policies that determined it.
    pub determining: Vec<PolicyLine>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// The finding in a sentence.
    pub reason: String,
}

impl Judge {
    /// Parses the built-in schema.
    pub fn new() -> Self {
        Self { authorizer: Authorizer::new(), schema: schema(), types: Types::new() }
    }

    /// What the current set says to `action`.
    pub fn policies(
        &self,
        state: &State,
        current: &Current,
        action: &EntityUid,
        principal: &Principal,
        resource: &Resource<'_>,
    ) -> Finding {
        let slice = self.types.slice(state, principal, resource);
        let mut finding = Finding {
            principal: slice.principal.to_string(),
            resource: slice.resource.to_string(),
            values: BTreeMap::new(),
            allowed: false,
            determining: Vec::new(),
            errors: Vec::new(),
            reason: String::new(),
        };
        let number = state.counters.policy_set;
        match current.as_ref().map_err(Clone::clone).and_then(|set| Ok((set, self.ask(set, action, &slice)?))) {
            Ok((set, response)) => finding.take(set, &response),
            Err(error) => finding.errors.push(error),
        }
        finding.values = slice.values;
        finding.reason = finding.in_words(number, action.id().unescaped());
        finding
    }

    /// What needs the administrator, and no policy's leave.
    pub fn administrator(what: &str, principal: &Principal) -> Finding {
        let allowed = matches!(principal, Principal::User(name) if name == ADMIN);
        let principal = shown(principal);
        let text = format!("what has no action of its own in the policies needs User::{ADMIN:?}");
        Finding {
            reason: format!("{what} needs User::{ADMIN:?}, and this is {principal}"),
            principal,
            resource: what.to_owned(),
            values: BTreeMap::new(),
            allowed,
            determining: vec![PolicyLine { id: "built-in".to_owned(), text }],
            errors: Vec::new(),
        }
    }

    fn ask(&self, set: &Parsed, action: &EntityUid, slice: &Slice) -> Result<Response, String> {
        let (principal, resource) = (slice.principal.clone(), slice.resource.clone());
        let request = Request::new(principal, action.clone(), resource, Context::empty(), Some(&self.schema));
        let request = request.map_err(|error| error.to_string())?;
        let entities = Entities::from_entities(slice.entities.iter().cloned(), None);
        let entities = entities.map_err(|error| error.to_string())?;
        Ok(self.authorizer.is_authorized(&request, &set.policies, &entities))
    }
}

impl Finding {
    fn take(&mut self, set: &Parsed, response: &Response) {
        let diagnostics = response.diagnostics();
        // Cedar hands both out in the order of a hash table.
        let errors: BTreeSet<String> = diagnostics.errors().map(|error| in_set(set, error)).collect();
        self.errors = errors.into_iter().collect();
        if !self.errors.is_empty() {
            return;
        }
        let determining: BTreeSet<&PolicyId> = diagnostics.reason().collect();
        let lines = determining.into_iter().filter_map(|id| set.clauses.get(id));
        self.determining =
            lines.map(|clause| PolicyLine { id: clause.name.clone(), text: clause.text.clone() }).collect();
        self.allowed = response.decision() == Decision::Allow;
    }

    fn in_words(&self, set: PolicyNumber, action: &str) -> String {
        let Self { principal, resource, errors, .. } = self;
        let names = self.determining.iter().map(|line| line.id.as_str()).collect::<Vec<_>>().join(", ");
        let asked = format!("{principal}{} to {action} {resource}{}", self.owner("principal"), self.owner("resource"));
        match errors.first() {
            Some(error) => format!("policy set {set} cannot be evaluated for {asked}, which is a refusal: {error}"),
            None if self.allowed => format!("policy set {set} permits {asked}: {names}"),
            None if names.is_empty() => format!("no policy of set {set} permits {asked}"),
            None => format!("policy set {set} forbids {asked}: {names}"),
        }
    }

    /// ` (owner x)` where one is known, ` (no such agent)` where there ought to be one.
    fn owner(&self, role: &str) -> String {
        let value = |name: &str| self.values.get(&format!("{role}.{name}"));
        match (value("owner"), value("record")) {
            (Some(owner), _) => format!(" (owner {owner})"),
            (None, Some(_)) => " (no such agent)".to_owned(),
            (None, None) => String::new(),
        }
    }
}

/// An evaluation error, with the policy's name for people in place of Cedar's.
fn in_set(set: &Parsed, error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => {
            let name = set.clauses.get(error.policy_id()).map_or("a policy", |clause| &clause.name);
            format!("{name}: {}", error.inner())
        }
    }
}

fn shown(principal: &Principal) -> String {
    match principal {
        Principal::Agent(agent) => format!("Agent::{:?}", agent.name),
        Principal::Node { name, .. } => format!("Node::{name:?}"),
        Principal::User(name) => format!("User::{name:?}"),
    }
}
