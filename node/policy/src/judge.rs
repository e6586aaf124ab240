//! A question put to one policy set: what is found, and the reason in words.
//!
//! Cedar skips a policy whose condition fails to evaluate, so that a failing `forbid` would allow. Here whatever fails
//! is a refusal.

use crate::act::ADMIN;
use crate::act::sealed::Who;
use crate::entities::{Kind, Slice, Types, Values};
use crate::set::{Parsed, schema};
use crate::verdict::{Nearest, PolicyLine};
use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request, Response,
    RestrictedExpression, Schema,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use symbi_model::PolicyNumber;

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
    pub types: Types,
    /// The actions of the schema, by name.
    actions: BTreeMap<String, EntityUid>,
}

/// What is asked of a set.
#[derive(Debug)]
pub struct Question<'a> {
    /// The action's name.
    pub action: &'a str,
    /// The two, and what is known of them.
    pub slice: Slice,
    /// The context: names and amounts.
    pub context: Vec<(&'a str, i64)>,
}

/// What was found. It is put in words when somebody reads it, which few ever are.
#[derive(Debug)]
pub struct Finding {
    /// The set that was judged by; 0 when there was none.
    pub policy_set: PolicyNumber,
    /// What was asked for.
    pub action: String,
    /// By whom, as policies name it.
    pub principal: EntityUid,
    /// To what.
    pub resource: To,
    /// What policies could look at of the two.
    pub values: Values,
    /// The context: names and amounts.
    pub context: Vec<(String, i64)>,
    /// Whether it is permitted.
    pub allowed: bool,
    /// The policies that determined it.
    pub determining: Vec<Arc<PolicyLine>>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// The finding in a sentence, where no policy was asked.
    said: Option<String>,
    /// Whether it was refused because no leader was heard.
    pub leaderless: bool,
    /// For a refusal that policies gave: what was asked of them, to find out what came nearest to permitting it.
    pub asked: Option<Asked>,
}

/// What an act is done to.
#[derive(Debug)]
pub enum To {
    /// What policies have a name for.
    Entity(EntityUid),
    /// What they have none for.
    Other(String),
}

/// A question as Cedar has it, and the set it was put to.
#[derive(Debug)]
pub struct Asked {
    /// The set.
    pub set: Arc<Parsed>,
    /// The question.
    pub request: Request,
    /// What is known.
    pub entities: Entities,
    /// What came nearest, once somebody has wanted to know: it takes a thread and many questions, and a sender that is refused in a
    /// loop is refused by one finding. None within if it is too long to be kept.
    pub nearest: OnceLock<Option<Vec<Nearest>>>,
}

impl Judge {
    /// Parses the built-in schema.
    pub fn new() -> Self {
        let schema = schema();
        let actions = schema.actions().map(|action| (action.id().unescaped().to_owned(), action.clone())).collect();
        Self { authorizer: Authorizer::new(), schema, types: Types::new(), actions }
    }

