//! Colour, for people only: where a stream is a terminal and `NO_COLOR` does not say otherwise (<https://no-color.org>).

use rustix::fd::AsFd;
use symbi_server::failure::Failure;

/// Bold.
const BOLD: &str = "\x1b[1m";
/// Bold and red.
const ALARM: &str = "\x1b[1;31m";
/// As before.
const PLAIN: &str = "\x1b[0m";

/// Whether colour may be written to `stream`.
pub fn is_wanted(stream: impl AsFd) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !refused && !dumb && rustix::termios::isatty(stream)
}

/// A failure as standard error shows it.
pub fn failure(failure: &Failure) -> String {
    let plain = failure.to_string();
    match plain.split_once(": ") {
        Some((head, rest)) if is_wanted(std::io::stderr()) => format!("{ALARM}{head}{PLAIN}: {rest}"),
        _ => plain,
    }
}

/// A table, its head in bold where standard output is a terminal.
pub fn table(text: &str) -> String {
    match text.split_once('\n') {
        Some((head, rows)) if is_wanted(std::io::stdout()) => format!("{BOLD}{head}{PLAIN}\n{rows}"),
        None if is_wanted(std::io::stdout()) => format!("{BOLD}{text}{PLAIN}"),
        _ => text.to_owned(),
    }
}
