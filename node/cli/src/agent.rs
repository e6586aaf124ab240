//! `agent`: run agents and talk to them.

mod anew;

use crate::context::{Context, Plain, failure, unreadable};
use crate::lookup::{self, path};
use crate::output::{Output, cell, pairs, print_json, table};
use crate::progress::Progress;
use crate::value;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use symbi_api::client::{Client, segment};
use symbi_api::dto::spec::{Spec, with_suggestion};
use symbi_server::failure::Failure;

/// How often a waiting verb looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The verbs of `agent`.
#[derive(Subcommand)]
pub enum Verb {
    /// Record an agent from its specification; the cluster places and starts it
    #[command(
        after_help = "Examples:\n  symbi-node agent run reviewer.toml --wait\n\nA specification:\n  name = \"reviewer-1\"\n  owner = \"demo\"\n  labels = [\"team=x\"]      # for policies; default: none\n  [program]\n  command = [\"python3\", \"/abs/path/reviewer.py\"]\n  [resources]              # default: 128 MiB, 100\n  memory_mb = 128\n  cpu_millis = 250\n  [placement]\n  tier = \"process\"         # the default\n  require = [\"zone=a\"]     # labels that its node must have; default: none\n  strategy = \"spread\"      # spread (the default), best-fit, first-fit\n  priority = 10            # a higher one is placed first; default: 0\n  [restart]\n  policy = \"always\"        # always, on-failure (the default), never"
    )]
    Run(Run),
    /// List agents
    #[command(after_help = "Examples:\n  symbi-node agent ls -o json")]
    Ls(Plain),
    /// Show an agent
    #[command(after_help = "Examples:\n  symbi-node agent show reviewer-1")]
    Show(Named),
    /// Print the last lines that an agent wrote
    #[command(after_help = "Examples:\n  symbi-node agent logs reviewer-1 --lines 20")]
    Logs {
        /// The agent: its name or id, or the beginning of one that fits no other
        #[arg(value_parser = value::agent)]
        name: String,
        /// How many lines
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        lines: u32,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
    /// Stop an agent; its record stays
    #[command(after_help = "Examples:\n  symbi-node agent stop reviewer-1")]
    Stop(Target),
    /// Start an agent that was stopped, or that has ended
    #[command(after_help = "Examples:\n  symbi-node agent start reviewer-1 --wait")]
    Start(Again),
    /// End an agent and start it anew, on the same node if that has room
    #[command(
        after_help = "Its process is ended as by a stop, its placement is released, and it is placed anew under a higher epoch: nothing that\nthe old process still tries is accepted.\n\nExamples:\n  symbi-node agent restart reviewer-1 --wait"
    )]
    Restart(Again),
    /// Give an agent another specification; if it runs, it is started anew with it
    #[command(
        after_help = "The file is one of 'agent run'; name and owner stay. You need permission to update the agent (agent::update), and to create one\nof the new specification (agent::create). The old specification is kept for 'agent rollback'.\n\nExamples:\n  symbi-node agent update reviewer.toml --dry-run\n  symbi-node agent update reviewer.toml --wait\n  symbi-node agent update reviewer.toml --version 3    # refused if another write came first\n\nExit codes: 0 done or nothing to do, 1 refused (VERSION_MOVED, FIXED), 3 no such agent, 4 denied, 6 deadline exceeded."
    )]
    Update(Update),
    /// Give an agent the specification that it had before its last update
    #[command(
        after_help = "A rollback is an update like any other: rolled back twice, an agent has what it had.\n\nExamples:\n  symbi-node agent rollback reviewer-1 --wait"
    )]
    Rollback(Again),
    /// Stop an agent and remove its record
    #[command(after_help = "Examples:\n  symbi-node agent rm reviewer-1")]
    Rm(Target),
    /// Set a note on an agent, at most 4 KiB
    #[command(after_help = "Examples:\n  symbi-node agent annotate reviewer-1 ticket OPS-7")]
    Annotate {
        /// The agent: its whole name or id
        #[arg(value_parser = value::agent)]
        name: String,
        /// The note's key
        #[arg(value_parser = value::annotation_key)]
        key: String,
        /// The note
        #[arg(value_parser = value::annotation)]
        value: String,
        /// The node.
        #[command(flatten)]
        context: Context,
    },
    /// Ask an agent and print its answer
    #[command(
        after_help = "Examples:\n  symbi-node agent ask reviewer-1 '{\"name\": \"serde\"}'\n  symbi-node agent ask reviewer-1 @question.json --from other-agent\n\nExit codes: 0 answer, 4 denied, 5 not delivered, 6 deadline exceeded or outcome unknown."
    )]
    Ask(Message),
    /// Tell an agent something, without an answer
    #[command(after_help = "Examples:\n  echo '{\"go\": true}' | symbi-node agent tell coordinator -")]
    Tell(Message),
}

