//! The data directory: what a node is, kept across restarts.
//!
//! | file | what | when |
//! |---|---|---|
//! | `lock` | held while a node runs; its text names the process | every start |
//! | `node.key` | the node's Ed25519 seed, hex, 0600 | first start |
//! | `issuer.key` | the P-256 scalar with which it issues credentials, hex, 0600 | first start |
//! | `boot` | how often the node was started | every start, synced before anything else |
//! | `join.pending` | which token a join has begun with | from the proof of the token until the node is a member |
//! | `cluster.json` | which cluster, and how to find it again | after the empty database, before Raft starts |
//! | `admin.token` | the first API token, 0600 | on the node that bootstraps |
//! | `witness/` | what the node has signed of the audit chain, and what the voters have | every checkpoint; synced before it signs |
//! | `db/`, `run/`, `api.sock` | the database, the sandboxes' files, the local interface | |
//!
//! Not here: what is replicated.

mod cluster;

use crate::failure::{self, Failure};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use cluster::{Cluster, Peer, Pending};

/// An open data directory; the lock is held until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    /// Where it is.
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

/// What a data directory says a node is.
#[derive(Debug)]
pub enum Found {
    /// Nothing yet.
    Empty,
    /// A join has begun, and nobody knows whether the cluster has heard of it.
    Joining(Pending),
    /// The cluster has enrolled it, and it has not seen itself become a member yet.
    Enrolled(Box<Cluster>),
    /// A member.
    Member(Box<Cluster>),
}

impl DataDir {
    /// Opens `path`, making it if need be, and locks it.
    ///
    /// # Errors
    /// When another process holds it (the failure names it), or it cannot be made.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        private_dir(path)?;
        let path = path.canonicalize().map_err(|error| unusable(path, &error))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&lock_path);
        let mut lock = lock.map_err(|error| unusable(&path, &error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            return Err(Failure::new(1, "DATA_DIR_IN_USE", format!("{} is in use by another node", path.display()))
                .why(format!("process {} holds its lock", holder.trim()))
                .fix("stop that process, or name another directory with --data-dir"));
        }
        lock.set_len(0)
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, _lock: lock })
    }

    /// The path of something in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of a directory in it, made for its owner alone if it is not there yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn dir(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.file(name);
        private_dir(&path)?;
        Ok(path)
    }

    /// What the node is, by what its files say.
    ///
    /// # Errors
    /// `cluster.json` without a database is an integrity failure; unreadable files are too.
    pub fn found(&self) -> Result<Found, Failure> {
        if let Some(text) = self.read("cluster.json")? {
            let cluster: Cluster = serde_json::from_str(&text).map_err(|error| self.damaged("cluster.json", &error))?;
            if !self.file("db").join("CURRENT").exists() {
                return Err(Failure::new(10, "DATABASE_LOST", format!("{} has lost its database", self.path.display()))
                    .why("cluster.json says that this node is a member, but its log is gone; started as the same node it could lose committed data")
                    .fix("start a new node: another --data-dir, another --name, and --join with a token"));
            }
            let cluster = Box::new(cluster);
            let unfinished = self.file("join.pending").exists();
            return Ok(if unfinished { Found::Enrolled(cluster) } else { Found::Member(cluster) });
        }
        if let Some(text) = self.read("join.pending")? {
            let pending = serde_json::from_str(&text).map_err(|error| self.damaged("join.pending", &error))?;
            return Ok(Found::Joining(pending));
        }
        Ok(Found::Empty)
    }

    /// The 32 secret bytes in `name`, made by `fresh` and synced at the first call.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn secret(&self, name: &str, fresh: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], Failure> {
        if let Some(text) = self.read(name)? {
            let bytes = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
            return bytes.ok_or_else(|| self.damaged(name, &"64 hex digits are expected"));
        }
        let secret = fresh();
        self.write(name, hex::encode(secret).as_bytes())?;
        Ok(secret)
    }

    /// Counts this start; the first is 1. Synced before it returns, so that no two starts have one number.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn count_boot(&self) -> Result<u64, Failure> {
        let last: u64 = match self.read("boot")? {
            Some(text) => text.trim().parse().map_err(|error| self.damaged("boot", &error))?,
            None => 0,
        };
        self.write("boot", (last + 1).to_string().as_bytes())?;
        Ok(last + 1)
    }

    /// Replaces `name` atomically and syncs it and the directory. Its mode is 0600.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let temporary = self.file(&format!("{name}.tmp"));
        let written = (|| {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.file(name))?;
            File::open(&self.path)?.sync_all()
        })();
        written.map_err(|error| unusable(&self.file(name), &error))
    }

    /// Removes `name`, if it is there, and syncs the directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        match fs::remove_file(self.file(name)).and_then(|()| File::open(&self.path)?.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&self.file(name), &error)),
            _ => Ok(()),
        }
    }

    /// Forgets a node whose join was cleared: the next start is somebody new. `cluster.json` goes first, since without a
    /// database it would be an integrity failure, and `join.pending` last: while it is there, a start that comes after a crash
    /// in between asks again, and is told again that the join was cleared.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(&self) -> Result<(), Failure> {
        self.remove("cluster.json")?;
        let (database, aside) = (self.file("db"), self.file("db.cleared"));
        let moved = match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(&database, &aside).and_then(|()| fs::remove_dir_all(&aside)),
        };
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&database, &error)),
            _ => {}
        }
        for name in ["node.key", "issuer.key", "join.pending"] {
            self.remove(name)?;
        }
        Ok(())
    }

    /// The text of `name`, if it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, name: &str) -> Result<Option<String>, Failure> {
        match fs::read_to_string(self.file(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&self.file(name), &error)),
        }
    }

    fn damaged(&self, name: &str, why: &dyn std::fmt::Display) -> Failure {
        Failure::new(10, "DATA_DIR_DAMAGED", format!("{} cannot be understood", self.file(name).display()))
            .why(why.to_string())
            .fix("restore the file, or start a new node in another --data-dir")
    }
}

