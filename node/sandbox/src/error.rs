//! Why a driver could not do what it was asked to.

use std::io;
use std::path::PathBuf;

/// Why a sandbox could not be started or swept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host lacks a program that the driver starts agents with.
    #[error("{tool} is not installed; it is in Debian's package {package}")]
    ToolMissing {
        /// The program's name.
        tool: &'static str,
        /// Where Debian has it.
        package: &'static str,
    },
    /// The command names no program.
    #[error("the command is empty")]
    CommandEmpty,
    /// The command's program is not there, or may not be executed.
    #[error("there is no executable {command:?} ({looked})")]
    CommandNotFound {
        /// The first word of the command.
        command: String,
        /// Where it was looked for.
        looked: String,
    },
    /// The command is a builtin agent, and those have one owner.
    #[error("{command} is for measuring, and only for the owner \"bench\", not {owner:?}")]
    NotItsOwner {
        /// The first word of the command.
        command: String,
        /// Whose agent it would be.
        owner: String,
    },
    /// The agent's name cannot be the name of a directory.
    #[error("{name:?} cannot be the name of a sandbox: letters, digits, '-', '_' and '.', not first, up to 128")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// A word of the command or the environment holds a NUL or, in a variable's name, a '='.
    #[error("{word:?} cannot be part of a command or an environment")]
    BadWord {
        /// The word as given.
        word: String,
    },
    /// An instance of the same agent, epoch and incarnation is running.
    #[error("{run} is already running")]
    AlreadyRunning {
        /// Agent, epoch and incarnation.
        run: String,
    },
    /// A file or directory of the driver could not be read or written.
    #[error("cannot use {path}")]
    RunDir {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system would not start the process, or not let it be watched.
    #[error("cannot start {command:?}")]
    Spawn {
        /// The first word of the command.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// Processes of an earlier life did not end, so nothing may be started beside them.
    #[error("{count} processes of an earlier life do not end")]
    Unswept {
        /// How many are left.
        count: usize,
    },
    /// The driver's own thread has ended: the program is going down.
    #[error("the driver is closed")]
    Closed,
}
