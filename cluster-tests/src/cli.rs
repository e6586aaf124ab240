//! The command line, run as a person would run it.

use crate::binary;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

/// No run takes longer: a start that should have failed, for instance.
const LONGEST: Duration = Duration::from_secs(90);

/// What the program reads of its environment: nothing of it is left to whoever runs a test.
pub(crate) const VARIABLES: &[&str] = &[
    "SYMBI_ADDR",
    "SYMBI_TOKEN",
    "SYMBI_TOKEN_FILE",
    "SYMBI_DATA_DIR",
    "SYMBI_JOIN_TOKEN",
    "SYMBI_LOG_LEVEL",
    "SYMBI_TEST_NEXT_GATE",
];

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// What it printed on standard output.
    pub out: String,
    /// What it printed on standard error.
    pub err: String,
}

impl Ran {
    /// Its standard output, as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Itself, if it ended with `code`.
    ///
    /// # Panics
    /// When it ended with another one.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "the exit code of {self:#?}");
        self
    }

    /// Itself, if it printed `text`, on either output.
    ///
    /// # Panics
    /// When it did not.
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text) || self.out.contains(text), "{text:?} is not in {self:#?}");
        self
    }
}

/// Runs `symbi-node` with these arguments, to its end.
///
/// # Panics
/// When it does not end.
pub async fn symbi(arguments: &[&str]) -> Ran {
    symbi_after(&[], arguments).await
}

/// Runs `symbi-node` behind a `prefix` of another program and its arguments.
///
/// # Panics
/// When it does not end, or cannot be started.
pub async fn symbi_after(prefix: &[&str], arguments: &[&str]) -> Ran {
    let mut command = command(prefix, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::time::timeout(LONGEST, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("symbi-node {arguments:?} has not ended within {LONGEST:?}"));
    let output = output.unwrap_or_else(|error| panic!("{prefix:?} symbi-node {arguments:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A run that goes on until it is ended; dropped, it is killed.
pub struct Verb {
    /// The process.
    child: Child,
    /// What it prints on standard output and on standard error.
    files: [NamedTempFile; 2],
}

impl Verb {
    /// Starts `symbi-node` with these arguments.
    ///
    /// # Panics
    /// When the system cannot.
    #[must_use]
    pub fn begin(arguments: &[&str]) -> Self {
        let files = [(); 2].map(|()| NamedTempFile::new().expect("a temporary file"));
        let mut command = command(&[], arguments);
        let [out, err] = files.each_ref().map(|file| file.reopen().expect("the same file"));
        let child = command.stdout(out).stderr(err).spawn().expect("a process");
        Self { child, files }
    }

    /// What it has printed on standard output.
    #[must_use]
    pub fn out(&self) -> String {
        std::fs::read_to_string(self.files[0].path()).unwrap_or_default()
    }

    /// What it has printed on standard error.
    #[must_use]
    pub fn err(&self) -> String {
        std::fs::read_to_string(self.files[1].path()).unwrap_or_default()
    }

    /// Sends it a signal and waits for its end.
    ///
    /// # Panics
    /// When it has ended before, or does not end.
    pub async fn end(mut self, signal: Signal) -> Ran {
        let pid = self.child.id().expect("it has not ended by itself");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a signal to one's own child");
        let ended = tokio::time::timeout(LONGEST, self.child.wait()).await.expect("its end").expect("its end");
        Ran { code: ended.code().unwrap_or(-1), out: self.out(), err: self.err() }
    }
}

fn command(prefix: &[&str], arguments: &[&str]) -> Command {
    let program = binary();
    let mut words =
        prefix.iter().copied().chain([program.to_str().expect("a path in UTF-8")]).chain(arguments.iter().copied());
    let mut command = Command::new(words.next().expect("at least the program"));
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}