/// The replicated state has what a join token is verified with: nobody else on this machine may read it.
fn private_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return failure::disk_full(format!("the disk is full: cannot write {}", path.display()));
    }
    Failure::new(1, "DATA_DIR", format!("cannot use {}", path.display()))
        .why(error.to_string())
        .fix("name a directory that this user can write with --data-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(dir.path()).unwrap();
        let refused = DataDir::open(dir.path()).unwrap_err();
        assert_eq!(refused.code, "DATA_DIR_IN_USE");
        assert!(refused.why.unwrap().contains(&std::process::id().to_string()));
        drop(held);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn what_it_makes_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(&parent.path().join("n1")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data.file("")), mode(&data.dir("db").unwrap())), (0o700, 0o700));
        data.write("node.key", b"x").unwrap();
        assert_eq!(mode(&data.file("node.key")), 0o600);
    }

    #[test]
    fn boots_are_counted_and_secrets_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        assert_eq!((data.count_boot().unwrap(), data.count_boot().unwrap()), (1, 2));
        assert_eq!(data.secret("node.key", || [7; 32]).unwrap(), [7; 32]);
        assert_eq!(data.secret("node.key", || [8; 32]).unwrap(), [7; 32]);
        fs::write(data.file("node.key"), "zz").unwrap();
        assert_eq!(data.secret("node.key", || [8; 32]).unwrap_err().exit, 10);
    }

    #[test]
    fn a_member_without_its_database_is_an_integrity_failure() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        assert!(matches!(data.found().unwrap(), Found::Empty));
        let cluster = Cluster {
            id: "i".into(),
            name: "symbi".into(),
            node_name: "n1".into(),
            listen: None,
            advertise: "127.0.0.1:1".parse().ok(),
            http: None,
            labels: Some(["gpu".to_owned()].into()),
            max_agents: Some(7),
            genesis: Some(vec![1, 255]),
            roster: vec![],
            enrolled_at: 0,
        };
        data.write("cluster.json", &serde_json::to_vec(&cluster).unwrap()).unwrap();
        assert_eq!(data.found().unwrap_err().exit, 10);
        fs::create_dir(data.file("db")).unwrap();
        fs::write(data.file("db").join("CURRENT"), "x").unwrap();
        assert!(matches!(data.found().unwrap(), Found::Member(found) if *found == cluster));
        data.write("join.pending", b"").unwrap();
        assert!(matches!(data.found().unwrap(), Found::Enrolled(_)));
        fs::write(
            data.file("cluster.json"),
            fs::read_to_string(data.file("cluster.json")).unwrap().replace("01ff", "0x"),
        )
        .unwrap();
        assert_eq!(data.found().unwrap_err().code, "DATA_DIR_DAMAGED");
    }

    #[test]
    fn a_forgotten_node_leaves_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        data.forget().unwrap();
        fs::create_dir(data.file("db")).unwrap();
        fs::create_dir(data.file("db.cleared")).unwrap();
        for name in ["cluster.json", "db/CURRENT", "db.cleared/CURRENT", "node.key", "join.pending", "boot"] {
            fs::write(data.file(name), "x").unwrap();
        }
        data.forget().unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["boot", "lock"]);
        assert!(matches!(data.found().unwrap(), Found::Empty));
    }
}
