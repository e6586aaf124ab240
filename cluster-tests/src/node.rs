//! One node: a process, its data directory, its ports, and what it wrote on standard error.

use crate::cli::VARIABLES;
use crate::{Ran, SOON, Verb, binary, eventually, free_port, symbi};
use anyhow::{Context, bail, ensure};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use symbi_api::client::{Client, Error, Target};

/// How long a client of a node waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many of a node's last lines are shown when a test fails.
const LINES_SHOWN: usize = 40;

/// A node, running or not.
pub struct Node {
    /// Its name in the cluster.
    pub name: String,
    /// Its data directory.
    pub dir: PathBuf,
    /// Where other nodes reach it.
    pub listen: SocketAddr,
    /// Where its HTTP interface is.
    pub http: SocketAddr,
    /// Where its standard error goes.
    log: PathBuf,
    /// The file with the cluster's API token.
    token: PathBuf,
    /// Its process, while it was not reaped.
    child: Option<Child>,
}

impl Node {
    /// A node that has not been started, with everything it needs under `base`.
    #[must_use]
    pub fn new(base: &Path, name: &str, token: &Path) -> Self {
        Self {
            name: name.to_owned(),
            dir: base.join(name),
            listen: SocketAddr::from(([127, 0, 0, 1], free_port())),
            http: SocketAddr::from(([127, 0, 0, 1], free_port())),
            log: base.join(format!("{name}.err")),
            token: token.to_owned(),
            child: None,
        }
    }

    /// The arguments with which it starts, and `more`.
    #[must_use]
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (listen, http) = (self.listen.to_string(), self.http.to_string());
        let dir = self.dir.to_str().expect("a path in UTF-8");
        let own = ["start", "--data-dir", dir, "--name", &self.name, "--listen", &listen, "--http", &http];
        own.iter().chain(more).map(|&word| word.to_owned()).collect()
    }

    /// Starts its process with its own arguments, and `more`.
    ///
    /// # Panics
    /// When the system cannot.
    pub fn start(&mut self, more: &[&str]) {
        let words = self.arguments(more);
        self.start_with(&[], &words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Starts its process with these variables and these arguments alone.
    ///
    /// # Panics
    /// When the system cannot.
    pub fn start_with(&mut self, variables: &[(&str, &str)], words: &[&str]) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(binary());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env("NO_COLOR", "1").envs(variables.iter().copied());
        self.child = Some(command.spawn().expect("the node's process"));
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it ends instead, or does not come to it.
    pub async fn ready(&mut self) {
        let what = format!("{} becomes ready", self.name);
        eventually(&what, 2 * SOON, async || {
            if let Some(code) = self.ended() {
                panic!("{} ended with {code} instead of serving:\n{}", self.name, self.stderr());
            }
            self.client().get("/health/ready").await.map_err(Into::into)
        })
        .await;
    }

    /// The exit code, once its process has ended (minus the signal's number, if one ended it).
    pub fn ended(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.as_mut()?.try_wait().expect("the state of a child")?;
        Some(status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)))
    }

    /// Waits for the end of its process; answers the exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(&mut self) -> i32 {
        let what = format!("{} ends", self.name);
        let code = eventually(&what, 2 * SOON, async || self.ended().context("it runs")).await;
        self.child = None;
        code
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running node").id()
    }

    /// Sends its process a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a signal to one's own child");
    }

    /// Kills it (SIGKILL) and reaps it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it in order (SIGTERM); answers the exit code.
    pub async fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.end().await
    }

    /// What it wrote on standard error since the beginning.
    #[must_use]
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has written this on standard error.
    ///
    /// # Panics
    /// When it does not.
    pub async fn logs(&self, text: &str) {
        eventually(&format!("{} says: {text}", self.name), SOON, async || {
            ensure!(self.stderr().contains(text));
            Ok(())
        })
        .await;
    }

    /// A client of its HTTP interface with the cluster's token.
    #[must_use]
    pub fn client(&self) -> Client {
        let token = std::fs::read_to_string(&self.token).ok().map(|token| token.trim().to_owned());
        Client { target: Target::Tcp(self.http.to_string()), token, token_file: None, timeout: PATIENCE }
    }

    /// Runs a verb of the command line against it.
    pub async fn cli(&self, verb: &[&str]) -> Ran {
        let (http, token) = (self.http.to_string(), self.token.to_str().expect("a path in UTF-8"));
        let words: Vec<&str> = verb.iter().copied().chain(["--addr", &http, "--api-token-file", token]).collect();
        symbi(&words).await
    }

    /// Begins a verb of the command line against it that goes on until it is ended.
    ///
    /// # Panics
    /// When the system cannot.
    #[must_use]
    pub fn begin(&self, verb: &[&str]) -> Verb {
        let (http, token) = (self.http.to_string(), self.token.to_str().expect("a path in UTF-8"));
        Verb::begin(&[verb, &["--addr", &http, "--api-token-file", token]].concat())
    }

    /// `GET path` of its HTTP interface.
    ///
    /// # Errors
    /// Why there is no answer, or what it said.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.client().get(path).await
    }

    /// `POST path` of its HTTP interface.
    ///
    /// # Errors
    /// Why there is no answer, or what it said.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.client().send(Method::POST, path, Some(body), &[]).await
    }

    /// Its view of the cluster.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn status(&self) -> Result<Value, Error> {
        self.get("/api/v1/cluster").await
    }

    /// Waits until it knows `count` voters, all of them ready, and a leader.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn sees_voters(&self, count: usize) {
        let what = format!("{} sees {count} voters that are ready", self.name);
        eventually(&what, SOON, async || {
            let status = self.status().await?;
            let voters = status["nodes"].as_array().context("no nodes")?.iter();
            let voters = voters.filter(|node| node["role"] == "voter" && node["state"] == "ready").count();
            ensure!(voters == count && status["leader"].is_string(), "{status:#}");
            Ok(())
        })
        .await;
    }

    /// Shows that it still does its work: it is ready, answers a linearizable read, and takes a write.
    ///
    /// # Panics
    /// When it does not.
    pub async fn still_works(&self) {
        let what = format!("{} still reads and writes", self.name);
        eventually(&what, SOON, async || {
            self.get("/health/ready").await?;
            self.get("/api/v1/agents").await?;
            let made = self.post("/api/v1/tokens", &serde_json::json!({ "uses": 1, "ttl_ms": 60_000 })).await?;
            if made["index"].is_u64() { Ok(()) } else { bail!("{made}") }
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.stderr();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- {} (its last lines)\n{}", self.name, lines[from..].join("\n"));
        }
        self.kill();
    }
}
