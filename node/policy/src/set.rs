//! A policy set: the built-in schema and starter policies, the check before a set is proposed, and the parsed form.
//!
//! Cedar's parser and validator recurse, so both run on a thread with a large stack of its own, behind the lexical
//! guard. Nothing here runs inside `apply`.

use crate::nesting;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, Validator};
use std::collections::BTreeMap;
use std::thread;

/// The schema of principals, resources and actions, in Cedar's own notation.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The policies that a fresh cluster starts with, as set 1.
pub const STARTER: &str = include_str!("starter.cedar");

/// The stack on which policies are parsed and validated.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Why a policy set is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The line, from 1.
    line: usize,
    /// The column in characters, from 1.
    column: usize,
}

impl Position {
    /// The first character.
    pub fn start() -> Self {
        Self { line: 1, column: 1 }
    }

    /// The character that begins at the byte `at`, or the end of the text.
    pub fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// An error at this place.
    pub fn error(self, message: String) -> PolicyError {
        PolicyError { line: self.line, column: self.column, message }
    }
}

/// One policy as people know it.
#[derive(Clone, Debug)]
pub struct Clause {
    /// Its `@id`, or its number in the set where it has none.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A set that is ready to judge by.
#[derive(Debug)]
pub struct Parsed {
    /// The policies.
    pub policies: PolicySet,
    /// What Cedar's ids stand for.
    pub clauses: BTreeMap<PolicyId, Clause>,
}

/// Parses the built-in schema.
///
/// # Panics
/// Never: the schema is a constant of this crate, and every test of the gate parses it.
pub fn schema() -> Schema {
    let parsed = Schema::from_cedarschema_str(SCHEMA);
    parsed.expect("the built-in schema is well-formed").0
}

/// Checks a policy set before it is proposed: size, nesting, grammar, and strictly against the schema.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn check(text: &str) -> Result<(), PolicyError> {
    nesting::guard(text)?;
    on_large_stack(|| {
        let parsed = parse_here(text)?;
        let report = Validator::new(schema()).validate(&parsed.policies, ValidationMode::Strict);
        let first = report.validation_errors().map(|error| locate(text, &DetailedError::from(error)));
        match first.min_by_key(|error| (error.line, error.column, error.message.clone())) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    })
}

/// Parses a set that was checked before it was committed.
pub fn parse(text: &str) -> Result<Parsed, PolicyError> {
    nesting::guard(text)?;
    on_large_stack(|| parse_here(text))
}

fn parse_here(text: &str) -> Result<Parsed, PolicyError> {
    let policies: PolicySet =
        text.parse().map_err(|error: cedar_policy::ParseErrors| locate(text, &DetailedError::from(&error)))?;
    if let Some(template) = policies.templates().next() {
        let message =
            format!("{} has a slot (?principal or ?resource), and there is nothing to fill it", template.id());
        let at = text.find("?principal").or_else(|| text.find("?resource")).unwrap_or(0);
        return Err(Position::of(text, at).error(message));
    }
    let clauses = policies.policies().map(|policy| {
        let name = policy.annotation("id").filter(|name| !name.is_empty());
        let name = name.map_or_else(|| policy.id().to_string(), str::to_owned);
        (policy.id().clone(), Clause { name, text: policy.to_string() })
    });
    Ok(Parsed { clauses: clauses.collect(), policies })
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
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, PolicyError> + Send) -> Result<T, PolicyError> {
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
