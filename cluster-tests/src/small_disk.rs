//! A small disk of its own for a node's directory: a tmpfs, which can be filled and has room again when that is wanted.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it.
const BALLAST: &str = "ballast";

/// A mounted tmpfs; dropped, it is unmounted.
pub struct SmallDisk {
    /// Where.
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts `mib` MiB at `at`, which is made.
    ///
    /// # Errors
    /// Why that is not possible here: it takes root, mostly.
    pub fn mount(at: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let size = format!("size={mib}m,mode=0700");
        let ran = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        let ran = ran.map_err(|error| format!("mount: {error}"))?;
        if ran.status.success() {
            return Ok(Self { at: at.to_owned() });
        }
        Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned())
    }

    fn ballast(&self) -> PathBuf {
        self.at.join(BALLAST)
    }

    /// Writes until nothing more goes in.
    ///
    /// # Panics
    /// When something else than room is lacking.
    pub fn fill(&self) {
        let mut file =
            OpenOptions::new().create(true).append(true).open(self.ballast()).expect("a file on the small disk");
        for size in [1 << 20, 4096, 1] {
            let bytes = vec![0; size];
            loop {
                match file.write(&bytes) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("cannot fill the small disk: {error}"),
                }
            }
        }
    }

    /// Makes room for `kib` KiB on a disk that was filled.
    ///
    /// # Panics
    /// When it was not full.
    pub fn spare(&self, kib: u64) {
        let file = OpenOptions::new().write(true).open(self.ballast()).expect("what filled the disk");
        let length = file.metadata().expect("its length").len();
        file.set_len(length - kib * 1024).expect("a shorter file");
    }

    /// What is on it, but for what fills it, by name.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.at).expect("the small disk");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name != BALLAST).collect()
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When it was not full.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("what filled the disk");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node of a failed test may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}
