//! `bench`: how fast a running cluster is.

use crate::context::{Context, failure};
use crate::output::{Output, cell, table};
use crate::progress::Progress;
use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use symbi_api::bench::{Layer, Work};
use symbi_server::failure::Failure;

mod http;

/// What a run takes beside its own time: agents that are made and removed.
const AROUND: Duration = Duration::from_secs(120);

/// The verbs of `bench`.
#[derive(Subcommand)]
pub enum Verb {
    /// Measure writes: notes of 256 bytes on agents, committed and on a majority's disks
    #[command(after_help = "Examples:\n  symbi-node bench write --clients 64 --seconds 10 -o json")]
    Write(Run),
    /// Measure questions of 256 bytes between agents on different nodes, with their answers
    #[command(
        after_help = "Examples:\n  symbi-node bench ask --clients 64\n  symbi-node bench ask --clients 64 --sessions 100"
    )]
    Ask(Talk),
    /// Measure messages of 256 bytes between agents on different nodes
    #[command(
        after_help = "Examples:\n  symbi-node bench tell --clients 256\n  symbi-node bench tell --layers +ledger\n\nA message's time is until it is in the receiver's mailbox. The rate counts it when the receiver's node has verified the signature over it; other traffic to that node counts with it, so measure an idle cluster.\n\nWith --layers no agent is spoken to: messages of the same size and form go through the stages of a message's way, one stage more in each line, in flushes of up to 64, over the real connection to a sink of its own in another node. So the table shows what each stage costs; there is no way to leave one out for agents."
    )]
    Tell(Tell),
    /// Measure decisions of the node's gate, each on a question between two agents
    #[command(after_help = "Examples:\n  symbi-node bench policy --clients 1")]
    Policy(Run),
    /// Measure agents from their record to their place; each is removed before its client makes the next
    #[command(after_help = "Examples:\n  symbi-node bench place --clients 16")]
    Place(Run),
}

/// The flags of every run.
#[derive(Args, Clone)]
pub struct Run {
    /// How many clients work at once, each with one thing under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// For how long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=300))]
    seconds: u16,
    /// Run the clients here, over HTTP, instead of inside the node; at most 256
    #[arg(long)]
    http: bool,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// The flags of a run with messages.
#[derive(Args)]
pub struct Talk {
    /// The run.
    #[command(flatten)]
    run: Run,
    /// Between how many pairs of agents
    #[arg(long, value_enum, default_value_t = Sessions::One)]
    sessions: Sessions,
}

/// The flags of `bench tell`.
#[derive(Args)]
pub struct Tell {
    /// The run.
    #[command(flatten)]
    talk: Talk,
    /// Measure the stages of a message's way one by one, up to this one, each for the given time
    #[arg(long, value_enum, value_name = "LAYER", conflicts_with_all = ["http", "sessions"])]
    layers: Option<Layers>,
}

/// How many sessions.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sessions {
    /// Between two agents.
    #[value(name = "1")]
    One,
    /// Between ten agents and ten others.
    #[value(name = "100")]
    Hundred,
}

/// A stage of a message's way.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layers {
    /// Only the connection.
    #[value(name = "bare")]
    Bare,
    /// Sealing and opening too.
    #[value(name = "+seal")]
    Seal,
    /// Signing and verifying too.
    #[value(name = "+sign")]
    Sign,
    /// The gate's decisions too.
    #[value(name = "+gate")]
    Gate,
    /// Ledgers too: all of it.
    #[value(name = "+ledger")]
    Ledger,
}

/// What is to be run.
struct Plan {
    /// What is measured.
    work: Work,
    /// The flags.
    run: Run,
    /// Between how many pairs of agents.
    sessions: usize,
    /// The last layer.
    layers: Option<Layer>,
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    let plan = plan(verb);
    let report = if plan.run.http { http::measure_here(&plan).await? } else { native(&plan).await? };
    plan.run.output.print(&report, show);
    Ok(())
}

fn plan(verb: Verb) -> Plan {
    let plain = |work, run| Plan { work, run, sessions: 1, layers: None };
    let talk = |work, Talk { run, sessions }: Talk, layers| {
        let sessions = if sessions == Sessions::Hundred { 100 } else { 1 };
        Plan { work, run, sessions, layers }
    };
    match verb {
        Verb::Write(run) => plain(Work::Write, run),
        Verb::Policy(run) => plain(Work::Policy, run),
        Verb::Place(run) => plain(Work::Place, run),
        Verb::Ask(asked) => talk(Work::Ask, asked, None),
        Verb::Tell(tell) => talk(Work::Tell, tell.talk, tell.layers.map(layer)),
    }
}

