//! Runs the built program where nothing of this machine shows: no environment but PATH, a terminal 100 columns wide.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A directory to run in, which its path stands for in what is printed: `DIR`.
pub struct Place {
    /// Removed with it.
    dir: TempDir,
}

/// How a run ended.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("symbi").tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file and answers its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the program with `arguments` and variables beside PATH, in this directory.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ended = Command::new(env!("CARGO_BIN_EXE_symbi-node"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs([("PATH", path.as_os_str()), ("COLUMNS", "100".as_ref())])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| {
            let own = self.path().canonicalize().unwrap();
            String::from_utf8_lossy(bytes).replace(own.to_str().unwrap(), "DIR")
        };
        Ran { code: ended.status.code().unwrap_or(-1), out: text(&ended.stdout), err: text(&ended.stderr) }
    }

    /// Runs the program with `arguments`.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments)
    }
}

impl Ran {
    /// Everything that was printed, and the exit code.
    pub fn shown(&self) -> String {
        let mut shown = format!("{}{}", self.out, self.err);
        writeln!(shown, "exit {}", self.code).unwrap();
        shown
    }
}
