//! `audit tail --follow`: the last records, then each that comes, until the user interrupts it. A node that does not answer for
//! a while, because it restarts for instance, is asked again, behind the last record that was printed.

use super::{COLUMNS, readable};
use crate::context::{Context, failure};
use crate::output::{Output, cell};
use crate::style;
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;
use std::time::Duration;
use symbi_api::client::{Client, Error};
use symbi_server::failure::Failure;

/// For how long a node is to wait for a record, s.
const WAIT_S: u64 = 10;
/// Between two questions to a node that does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// The exit code of what a node may answer in a while: it is not reached, or serves nothing just now.
const LATER: u8 = 5;
/// How wide each column is at least; what is longer pushes the rest to the right. The last needs no width.
const WIDTHS: [usize; 6] = [10, 24, 18, 16, 24, 0];

/// Prints the last `records`, then each that comes.
///
/// # Errors
/// When the node does not answer at first, or refuses.
pub async fn follow(records: u64, context: &Context, output: Output) -> Result<(), Failure> {
    tokio::select! {
        ended = print_all(records, context, output) => ended,
        Ok(()) = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn print_all(records: u64, context: &Context, output: Output) -> Result<(), Failure> {
    let client = context.client()?;
    let newest = client.get(&format!("/api/v1/audit?last={records}")).await.map_err(|error| failure(&error))?;
    if !output.is_json() && print(&head())?.is_break() {
        return Ok(());
    }
    // Behind the id of no record is the whole chain.
    let mut last = "0.0".to_owned();
    let mut come = newest;
    loop {
        for record in come.as_array().into_iter().flatten() {
            if let Some(id) = record["id"].as_str() {
                id.clone_into(&mut last);
            }
            let line = if output.is_json() { record.to_string() } else { row(record) };
            if print(&line)?.is_break() {
                return Ok(());
            }
        }
        come = next(&client, &last).await?;
    }
}

/// The records behind one, none if none came for a while: asked for until the node answers.
async fn next(client: &Client, last: &str) -> Result<Value, Failure> {
    let patient = Client { timeout: client.timeout + Duration::from_secs(WAIT_S), ..client.clone() };
    let path = format!("/api/v1/audit?after={last}&wait={WAIT_S}");
    let mut is_told = false;
    loop {
        let met = match patient.get(&path).await {
            Ok(records) => {
                if is_told {
                    eprintln!("the node answers again");
                }
                return Ok(records);
            }
            Err(error) => error,
        };
        let told = failure(&met);
        if told.exit != LATER && !matches!(met, Error::TimedOut(_)) {
            return Err(told);
        }
        if !is_told {
            let why = told.why.map(|why| format!(" ({why})")).unwrap_or_default();
            eprintln!("{}{why}; asking again until it answers", told.what);
            is_told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Prints a line, and says to go on unless whoever reads has gone.
fn print(line: &str) -> Result<ControlFlow<()>, Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Failure::new(1, "FILE", "cannot write to standard output")
            .why(error.to_string())
            .fix("see that what it is sent to takes it; 'audit tail --follow' prints the last records again")),
        Ok(()) => Ok(ControlFlow::Continue(())),
    }
}

fn head() -> String {
    style::table(&columns(COLUMNS.map(str::to_uppercase)))
}

fn row(record: &Value) -> String {
    let mut record = record.clone();
    readable(&mut record);
    columns(COLUMNS.map(|column| cell(&record[column])))
}

fn columns(cells: [String; 6]) -> String {
    let padded = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{head, row};
    use serde_json::json;

    #[test]
    fn rows_stand_below_their_heads() {
        let record = json!({
            "id": "912.0", "time_ms": 1_800_000_000_000_u64, "kind": "agent.create", "actor": "user:admin",
            "subject": "node:0a", "outcome": "DONE", "names": { "0a": "n1" },
        });
        let (head, row) = (head(), row(&record));
        let at = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("{word} is not in {line:?}"));
        for (name, value) in [
            ("ID", "912.0"),
            ("TIME", "2027-01-15T08:00:00.000Z"),
            ("KIND", "agent.create"),
            ("ACTOR", "user:admin"),
            ("SUBJECT", "node:n1"),
            ("OUTCOME", "DONE"),
        ] {
            assert_eq!(at(&head, name), at(&row, value), "{name}:\n{head}\n{row}");
        }
    }
}