fn layer(layer: Layers) -> Layer {
    match layer {
        Layers::Bare => Layer::Bare,
        Layers::Seal => Layer::Seal,
        Layers::Sign => Layer::Sign,
        Layers::Gate => Layer::Gate,
        Layers::Ledger => Layer::Ledger,
    }
}

/// Has the node run it, and says meanwhile how long it still takes.
async fn native(plan: &Plan) -> Result<Value, Failure> {
    let Plan { work, run, sessions, layers } = plan;
    let mut body =
        json!({ "bench": work.name(), "clients": run.clients, "seconds": run.seconds, "sessions": sessions });
    if let Some(layer) = layers {
        body["layers"] = layer.name().into();
    }
    let rounds = layers.map_or(1, |last| Layer::ALL.iter().filter(|layer| **layer <= last).count());
    let length = Duration::from_secs(u64::from(run.seconds)) * u32::try_from(rounds).unwrap_or(1);
    let mut client = run.context.client()?;
    client.timeout = length + AROUND;
    let sent = client.send(Method::POST, "/api/v1/bench", Some(&body), &[]);
    let report = meanwhile(&format!("bench {}", work.name()), length, sent).await;
    report.map_err(|error| failure(&error))
}

/// Awaits `work`, and says each second how much of `length` is left.
async fn meanwhile<T>(what: &str, length: Duration, work: impl Future<Output = T>) -> T {
    let (began, mut progress) = (Instant::now(), Progress::new());
    progress.say(&format!("{what} for {} s", length.as_secs()));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = tick.tick() => progress.elapsed(what, began.elapsed(), length),
        }
    }
}

fn show(report: &Value) -> String {
    const FIGURES: [&str; 5] = ["operations", "rate", "p50_us", "p99_us", "max_us"];
    let layers = report["layers"].as_array().is_some_and(|layers| !layers.is_empty());
    let (rows, first) = if layers { (report["layers"].clone(), "layer") } else { (json!([report]), "bench") };
    let clients = report["clients"].as_u64().unwrap_or_default();
    let mut text = table(&rows, &[&[first][..], &FIGURES[..]].concat());
    text.push_str(&format!("\n\n{clients} clients, {}", cell(&report["path"])));
    if let Some(sessions) = report["sessions"].as_u64() {
        text.push_str(&format!(", {sessions} {}", if sessions == 1 { "session" } else { "sessions" }));
    }
    for row in rows.as_array().into_iter().flatten() {
        for (error, count) in row["errors"].as_object().into_iter().flatten() {
            text.push_str(&format!("\n{count} errors: {error}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::show;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_run_is_one_line_and_its_errors() {
        let report = json!({
            "bench": "ask", "path": "native", "clients": 64, "sessions": 100, "operations": 150_000, "seconds": 10.0,
            "rate": 15_000.0, "p50_us": 4_100.5, "p99_us": 9_000.0, "max_us": 20_000.0, "errors": { "denied": 3 },
        });
        expect![[r#"
            BENCH  OPERATIONS  RATE     P50_US  P99_US  MAX_US
            ask    150000      15000.0  4100.5  9000.0  20000.0

            64 clients, native, 100 sessions
            3 errors: denied"#]]
        .assert_eq(&show(&report));
    }

    #[test]
    fn layers_are_a_line_each() {
        let line = |layer: &str, rate: f64| {
            json!({ "layer": layer, "operations": 10, "seconds": 1.0, "rate": rate, "p50_us": 1.0, "p99_us": 2.0,
                    "max_us": 3.0, "errors": {} })
        };
        let layers = [line("bare", 200.0), line("+seal", 150.0)];
        expect![[r#"
            LAYER  OPERATIONS  RATE   P50_US  P99_US  MAX_US
            bare   10          200.0  1.0     2.0     3.0
            +seal  10          150.0  1.0     2.0     3.0

            8 clients, layers"#]]
        .assert_eq(&show(&json!({ "bench": "tell", "path": "layers", "clients": 8, "layers": layers })));
    }
}
