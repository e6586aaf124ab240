//! A policy set: the built-in schema and starter policies, the check before a set is proposed, and the parsed form.
//!
//! Cedar's parser and validator recurse, so both run on a thread with a large stack of its own, behind the lexical
//! guard. Nothing here runs inside `apply`.

use crate::est;
use crate::invalid::{Invalid, PolicyError, Position};
use crate::members::Members;
use crate::nesting;
use crate::verdict::PolicyLine;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, EntityUid, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use symbi_model::gate;

/// The schema of principals, resources and actions, in Cedar's own notation.
const SCHEMA: &str = include_str!("schema.cedarschema");

/// The policies that a fresh cluster starts with, as set 1.
pub const STARTER: &str = include_str!("starter.cedar");

/// The stack on which policies are parsed, validated and taken apart.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// No more than so many errors of one text are told.
const ERRORS: usize = 20;

/// One policy as people know it.
#[derive(Clone, Debug)]
pub struct Clause {
    /// Its place in the text, from 0.
    pub order: usize,
    /// Whether it has an `@id`.
    pub named: bool,
    /// Whether it permits; otherwise it forbids.
    pub permits: bool,
    /// Its name (the `@id`, or its number in the set where it has none) and its text.
    pub line: Arc<PolicyLine>,
}

/// A set that is ready to judge by.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The policies.
    pub policies: PolicySet,
    /// What Cedar's ids stand for.
    pub clauses: BTreeMap<PolicyId, Clause>,
    /// Who is in which group.
    pub members: Members,
    /// The entities that the policies' conditions name.
    pub literals: BTreeSet<EntityUid>,
}

/// A policy set that was checked and may be proposed. Only [`Candidate::check`] makes one.
#[derive(Debug)]
pub struct Candidate {
    /// The policies.
    text: String,
    /// Their entities.
    entities: String,
    /// Both, parsed.
    parsed: Arc<Parsed>,
}

impl Candidate {
    /// Checks a policy set before it is proposed: size, nesting, grammar, and strictly against the schema.
    ///
    /// # Errors
    /// What is wrong, each with its place.
    pub fn check(text: &str, entities: &str) -> Result<Self, Invalid> {
        let members = Members::parse(entities);
        let checked = nesting::guard(text).map_err(|error| vec![error]).and_then(|()| {
            let fallen = |error| vec![error];
            on_large_stack(|| Ok(check_here(text))).map_err(fallen)?
        });
        match (checked, members) {
            (Ok(mut parsed), Ok(members)) => {
                parsed.members = members;
                Ok(Self { text: text.to_owned(), entities: entities.to_owned(), parsed: Arc::new(parsed) })
            }
            (policies, entities) => {
                Err(Invalid { policies: policies.err().unwrap_or_default(), entities: entities.err() })
            }
        }
    }

    /// The policies.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Their entities.
    #[must_use]
    pub fn entities(&self) -> &str {
        &self.entities
    }

    /// How many policies there are.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.parsed.clauses.len()
    }

    /// It, parsed.
    pub(crate) fn parsed(&self) -> &Arc<Parsed> {
        &self.parsed
    }
}

/// The schema as text, with the actions of each gate that this program speaks.
#[must_use]
pub fn schema_text() -> String {
    let mut text = SCHEMA.to_owned();
    for number in gate::FIRST + 1..=gate::spoken() {
        for action in gate::actions(number) {
            text.push_str(&format!(
                "\n// From gate {number} on.\naction {action:?} appliesTo {{ principal: [User], resource: [Cluster] }};\n"
            ));
        }
    }
    text
}

/// Parses the built-in schema.
///
/// # Panics
/// Never: the schema is a constant of this crate, and every test of the gate parses it.
pub fn schema() -> Schema {
    let parsed = Schema::from_cedarschema_str(&schema_text());
    parsed.expect("the built-in schema is well-formed").0
}

/// Checks policies without entities.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn check(text: &str) -> Result<(), PolicyError> {
    match Candidate::check(text, symbi_model::policy::NO_ENTITIES) {
        Ok(_) => Ok(()),
        Err(invalid) => Err(invalid.policies.into_iter().next().expect("no entities are valid ones")),
    }
}