/// The flags of `agent run`.
#[derive(Args)]
pub struct Run {
    /// The specification, TOML
    #[arg(value_parser = value::path)]
    file: PathBuf,
    /// Wait until the agent runs and has answered `initialize`
    #[arg(long)]
    wait: bool,
    /// The node.
    #[command(flatten)]
    context: Context,
}

/// The flags of a read of one agent.
#[derive(Args)]
pub struct Named {
    /// The agent: its name or id, or the beginning of one that fits no other
    #[arg(value_parser = value::agent)]
    name: String,
    /// The node.
    #[command(flatten)]
    context: Context,
    /// The form.
    #[command(flatten)]
    output: Output,
}

/// The flags of a write to one agent.
#[derive(Args)]
pub struct Target {
    /// The agent: its whole name or id
    #[arg(value_parser = value::agent)]
    name: String,
    /// The node.
    #[command(flatten)]
    context: Context,
}

/// The flags of what starts an agent anew.
#[derive(Args)]
pub struct Again {
    /// The agent: its whole name or id
    #[arg(value_parser = value::agent)]
    pub name: String,
    /// Only if its record is of this version; 'agent show' prints it
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,
    /// Wait until the agent runs and has answered `initialize`
    #[arg(long)]
    pub wait: bool,
    /// The node.
    #[command(flatten)]
    pub context: Context,
}

/// The flags of `agent update`.
#[derive(Args)]
pub struct Update {
    /// The specification, TOML
    #[arg(value_parser = value::path)]
    pub file: PathBuf,
    /// Only if its record is of this version; 'agent show' prints it
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until the agent runs with it and has answered `initialize`
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// The node.
    #[command(flatten)]
    pub context: Context,
    /// The form.
    #[command(flatten)]
    pub output: Output,
}

/// The flags of a message.
#[derive(Args)]
pub struct Message {
    /// The agent: its whole name or id
    #[arg(value_parser = value::agent)]
    name: String,
    /// JSON, @FILE, or - for standard input
    payload: String,
    /// Send as this agent (needs the admin token; audited)
    #[arg(long, value_name = "AGENT", value_parser = value::agent)]
    from: Option<String>,
    /// The node.
    #[command(flatten)]
    context: Context,
}

/// Does it.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Run(run) => self::run_agent(run).await,
        Verb::Ls(read) => {
            let agents = get(&read.context, "/api/v1/agents").await?;
            read.output.print(&agents, |agents| table(agents, &["name", "state", "node", "epoch", "id"]));
            Ok(())
        }
        Verb::Show(named) => {
            let agent = lookup::read(&named.context.client()?, &named.name, "").await?;
            named.output.print(&agent, show);
            Ok(())
        }
        Verb::Logs { name, lines, context } => {
            let logs = lookup::read(&context.client()?, &name, &format!("/logs?lines={lines}")).await?;
            for line in logs["lines"].as_array().into_iter().flatten() {
                // What an agent writes must not steer the terminal.
                println!("{}", cell(line).replace(|letter: char| letter.is_control() && letter != '\t', "\u{fffd}"));
            }
            Ok(())
        }
        Verb::Stop(target) => write(&target.context, Method::POST, &path(&target.name, "/stop"), None).await,
        Verb::Start(again) => anew::again(again, "start").await,
        Verb::Restart(again) => anew::again(again, "restart").await,
        Verb::Rollback(again) => anew::again(again, "rollback").await,
        Verb::Update(update) => anew::update(update).await,
        Verb::Rm(target) => write(&target.context, Method::DELETE, &path(&target.name, ""), None).await,
        Verb::Annotate { name, key, value, context } => {
            let at = path(&name, &format!("/annotations/{}", segment(&key)));
            write(&context, Method::PUT, &at, Some(json!({ "value": value }))).await
        }
        Verb::Ask(message) => ask(message).await,
        Verb::Tell(message) => tell(message).await,
    }
}

