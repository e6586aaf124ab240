//! A small machine: texts under names, one changed by each entry, and a line for each change: the
//! hash of the line before it, the index, and the entry.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use symbi_model::Hash;
use symbi_raft::machine::{Image, Line, Loading, Machine, Row, Tip, Writes};
use symbi_raft::{Entry, Payload};

/// The row that says where the lines end: the hash of the last one, and how many there are.
const TIP: &[u8] = b"#";
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
        let tip = self.texts.tip();
        let line = [tip.head.0.as_slice(), &entry.index.to_be_bytes(), &data.0].concat();
        let head = Hash::of(&[&line]);
        writes.line(0, line)?;
        self.set(TIP.to_vec(), [head.0.as_slice(), &(tip.count + 1).to_be_bytes()].concat());
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

    fn tip(&self) -> Tip {
        let Some((head, count)) = self.0.get(TIP).and_then(|tip| tip.split_at_checked(32)) else {
            return Tip::default();
        };
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).expect("eight bytes");
        Tip { head: Hash(head.try_into().expect("32 bytes")), count: number(count) }
    }

    fn unlink(&self, mut tip: Tip, lines: &[Line]) -> io::Result<(Tip, usize)> {
        for (at, line) in lines.iter().rev() {
            let in_its_place = at.line == 0 && line.get(32..40) == Some(&at.index.to_be_bytes());
            let previous = line.first_chunk().filter(|_| in_its_place && Hash::of(&[line]) == tip.head);
            let head = Hash(*previous.ok_or(io::ErrorKind::InvalidData)?);
            tip = Tip { head, count: tip.count.checked_sub(1).ok_or(io::ErrorKind::InvalidData)? };
        }
        Ok((tip, 0))
    }
}

impl Loading for Coming {
    type Image = Texts;

    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.texts.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn finish(self) -> io::Result<Texts> {
        if let Some(gate) = self.texts.get(GATE) {
            pass_gate(gate);
        }
        Ok(Texts(Arc::new(self.texts)))
    }
}
