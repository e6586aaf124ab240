//! A small machine: texts under names, one changed by each entry, and a line for each change.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use symbi_model::Hash;
use symbi_raft::machine::{Image, Loading, Machine, Row, Source, Writes};
use symbi_raft::{Entry, Payload};

/// The row that counts the lines.
const COUNT: &[u8] = b"#";
/// As many changed rows are kept back.
const KEPT_BACK: usize = 8;
/// A state with a text under this name is not whole before the gate of that name is open.
pub const GATE: &[u8] = b"gate";

/// The gates there are, by name, and whether they are open.
static GATES: Mutex<BTreeMap<Vec<u8>, bool>> = Mutex::new(BTreeMap::new());
/// Says that a gate has changed.
static CHANGED: Condvar = Condvar::new();

/// Opens or shuts a gate.
pub fn set_gate(name: &str, open: bool) {
    GATES.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), open);
    CHANGED.notify_all();
}

fn pass_gate(name: &[u8]) {
    let gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    let shut = |gates: &mut BTreeMap<Vec<u8>, bool>| gates.get(name) == Some(&false);
    drop(CHANGED.wait_while(gates, shut));
}

/// What is under each name. Shared until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Arc<BTreeMap<Vec<u8>, Vec<u8>>>);

/// The machine.
#[derive(Default)]
pub struct Registers {
    /// What is under each name.
    texts: Texts,
    /// What is not yet written.
    fresh: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Texts that come one by one.
#[derive(Default)]
pub struct Coming {
    /// Those that have come.
    texts: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How many lines have come.
    lines: u64,
}

impl Machine for Registers {
    type Image = Texts;
    type Loading = Coming;

    fn of(image: Texts) -> Self {
        Self { texts: image, fresh: BTreeMap::new() }
    }

    /// An entry is a name, `=` and a text; the answer is what was there before.
    fn apply(&mut self, entry: &Entry, writes: &mut Writes<'_>) -> io::Result<Bytes> {
        let Payload::Data(data) = &entry.payload else { return Ok(Bytes::new()) };
        let at = data.0.iter().position(|byte| *byte == b'=').ok_or(io::ErrorKind::InvalidData)?;
        let (name, text) = (data.0[..at].to_vec(), data.0[at + 1..].to_vec());
        writes.line(0, data.0.to_vec());
        let count = count(&self.texts.0) + 1;
        self.set(COUNT.to_vec(), count.to_be_bytes().to_vec());
        Ok(self.set(name, text).unwrap_or_default().into())
    }

    fn is_due(&self) -> bool {
        self.fresh.len() >= KEPT_BACK
    }

    fn save(&mut self, writes: &mut Writes<'_>) {
        for (name, text) in std::mem::take(&mut self.fresh) {
            writes.put(&name, text);
        }
    }

    fn image(&self) -> Texts {
        self.texts.clone()
    }
}

impl Registers {
    fn set(&mut self, name: Vec<u8>, text: Vec<u8>) -> Option<Vec<u8>> {
        self.fresh.insert(name.clone(), text.clone());
        Arc::make_mut(&mut self.texts.0).insert(name, text)
    }
}

impl Image for Texts {
    fn hash(&self) -> Hash {
        let parts: Vec<&[u8]> = self.0.iter().flat_map(|(name, text)| [name.as_slice(), b"=", text, b";"]).collect();
        Hash::of(&parts)
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row> + Send> {
        let texts: Vec<Row> = self.0.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
        Box::new(texts.into_iter())
    }
}

impl Loading for Coming {
    type Image = Texts;

    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.texts.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn line(&mut self, _: u64, number: u32, _: &[u8]) -> io::Result<()> {
        self.lines += 1;
        if number == 0 { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn finish(self, source: Source) -> io::Result<Texts> {
        if source == Source::Peer {
            if count(&self.texts) != self.lines {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if let Some(gate) = self.texts.get(GATE) {
                pass_gate(gate);
            }
        }
        Ok(Texts(Arc::new(self.texts)))
    }
}

fn count(texts: &BTreeMap<Vec<u8>, Vec<u8>>) -> u64 {
    texts.get(COUNT).and_then(|count| count.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes)
}
