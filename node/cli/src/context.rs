//! How a verb finds its node and its token, and what the node's refusals mean as exit codes.

use crate::output::Output;
use crate::value;
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use symbi_api::client::{Client, Error, Target};
use symbi_server::failure::Failure;
use symbi_server::options::{DATA_DIR, HTTP};

/// Where the node is, and the token that opens it.
#[derive(Args, Clone)]
pub struct Context {
    /// HTTP address of any node, host:port [default: the data directory's api.sock, without one 127.0.0.1:8080]
    #[arg(long, env = "SYMBI_ADDR", value_name = "ADDR", value_parser = value::address)]
    addr: Option<String>,
    /// File with the API token [default: SYMBI_TOKEN, SYMBI_TOKEN_FILE, the data directory's admin.token]
    #[arg(long, value_name = "FILE", value_parser = value::path)]
    api_token_file: Option<PathBuf>,
    /// Data directory of a node on this host, for its api.sock and admin.token [default: symbi-data, if it is there]
    #[arg(long, env = "SYMBI_DATA_DIR", value_name = "DIR", value_parser = value::path)]
    data_dir: Option<PathBuf>,
    /// How long to wait for the answer, at most 60 s for a write
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = value::patience)]
    timeout: Duration,
}

/// The flags of a plain read.
#[derive(Args)]
pub struct Plain {
    /// The node.
    #[command(flatten)]
    pub context: Context,
    /// The form.
    #[command(flatten)]
    pub output: Output,
}

impl Context {
    /// The client for this node.
    pub fn client(&self) -> Result<Client, Failure> {
        let target = match (&self.addr, self.directory()) {
            (Some(addr), _) => Target::Tcp(addr.clone()),
            (None, Some(dir)) => Target::Unix(dir.join("api.sock")),
            (None, None) => Target::Tcp(HTTP.to_owned()),
        };
        let (token, token_file) = self.token()?;
        Ok(Client { target, token, token_file, timeout: self.timeout + Duration::from_secs(2) })
    }

    /// The data directory of the node that is meant. Only this one is asked when it is named, also when no node runs on it:
    /// whoever names a node does not mean another one.
    fn directory(&self) -> Option<&Path> {
        let default = || Some(Path::new(DATA_DIR)).filter(|dir| dir.exists());
        self.data_dir.as_deref().or_else(default)
    }

    /// The headers of a write: its deadline, and a key so that a repetition does it only once.
    pub fn write_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.deadline_header();
        let key = symbi_api::keys::uuid_v7(symbi_server::clock::wall_ms());
        headers.push((symbi_api::write::KEY_HEADER, key.to_string()));
        headers
    }

    /// The header with a write's deadline.
    pub fn deadline_header(&self) -> Vec<(&'static str, String)> {
        let timeout = self.timeout.as_millis().clamp(1, u128::from(symbi_api::write::MAX_TIMEOUT_MS));
        vec![("symbi-timeout-ms", timeout.to_string())]
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The token, and the file that it was read from.
    fn token(&self) -> Result<(Option<String>, Option<PathBuf>), Failure> {
        let read = |file: PathBuf| Ok((Some(read_token(&file)?), Some(file)));
        if let Some(file) = &self.api_token_file {
            return read(file.clone());
        }
        if let Ok(token) = std::env::var("SYMBI_TOKEN") {
            return Ok((Some(token.trim().to_owned()), None));
        }
        if let Ok(file) = std::env::var("SYMBI_TOKEN_FILE") {
            return read(file.into());
        }
        let admin = self.directory().map(|dir| dir.join("admin.token"));
        admin.filter(|file| file.exists()).map_or(Ok((None, None)), read)
    }
}

fn read_token(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map(|text| text.trim().to_owned()).map_err(|error| {
        Failure::new(1, "TOKEN_FILE", format!("cannot read the API token from {}", file.display()))
            .why(error.to_string())
            .fix("name a readable file with --api-token-file, or set SYMBI_TOKEN")
    })
}

/// A machine that gives this process no threads.
pub fn no_runtime(error: &std::io::Error) -> Failure {
    Failure::new(1, "RUNTIME", "cannot start the runtime")
        .why(error.to_string())
        .fix("give this user more processes and open files: ulimit -u, ulimit -n")
}

/// A file of the operator's that cannot be read.
pub fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(1, "FILE", format!("cannot read {}", file.display()))
        .why(error.to_string())
        .fix("name a file that is there and that this user can read")
}

/// What the node's answer means to the operator.
pub fn failure(error: &Error) -> Failure {
    match error {
        Error::Unreachable { target, reason } => {
            Failure::new(5, "UNREACHABLE", format!("cannot reach a node at {target}"))
                .why(reason.clone())
                .fix("start one, or name another with --addr HOST:PORT")
        }
        Error::TimedOut(after) => Failure::new(6, "DEADLINE", format!("no answer within {after:?}"))
            .fix("ask again; whether a write went through shows in 'symbi-node audit tail'"),
        Error::Garbled(what) => Failure::new(1, "GARBLED", "this is not the HTTP port of a node")
            .why(what.clone())
            .fix("give --addr the address that the node's 'start' printed after http://"),
        Error::CutOff(reason) => {
            Failure::new(5, "CUT_OFF", "the connection was closed before the whole answer had come")
                .why(reason.clone())
                .fix("ask again; the node's log says why, if it is one that listens there")
        }
        Error::Refused { code, message, details, status } => refused(*status, code, message, details),
    }
}

