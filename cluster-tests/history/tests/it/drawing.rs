//! Histories as drawings: a line a client, time to the right.
//!
//! `[w1 ]` is a write of 1 from one bracket to the other, `[r1 ]` a read that saw 1, `-` is absence, and `[w1 >` is called
//! at its bracket and never returns. What stands in one column happens at once: calls before returns.

use std::time::Duration;
use symbi_history::{History, Ticket, Value};

/// An operation that was drawn.
struct Drawn<'a> {
    /// The line, from 0.
    client: usize,
    /// The column of its call.
    called: usize,
    /// The column of its return.
    returned: Option<usize>,
    /// What it does, as `w1`.
    what: &'a str,
}

/// The history of key `k` that was drawn.
pub fn history(drawing: &str) -> History {
    let mut drawn = Vec::new();
    for (client, line) in drawing.lines().enumerate() {
        let mut from = 0;
        while let Some(open) = line[from..].find('[').map(|at| from + at) {
            let close = open + line[open..].find([']', '>']).expect("an end of each operation");
            let returned = (line.as_bytes()[close] == b']').then_some(close);
            drawn.push(Drawn { client, called: open, returned, what: line[open + 1..close].trim() });
            from = close + 1;
        }
    }
    let calls = drawn.iter().enumerate().map(|(number, drawn)| (drawn.called, false, number));
    let returns =
        drawn.iter().enumerate().filter_map(|(number, drawn)| drawn.returned.map(|column| (column, true, number)));
    let mut events: Vec<(usize, bool, usize)> = calls.chain(returns).collect();
    events.sort_unstable();
    let mut history = History::default();
    let mut tickets: Vec<Option<Ticket>> = drawn.iter().map(|_| None).collect();
    for (column, returns, number) in events {
        let (Drawn { client, what, .. }, at) = (&drawn[number], Duration::from_secs(column as u64));
        let (writes, value) = (what.starts_with('w'), value(&what[1..]));
        match (&tickets[number], returns) {
            (Some(ticket), true) if writes => history.wrote(ticket, at),
            (Some(ticket), true) => history.saw(ticket, value, at),
            _ if writes => tickets[number] = Some(history.write(&format!("c{client}"), "k", value, at)),
            _ => tickets[number] = Some(history.read(&format!("c{client}"), "k", at)),
        }
    }
    history
}

fn value(text: &str) -> Value {
    (text != "-").then(|| text.to_owned())
}
