//! The programs that agents of these tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Answers what it is asked; see `agents/echo.py`.
    Echo,
    /// Writes garbage on its standard output.
    Garbage,
    /// Writes a line of 2 MiB.
    LongLine,
    /// Answers `initialize`, then ends without an error.
    Ends,
}

impl Program {
    /// Its command, for a specification.
    #[must_use]
    pub fn command(self) -> Vec<String> {
        let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("agents").join(name).display().to_string();
        let python = |name: &str, mode: &str| vec![python().display().to_string(), script(name), mode.to_owned()];
        match self {
            Self::Echo => python("echo.py", "echo"),
            Self::Garbage => python("bad.py", "garbage"),
            Self::LongLine => python("bad.py", "long"),
            Self::Ends => python("bad.py", "ends"),
        }
    }
}

/// The Python interpreter itself: a version switcher in front of it would cost each agent half a second.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let asked = asked.expect("python3 is installed");
        PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim())
    })
}