async fn get(context: &Context, path: &str) -> Result<Value, Failure> {
    context.client()?.get(path).await.map_err(|error| failure(&error))
}

async fn write(context: &Context, method: Method, path: &str, body: Option<Value>) -> Result<(), Failure> {
    let sent = context.client()?.send(method, path, body.as_ref(), &context.write_headers()).await;
    print_json(&sent.map_err(|error| failure(&error))?);
    Ok(())
}

/// The agent's name and the body of a request, from a specification's file.
fn read_spec(file: &Path) -> Result<(String, Value), Failure> {
    let bad = |what: String| {
        Failure::new(2, "SPEC", format!("{} is not a valid agent specification", file.display()))
            .why(what)
            .fix("see the example in 'symbi-node agent run --help'")
    };
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let spec: Spec = toml::from_str(&text).map_err(|error| bad(with_suggestion(&error.to_string())))?;
    spec.clone().into_model().map_err(|error| bad(error.to_string()))?;
    let body = serde_json::to_value(&spec).map_err(|error| bad(error.to_string()))?;
    Ok((spec.name, body))
}

async fn run_agent(run: Run) -> Result<(), Failure> {
    let (_, body) = read_spec(&run.file)?;
    let client = run.context.client()?;
    let headers = run.context.write_headers();
    let sent = client.send(Method::POST, "/api/v1/agents", Some(&body), &headers).await;
    let created = sent.map_err(|error| failure(&error))?;
    if run.wait {
        wait_running(&client, &created, None, run.context.timeout()).await?;
    }
    print_json(&created);
    Ok(())
}

/// Waits until the agent of that name runs, as of the index, under another epoch than `before`.
async fn wait_running(
    client: &Client,
    written: &Value,
    before: Option<u64>,
    patience: Duration,
) -> Result<(), Failure> {
    let name = cell(&written["name"]);
    let at = format!("{}?at={}", path(&name, ""), written["index"]);
    let until = Instant::now() + patience;
    let mut last = Value::Null;
    let mut progress = Progress::new();
    while Instant::now() < until {
        let agent = client.get(&at).await.map_err(|error| failure(&error))?;
        let place = agent["node"].as_str().map(|node| format!(" on {node}")).unwrap_or_default();
        progress.say(&format!("agent {name} is {}{place}", cell(&agent["state"])));
        let anew = before.is_none() || agent["epoch"].as_u64() != before;
        match agent["state"].as_str() {
            Some("running" | "completed") if anew => return Ok(()),
            Some("failed") if anew => {
                return Err(Failure::new(1, "AGENT_FAILED", format!("agent {name} has failed"))
                    .why(cell(&agent["detail"]))
                    .fix(format!("see what it wrote: symbi-node agent logs {name}"))
                    .undo("nothing: the agent stays recorded"));
            }
            _ => last = agent,
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let what = format!("agent {name} is not running after {patience:?}; it is {}", cell(&last["state"]));
    Err(Failure::new(6, "DEADLINE", what)
        .why(cell(&last["detail"]))
        .fix(format!("see why: symbi-node why agent {name}"))
        .undo("nothing: the agent stays recorded"))
}

fn show(agent: &Value) -> String {
    let spec = &agent["spec"];
    let words = |value: &Value| value.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join(" ");
    let mut text = pairs(&[
        ("agent", format!("{}  id {}", cell(&agent["name"]), cell(&agent["id"]))),
        ("owner", cell(&spec["owner"])),
        ("state", format!("{} (wanted: {})", cell(&agent["state"]), cell(&agent["desired"]))),
        ("detail", cell(&agent["detail"])),
        ("node", cell(&agent["node"])),
        ("epoch", cell(&agent["epoch"])),
        ("restarts", cell(&agent["restarts"])),
        ("program", words(&spec["program"]["command"])),
        ("labels", words(&spec["labels"])),
        ("requires", words(&spec["placement"]["require"])),
        ("strategy", format!("{}, priority {}", cell(&spec["placement"]["strategy"]), spec["placement"]["priority"])),
        ("memory", format!("{} MiB", spec["resources"]["memory_mb"])),
        ("cpu", format!("{} thousandths of a core", spec["resources"]["cpu_millis"])),
        ("limits", cell(&agent["limits"])),
        ("version", cell(&agent["version"])),
        (
            "spec",
            format!(
                "{} (as the audit names it; document version {})",
                cell(&agent["spec_hash"]),
                agent["spec_version"]
            ),
        ),
        ("before", cell(&agent["previous_spec_hash"])),
    ]);
    for (key, value) in agent["annotations"].as_object().into_iter().flatten() {
        text.push_str(&format!("\n  {key} = {}", cell(value)));
    }
    text
}

fn payload(text: &str) -> Result<Value, Failure> {
    let read = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file),
        None if text == "-" => {
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input).map(|_| input)
        }
        None => Ok(text.to_owned()),
    };
    let read = read.map_err(|error| {
        Failure::new(1, "FILE", "cannot read the payload")
            .why(error.to_string())
            .fix("name a file that is there: @question.json")
    })?;
    serde_json::from_str(&read).map_err(|error| {
        Failure::new(2, "PAYLOAD", "the payload is not JSON").why(error.to_string()).fix("quote texts: '\"hello\"'")
    })
}