    /// The names of all actions, in order.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.keys().map(String::as_str)
    }

    /// What the set `number` says to a question.
    pub fn policies(&self, number: PolicyNumber, current: &Current, question: Question<'_>) -> Finding {
        let Question { action, mut slice, context } = question;
        let mut finding = Finding::of(number, action, slice.principal.clone(), To::Entity(slice.resource.clone()));
        finding.values = std::mem::take(&mut slice.values);
        finding.context = context.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
        let asked = current.clone().and_then(|set| self.ask(set, action, slice, &context));
        match asked {
            Ok((asked, response)) => {
                finding.take(&asked.set, &response);
                finding.asked = (!finding.allowed).then_some(asked);
            }
            Err(error) => finding.errors.push(error),
        }
        finding
    }

    /// What is denied because this node may have missed a change of the policies.
    pub fn leaderless(
        &self,
        number: PolicyNumber,
        action: &str,
        principal: Who<'_>,
        silent: Option<Duration>,
    ) -> Finding {
        let mut finding = Finding::of(number, action, self.named(principal), To::Other("-".to_owned()));
        finding.said = Some(match silent {
            Some(silent) => {
                let silent = silent.as_secs();
                format!("this node has heard no leader for {silent} s, so it permits nothing: its policies may be old")
            }
            None => "this node has heard no leader since it started, so it permits nothing".to_owned(),
        });
        finding.leaderless = true;
        finding
    }

    /// What needs an administrator, and no policy's leave: the user of that name, or one whom `set` has in the group of that name.
    pub fn administrator(&self, number: PolicyNumber, what: &str, principal: Who<'_>, set: &Parsed) -> Finding {
        let mut finding = Finding::of(number, what, self.named(principal), To::Other(what.to_owned()));
        let in_group = || match principal {
            Who::User(name) => set.members.groups("User", name).iter().any(|group| group.id().unescaped() == ADMIN),
            _ => false,
        };
        finding.allowed = principal == Who::User(ADMIN) || in_group();
        let needed = format!("User::{ADMIN:?} or a user in Group::{ADMIN:?}");
        finding.said = Some(format!("{what} needs {needed}, and this is {}", finding.principal));
        finding.determined_by(format!("what has no action of its own in the policies needs {needed}"))
    }

    /// What an API token does not allow, whatever its user may.
    pub fn out_of_scope(&self, number: PolicyNumber, what: &str, principal: Who<'_>, why: String) -> Finding {
        let mut finding = Finding::of(number, what, self.named(principal), To::Other("-".to_owned()));
        finding.said = Some(why);
        finding
            .determined_by("an API token is good for what is in its scope, until it expires or is revoked".to_owned())
    }

    /// Puts a request to a set, whatever it is for.
    pub fn response(&self, request: &Request, policies: &PolicySet, entities: &Entities) -> Response {
        self.authorizer.is_authorized(request, policies, entities)
    }

    fn ask(
        &self,
        set: Arc<Parsed>,
        action: &str,
        slice: Slice,
        context: &[(&str, i64)],
    ) -> Result<(Asked, Response), String> {
        let action = self.actions.get(action).ok_or_else(|| format!("there is no action {action:?}"))?;
        let context = if context.is_empty() {
            Context::empty()
        } else {
            let pairs =
                context.iter().map(|(name, amount)| ((*name).to_owned(), RestrictedExpression::new_long(*amount)));
            Context::from_pairs(pairs).map_err(|error| error.to_string())?
        };
        let Slice { principal, resource, entities, .. } = slice;
        let request = Request::new(principal, action.clone(), resource, context, Some(&self.schema));
        let request = request.map_err(|error| error.to_string())?;
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let response = self.response(&request, &set.policies, &entities);
        Ok((Asked { set, request, entities, nearest: OnceLock::new() }, response))
    }

    fn named(&self, principal: Who<'_>) -> EntityUid {
        let (kind, name) = match principal {
            Who::Agent(name) => (Kind::Agent, name),
            Who::Node { name, .. } => (Kind::Node, name),
            Who::User(name) | Who::Bearer { user: name, .. } => (Kind::User, name),
        };
        self.types.uid(kind, name)
    }
}

impl Finding {
    fn of(policy_set: PolicyNumber, action: &str, principal: EntityUid, resource: To) -> Self {
        Self {
            policy_set,
            action: action.to_owned(),
            principal,
            resource,
            values: Values::default(),
            context: Vec::new(),
            allowed: false,
            determining: Vec::new(),
            errors: Vec::new(),
            said: None,
            leaderless: false,
            asked: None,
        }
    }

    /// The same, determined by what no policy set can change.
    fn determined_by(mut self, text: String) -> Self {
        self.determining.push(Arc::new(PolicyLine { id: "built-in".to_owned(), text }));
        self
    }

    fn take(&mut self, set: &Parsed, response: &Response) {
        let diagnostics = response.diagnostics();
        // Cedar hands both out in the order of a hash table.
        let errors: BTreeSet<String> = diagnostics.errors().map(|error| in_set(set, error)).collect();
        self.errors = errors.into_iter().collect();
        if !self.errors.is_empty() {
            return;
        }
        let determining: BTreeSet<&PolicyId> = diagnostics.reason().collect();
        self.determining =
            determining.into_iter().filter_map(|id| set.clauses.get(id)).map(|clause| clause.line.clone()).collect();
        self.allowed = response.decision() == Decision::Allow;
    }

    /// The finding in a sentence.
    pub fn reason(&self) -> String {
        if let Some(said) = &self.said {
            return said.clone();
        }
        let Self { policy_set: set, principal, action, resource, errors, .. } = self;
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
        let value = |name: &str| self.values.get(role, name);
        match (value("owner"), value("record")) {
            (Some(owner), _) => format!(" (owner {owner})"),
            (None, Some(record)) if record.ends_with("such node") => " (no such node)".to_owned(),
            (None, Some(_)) => " (no such agent)".to_owned(),
            (None, None) => String::new(),
        }
    }

    /// All that policies could look at, by name: `principal.owner`, `context.bytes` and so on.
    pub fn looked_at(&self) -> BTreeMap<String, String> {
        let amounts = self.context.iter().map(|(name, amount)| (format!("context.{name}"), amount.to_string()));
        self.values.named().chain(amounts).collect()
    }
}

impl fmt::Display for To {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(uid) => uid.fmt(formatter),
            Self::Other(what) => what.fmt(formatter),
        }
    }
}

/// An evaluation error, with the policy's name for people in place of Cedar's.
fn in_set(set: &Parsed, error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => {
            let name = set.clauses.get(error.policy_id()).map_or("a policy", |clause| clause.line.id.as_str());
            format!("{name}: {}", error.inner())
        }
    }
}
