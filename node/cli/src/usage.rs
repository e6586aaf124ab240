//! A command line that cannot be understood, in the form of every other error: what, why, and the help that has the answer.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use std::ffi::OsString;
use symbi_server::failure::Failure;

/// The code and exit code of every one.
const USAGE: (u8, &str) = (2, "USAGE");

/// What an operator is told of clap's `error` about `words`, the first of which is the program.
pub fn failure(error: &Error, root: &Command, words: &[OsString]) -> Failure {
    let (verb, command) = asked(root, words);
    let (what, why) = told(error, &verb, command);
    let mut fix = format!("see '{verb} --help'");
    if let Some(meant) = suggestion(error) {
        fix = format!("did you mean '{meant}'? {fix}");
    }
    let failure = Failure::new(USAGE.0, USAGE.1, what).fix(fix);
    match why {
        Some(why) => failure.why(why),
        None => failure,
    }
}

/// The verb that was asked for, as far as the words name one.
fn asked<'root>(root: &'root Command, words: &[OsString]) -> (String, &'root Command) {
    let (mut path, mut command) = (root.get_name().to_owned(), root);
    for word in words.iter().skip(1) {
        let Some(below) = word.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        path = format!("{path} {}", below.get_name());
        command = below;
    }
    (path, command)
}

/// What is wrong, and why.
fn told(error: &Error, verb: &str, command: &Command) -> (String, Option<String>) {
    let arg = || text(error, ContextKind::InvalidArg).unwrap_or_else(|| "an argument".to_owned());
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value.is_empty() => {
            (format!("{} needs a value", arg()), reason(error))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            (format!("{value:?} is not a valid value for {}", arg()), reason(error))
        }
        ErrorKind::UnknownArgument => (format!("'{verb}' takes no {}", arg()), None),
        ErrorKind::InvalidSubcommand => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            (format!("'{verb}' has no verb {word:?}"), verbs(command))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            (format!("'{verb}' needs a verb"), verbs(command))
        }
        ErrorKind::MissingRequiredArgument => (format!("'{verb}' needs {}", arg()), None),
        ErrorKind::ArgumentConflict => {
            let other = text(error, ContextKind::PriorArg).unwrap_or_else(|| "another".to_owned());
            (format!("{} and {other} cannot be given together", arg()), None)
        }
        _ => (first_line(error), None),
    }
}

/// Why a value is refused: what the value's own parser says, or the values that there are.
fn reason(error: &Error) -> Option<String> {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let known = text(error, ContextKind::ValidValue).filter(|known| !known.is_empty());
    source.or_else(|| known.map(|known| format!("it takes one of: {known}")))
}

fn verbs(command: &Command) -> Option<String> {
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let names: Vec<&str> = shown.map(Command::get_name).collect();
    (!names.is_empty()).then(|| format!("its verbs are {}", names.join(", ")))
}

fn suggestion(error: &Error) -> Option<String> {
    [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::Strings(several) => several.last().cloned(),
            other => Some(other.to_string()),
        })
        .filter(|meant| !meant.is_empty())
}

fn text(error: &Error, kind: ContextKind) -> Option<String> {
    error.get(kind).map(ToString::to_string)
}

fn first_line(error: &Error) -> String {
    let whole: StyledStr = error.render();
    let whole = whole.to_string();
    let line = whole.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
