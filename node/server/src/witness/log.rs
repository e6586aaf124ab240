//! A file of records that grows at its end: what the witness must not forget lies in such files, outside the database, so that a
//! database that is put back to an earlier day cannot make it forget.
//!
//! A record is its length and the first eight bytes of its SHA-256, then its bytes: the first one that is not whole, and whatever
//! is behind it, was never synced and is cut off. Where more is there than can have been on its way, the disk has lost what it had.

use std::sync::Arc;
use symbi_model::Hash;
use symbi_store::{Error, Files};

/// Length and checksum.
pub const HEAD: usize = 12;
/// The longest record.
const RECORD: usize = 64 * 1024;

/// See the module.
pub struct Log {
    /// Where it is.
    files: Arc<dyn Files>,
    /// What it is called.
    name: &'static str,
    /// How many bytes it has.
    size: u64,
}

/// What is in a file.
pub struct Found {
    /// The records.
    pub records: Vec<Vec<u8>>,
    /// Whether the file was there.
    pub was_there: bool,
}

impl Log {
    /// Opens the file, made if it is not there, and gives what is in it. Of what is no whole record no more than `longest` bytes are
    /// cut off: more were synced once.
    ///
    /// # Errors
    /// What the disk says, and [`Error::Corrupt`].
    pub fn open(files: Arc<dyn Files>, name: &'static str, longest: u64) -> Result<(Self, Found), Error> {
        let was_there = files.list()?.iter().any(|known| known == name);
        if !was_there {
            files.create(name)?;
            files.sync(name)?;
            files.sync_folder()?;
        }
        let size = files.size(name)?;
        let bytes = files.read(name, 0, usize::try_from(size).unwrap_or(usize::MAX))?;
        let (records, whole) = read(&bytes);
        let cut = size - whole;
        if cut > longest {
            return Err(Error::Corrupt(format!(
                "behind byte {whole} of {name} there are {cut} bytes that are no record"
            )));
        }
        if cut > 0 {
            files.truncate(name, whole)?;
            files.sync(name)?;
        }
        Ok((Self { files, name, size: whole }, Found { records, was_there }))
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a record; durable only with [`Log::sync`].
    ///
    /// # Errors
    /// What the disk says; nothing is appended then.
    pub fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        let framed = frame(record);
        self.files.append(self.name, &framed)?;
        self.size += framed.len() as u64;
        Ok(())
    }

    /// Makes every record durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self) -> Result<(), Error> {
        self.files.sync(self.name)
    }

    /// Puts these records in place of all of them, durably.
    ///
    /// # Errors
    /// What the disk says; the old ones or the new ones are there then.
    pub fn replace<'r>(&mut self, records: impl IntoIterator<Item = &'r [u8]>) -> Result<(), Error> {
        let (fresh, bytes) = (format!("{}.new", self.name), records.into_iter().flat_map(frame).collect::<Vec<u8>>());
        match self.files.remove(&fresh) {
            Ok(()) | Err(Error::Missing(_)) => {}
            Err(error) => return Err(error),
        }
        self.files.create(&fresh)?;
        self.files.append(&fresh, &bytes)?;
        self.files.sync(&fresh)?;
        self.files.rename(&fresh, self.name)?;
        self.files.sync_folder()?;
        self.size = bytes.len() as u64;
        Ok(())
    }
}

fn frame(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).ok().filter(|_| record.len() <= RECORD);
    let length = length.expect("records are of the witness's own making, and short");
    let Hash(digest) = Hash::of(&[record]);
    [&length.to_be_bytes(), &digest[..HEAD - 4], record].concat()
}

/// The records, and how many bytes are theirs.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let (mut records, mut rest) = (Vec::new(), bytes);
    while let Some((head, behind)) = rest.split_at_checked(HEAD) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((record, next)) = behind.split_at_checked(length) else { break };
        let Hash(digest) = Hash::of(&[record]);
        if length > RECORD || head[4..] != digest[..HEAD - 4] {
            break;
        }
        records.push(record.to_vec());
        rest = next;
    }
    (records, (bytes.len() - rest.len()) as u64)
}

#[cfg(test)]
mod tests {
    use super::Log;
    use std::sync::Arc;
    use symbi_store::Files;
    use symbi_store::files::Simulated;

    fn open(disk: &Arc<Simulated>) -> (Log, Vec<Vec<u8>>) {
        let (log, found) = Log::open(Arc::new(disk.open().expect("open")), "a", u64::MAX).expect("a log");
        (log, found.records)
    }

    #[test]
    fn a_crash_leaves_what_was_synced_and_of_the_rest_whole_records_alone() {
        for seed in 0..200 {
            let disk = Simulated::seeded(seed);
            let (mut log, none) = open(&disk);
            assert!(none.is_empty());
            log.append(b"one").expect("room");
            log.sync().expect("a disk");
            for record in [&b"two"[..], b"three", b""] {
                log.append(record).expect("room");
            }
            disk.crash();
            let (mut log, kept) = open(&disk);
            let all: [&[u8]; 4] = [b"one", b"two", b"three", b""];
            assert!(
                !kept.is_empty() && all.starts_with(&kept.iter().map(Vec::as_slice).collect::<Vec<_>>()),
                "{kept:?}"
            );
            log.append(b"four").expect("room");
            log.sync().expect("a disk");
            let files = disk.open().expect("open");
            assert_eq!(files.size("a"), Ok(log.size()));
            assert_eq!(open(&disk).1.last().map(Vec::as_slice), Some(&b"four"[..]));
        }
    }

    #[test]
    fn a_crash_leaves_the_old_records_or_the_new_ones() {
        for seed in 0..200 {
            let disk = Simulated::seeded(seed);
            let (mut log, _) = open(&disk);
            log.append(b"old").expect("room");
            log.sync().expect("a disk");
            log.replace([&b"new"[..], b"newer"]).expect("room");
            disk.crash();
            assert_eq!(open(&disk).1, [b"new".to_vec(), b"newer".to_vec()]);
        }
    }
}