async fn send(kind: &str, message: &Message) -> Result<Value, Failure> {
    let timeout = u64::try_from(message.context.timeout().as_millis()).unwrap_or(u64::MAX);
    let mut body = json!({ "kind": kind, "payload": payload(&message.payload)?, "timeout_ms": timeout });
    if let Some(from) = &message.from {
        body["from"] = Value::String(from.clone());
    }
    let sent = message.context.client()?.send(Method::POST, &path(&message.name, "/messages"), Some(&body), &[]).await;
    sent.map_err(|error| failure(&error))
}

async fn ask(message: Message) -> Result<(), Failure> {
    let asked = send("ask", &message).await?;
    let id = cell(&asked["message_id"]);
    match asked["ending"].as_str().unwrap_or_default() {
        "answer" => {
            print_json(&asked["payload"]);
            Ok(())
        }
        "denied" => Err(denied(&asked)),
        "not_delivered" => Err(Failure::new(5, "NOT_DELIVERED", format!("message {id} was not delivered"))
            .why(cell(&asked["reason"]))
            .fix(format!("see where it is: symbi-node why agent {}", message.name))),
        "deadline_exceeded" => {
            let delivered = if asked["delivered"] == true { "it was delivered" } else { "it was not delivered" };
            Err(Failure::new(6, "DEADLINE_EXCEEDED", format!("no answer to message {id} in time"))
                .why(delivered)
                .fix(format!("give it longer with --timeout; see what became of it: symbi-node msg show {id}")))
        }
        _ => Err(Failure::new(6, "OUTCOME_UNKNOWN", format!("it is not known whether message {id} was processed"))
            .why("the receiver, or the connection to it, was lost after the message was sent")
            .fix(format!("see what each node knows before you repeat it: symbi-node msg show {id}"))),
    }
}

async fn tell(message: Message) -> Result<(), Failure> {
    let told = send("tell", &message).await?;
    match told["status"].as_str().unwrap_or_default() {
        "denied" => Err(denied(&told)),
        "failed" => Err(Failure::new(5, "NOT_DELIVERED", "the message was not delivered")
            .why(cell(&told["reason"]))
            .fix(format!("see where it is: symbi-node why agent {}", message.name))),
        "pending" => Err(Failure::new(6, "OUTCOME_UNKNOWN", "it is not known whether the message arrived")
            .why("the connection to the receiver was lost after the message was sent")
            .fix(format!(
                "see what each node knows before you repeat it: symbi-node msg show {}",
                cell(&told["message_id"])
            ))),
        _ => {
            print_json(&told);
            Ok(())
        }
    }
}

fn denied(answer: &Value) -> Failure {
    Failure::new(4, "DENIED", "the policies do not permit this message")
        .why(cell(&answer["reason"]))
        .fix(format!("see why: symbi-node why decision {}", cell(&answer["decision"])))
}
