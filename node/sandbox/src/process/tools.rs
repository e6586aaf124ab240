//! What must be on the host before anything is started: our tools, and the agent's command.

use super::Options;
use crate::driver::Launch;
use crate::error::Error;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

/// The programs an agent is started through.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// Sets what the kernel does to the agent when we die, and denies it new privileges.
    pub setpriv: PathBuf,
    /// Sets limits.
    pub prlimit: PathBuf,
    /// Waits for the pid file.
    pub shell: PathBuf,
}

/// Debian keeps both tools in a package that is always installed; other systems may not.
const PACKAGE: &str = "util-linux";

/// Finds the tools in a PATH, or in the directories where they belong.
pub(super) fn find(path: &str) -> Result<Tools, Error> {
    let tool = |tool, package| search(path, tool).ok_or(Error::ToolMissing { tool, package });
    Ok(Tools { setpriv: tool("setpriv", PACKAGE)?, prlimit: tool("prlimit", PACKAGE)?, shell: tool("sh", "dash")? })
}

/// What is missing for this driver to work, in words.
pub(super) fn missing(path: &str) -> Vec<String> {
    let tools = [("setpriv", PACKAGE), ("prlimit", PACKAGE), ("sh", "dash")];
    let absent = tools.into_iter().filter(|(tool, _)| search(path, tool).is_none());
    let mut missing: Vec<_> = absent.map(|(tool, package)| Error::ToolMissing { tool, package }.to_string()).collect();
    if !Path::new("/proc/self/stat").exists() {
        missing.push("/proc is not mounted".to_owned());
    }
    missing
}

/// The agent's command with its program found, so that a missing one is our error and not a line in the agent's log.
pub(super) fn command(launch: &Launch, options: &Options) -> Result<Vec<String>, Error> {
    let words = launch.command.iter().chain(launch.env.keys()).chain(launch.env.values());
    let bad_name = |name: &&String| name.is_empty() || name.contains('=');
    let bad = words.clone().find(|word| word.contains('\0')).or_else(|| launch.env.keys().find(bad_name));
    if let Some(word) = bad {
        return Err(Error::BadWord { word: word.clone() });
    }
    let program = launch.command.first().filter(|program| !program.is_empty()).ok_or(Error::CommandEmpty)?;
    let path = launch.env.get("PATH").unwrap_or(&options.path);
    let directory = options.directory_of(launch);
    let found = if program.contains('/') {
        Some(directory.join(program)).filter(|file| executable(file))
    } else {
        search(path, program)
    };
    let Some(found) = found else {
        let looked = if program.contains('/') { directory.display().to_string() } else { format!("PATH {path}") };
        return Err(Error::CommandNotFound { command: program.clone(), looked });
    };
    let mut command = launch.command.clone();
    command[0] = found.display().to_string();
    Ok(command)
}

fn search(path: &str, program: &str) -> Option<PathBuf> {
    path.split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|dir| Path::new(dir).join(program))
        .find(|file| executable(file))
}

fn executable(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}