fn refused(status: u16, code: &str, message: &str, details: &Value) -> Failure {
    let exit = match (code, status) {
        ("NOT_FOUND" | "TOKEN_UNKNOWN", _) | (_, 404) => 3,
        ("DENIED" | "UNAUTHENTICATED" | "CREDENTIAL_REVOKED", _) => 4,
        ("NO_LEADER" | "UNAVAILABLE" | "INCOMPLETE" | "STOPPING" | "TOO_MANY_CONNECTIONS", _) => 5,
        ("DEADLINE" | "OUTCOME_UNKNOWN", _) => 6,
        ("LIMIT" | "BAD_REQUEST" | "AMBIGUOUS" | "POLICY_INVALID", _) => 2,
        ("NODE_IN_USE" | "QUORUM_AT_RISK" | "LOCKOUT" | "ACTIONS_UNNAMED" | "GATE_UNSPOKEN" | "GATE_CLOSED", _) => 7,
        _ => 1,
    };
    let failure = Failure::new(exit, code, message);
    if let Some(decision) = details.get("decision").and_then(Value::as_str) {
        return failure.fix(format!("see why: symbi-node why decision {decision}"));
    }
    if let Some(file) = details.get("token_file").and_then(Value::as_str) {
        return failure.why(format!("the token was read from {file}, and may have been rotated since")).fix(format!(
            "put the new token into {file}, or name the file that has it with --api-token-file; the api.sock of a node's own data directory opens without one, once there is no admin.token beside it"
        ));
    }
    let failure = match (code, details.get("candidates").and_then(Value::as_array)) {
        ("OUTCOME_UNKNOWN", _) => failure.why("the connection to the leader was lost before it answered"),
        ("AMBIGUOUS", Some(several)) => {
            let others = (details["more"] == true).then_some("others");
            let names: Vec<&str> = several.iter().filter_map(Value::as_str).chain(others).collect();
            failure.why(format!("it could be {}", names.join(", ")))
        }
        _ => failure,
    };
    failure.fix(way_on(code))
}

/// What to do about a node's refusal, by its code.
fn way_on(code: &str) -> &'static str {
    match code {
        "UNAUTHENTICATED" | "CREDENTIAL_REVOKED" => {
            "name the cluster's token with --api-token-file DIR/admin.token, or talk to a node's own data directory with --data-dir"
        }
        "OUTCOME_UNKNOWN" => "check before you repeat it: symbi-node audit tail",
        "DEADLINE" => "give it longer with --timeout; whether a write went through shows in 'symbi-node audit tail'",
        "NO_LEADER" => "see who is missing, on the node's own host: symbi-node cluster status --data-dir DIR",
        "TOO_MANY_CONNECTIONS" => {
            "close some, or ask through the node's own socket, which has connections of its own: --data-dir DIR"
        }
        "INCOMPLETE" => {
            "ask another node with --addr, or again when 'symbi-node cluster status' shows no missing audit on this one"
        }
        "UNAVAILABLE" | "STOPPING" | "NOT_LEADING" => "ask again in a moment, or another node with --addr",
        "NOT_FOUND" | "TOKEN_UNKNOWN" => "list what there is with 'ls', such as 'symbi-node agent ls'",
        "AMBIGUOUS" => "give more of it, or all of it",
        "NAME_TAKEN" => "choose another name, or remove what uses it",
        "POLICY_MOVED" | "STALE_TERM" | "BUSY" | "TOO_MANY_CLIENTS" | "SLOW_BODY" => "ask again in a moment",
        "CLOCK_SKEW" | "KEY_FROM_FUTURE" | "KEY_TOO_OLD" => "synchronise that machine's clock, for example with NTP",
        "TOO_LARGE" | "LIMIT" | "BAD_REQUEST" | "UNSUITABLE" => "see what it takes with --help",
        "LOCKOUT" => {
            "keep a policy that permits policy::apply to somebody who has a token; try policies first with --dry-run"
        }
        "ACTIONS_UNNAMED" => "see which, and lines to add to the policies: symbi-node upgrade check",
        "POLICY_INVALID" => "see what policies can refer to: symbi-node policy schema",
        "VERSION_MOVED" => "look at it again, and decide anew: symbi-node agent show NAME",
        "FIXED" => "make another agent, and remove this one when it is not needed any more",
        "NO_PREVIOUS" => "give it another specification instead: symbi-node agent update FILE",
        "NOT_WANTED" => "start it: symbi-node agent start NAME",
        "NODE_IN_USE" => "stop the node, and wait until its agents are elsewhere: symbi-node node ls",
        "GATE_UNSPOKEN" => "start that node with the newer program: symbi-node upgrade status",
        "GATE_CLOSED" => "open it once every node is upgraded: symbi-node upgrade finalize",
        "QUORUM_AT_RISK" => "bring a voter back first: symbi-node cluster status",
        "MISDIRECTED" => "ask the node by an IP address, by localhost or by its own name",
        _ => "see the log of the node that answered",
    }
}