/// Parses a set that was checked before it was committed.
pub fn parse(text: &str, entities: &str) -> Result<Parsed, PolicyError> {
    nesting::guard(text)?;
    let members = Members::parse(entities)?;
    on_large_stack(|| {
        let parsed = parse_here(text).map_err(|errors| errors.into_iter().next().expect("an error"))?;
        Ok(Parsed { members, ..parsed })
    })
}

fn check_here(text: &str) -> Result<Parsed, Vec<PolicyError>> {
    let parsed = parse_here(text)?;
    let report = Validator::new(schema()).validate(&parsed.policies, ValidationMode::Strict);
    let errors = report.validation_errors().map(|error| locate(text, &DetailedError::from(error)));
    let errors = in_order(errors.chain(repeated(text, &parsed)));
    if errors.is_empty() { Ok(parsed) } else { Err(errors) }
}

/// Policies of the same name: nobody could tell which one decided.
fn repeated(text: &str, parsed: &Parsed) -> Vec<PolicyError> {
    let mut clauses: Vec<&Clause> = parsed.clauses.values().collect();
    clauses.sort_by_key(|clause| clause.order);
    let mut names = BTreeSet::new();
    let again = clauses.into_iter().filter(|clause| !names.insert(clause.line.id.as_str()));
    let errors = again.map(|clause| {
        let at = text.rfind(&clause.line.text).unwrap_or(0);
        Position::of(text, at).error(format!("a policy before this one has the name {:?} too", clause.line.id))
    });
    errors.collect()
}

fn in_order(errors: impl Iterator<Item = PolicyError>) -> Vec<PolicyError> {
    let mut errors: Vec<PolicyError> = errors.collect();
    errors.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
    errors.dedup();
    errors.truncate(ERRORS);
    errors
}

fn parse_here(text: &str) -> Result<Parsed, Vec<PolicyError>> {
    let policies: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        in_order(errors.iter().map(|error| locate(text, &DetailedError::from(error))))
    })?;
    if let Some(template) = policies.templates().next() {
        let message =
            format!("{} has a slot (?principal or ?resource), and there is nothing to fill it", template.id());
        let at = text.find("?principal").or_else(|| text.find("?resource")).unwrap_or(0);
        return Err(vec![Position::of(text, at).error(message)]);
    }
    let clauses = policies.policies().enumerate().map(|(order, policy)| {
        let name = policy.annotation("id").filter(|name| !name.is_empty());
        let id = name.map_or_else(|| policy.id().to_string(), str::to_owned);
        let (named, permits) = (name.is_some(), policy.effect() == Effect::Permit);
        let line = Arc::new(PolicyLine { id, text: policy.to_string() });
        (policy.id().clone(), Clause { order, named, permits, line })
    });
    let clauses = clauses.collect();
    let literals = policies.policies().flat_map(est::literals).collect();
    Ok(Parsed { clauses, policies, members: Members::default(), literals })
}

/// An error of Cedar's, with the place it names.
fn locate(text: &str, error: &DetailedError) -> PolicyError {
    let at = error.source_locations.iter().map(|label| label.loc.start).min();
    let label = error.source_locations.iter().find_map(|label| label.label.clone());
    let mut message = error.message.clone();
    for extra in [label, error.help.clone()].into_iter().flatten() {
        message = format!("{message} ({extra})");
    }
    at.map_or_else(Position::start, |at| Position::of(text, at)).error(message)
}

/// Runs `work` on a thread whose stack Cedar's recursion cannot exhaust behind the guard.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, PolicyError> + Send) -> Result<T, PolicyError> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("policy-parser".to_owned()).stack_size(STACK_BYTES);
        let worker = builder.spawn_scoped(scope, work);
        let refused = |what: &str| Position::start().error(format!("the policies could not be parsed: {what}"));
        match worker.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(refused("the parser failed")),
            Err(error) => Err(refused(&error.to_string())),
        }
    })
}
