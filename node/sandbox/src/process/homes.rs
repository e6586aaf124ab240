//! The directories that agents start in: one for each agent, by its name and its id. An agent that takes the name of one that
//! was removed is another, and begins in an empty one.

use crate::driver::Home;
use crate::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where they lie.
pub(super) fn directory(run_dir: &Path) -> PathBuf {
    run_dir.join("agents")
}

/// That of an agent. Neither is a path, and the id has no point.
pub(super) fn path(run_dir: &Path, agent: &str, id: &str) -> PathBuf {
    directory(run_dir).join(format!("{agent}.{id}"))
}

/// Whose there are. What no agent was started in is left alone.
pub(super) fn list(run_dir: &Path) -> Result<Vec<Home>, Error> {
    let directory = directory(run_dir);
    let read = || -> io::Result<Vec<Home>> {
        let mut homes = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let name = entry?.file_name();
            if let Some((agent, id)) = name.to_str().and_then(|name| name.rsplit_once('.')) {
                homes.push(Home { agent: agent.to_owned(), id: id.to_owned() });
            }
        }
        Ok(homes)
    };
    read().map_err(|source| Error::RunDir { path: directory.clone(), source })
}

/// Removes one with all that is in it; that it is not there is no error. No link is followed.
pub(super) fn remove(path: PathBuf) -> Result<(), Error> {
    let removed = match fs::remove_dir_all(&path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(&path).and_then(|()| fs::remove_dir_all(&path))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    removed.map_err(|source| Error::RunDir { path, source })
}

/// Lets us into what the agent has shut against writing, as caches of packages are.
fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(agent: &str, id: &str) -> Home {
        Home { agent: agent.to_owned(), id: id.to_owned() }
    }

    #[test]
    fn directories_are_told_by_whose_they_are_and_removed_whatever_the_agent_has_made_of_them() {
        let run_dir = tempfile::tempdir().unwrap();
        let run_dir = run_dir.path();
        for (agent, id) in [("a", "1"), ("a", "2"), ("b.c", "1")] {
            fs::create_dir_all(path(run_dir, agent, id)).unwrap();
        }
        let mut listed = list(run_dir).unwrap();
        listed.sort();
        assert_eq!(listed, [home("a", "1"), home("a", "2"), home("b.c", "1")]);

        let (first, beside) = (path(run_dir, "a", "1"), run_dir.join("beside"));
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("file"), "kept").unwrap();
        fs::create_dir_all(first.join("cache/module")).unwrap();
        fs::write(first.join("cache/module/file"), "read-only").unwrap();
        std::os::unix::fs::symlink(&beside, first.join("cache/link")).unwrap();
        for shut in ["cache/module", "cache"] {
            fs::set_permissions(first.join(shut), fs::Permissions::from_mode(0o500)).unwrap();
        }
        remove(first.clone()).unwrap();
        remove(first).unwrap();
        assert_eq!(fs::read_to_string(beside.join("file")).unwrap(), "kept", "links are not followed");
        let mut left = list(run_dir).unwrap();
        left.sort();
        assert_eq!(left, [home("a", "2"), home("b.c", "1")]);
    }
}
