//! A snapshot that is being received: its frames go to disk under a generation of their own and are checked as they come.

use super::frames::{Header, ROW, items};
use super::{Capture, Generation, Generations, Image, Loading};
use crate::error::storage;
use std::io;
use std::sync::Arc;
use symbi_model::planted::{self, Defect};
use symbi_store::WriteBatch;

/// A snapshot on its way in. Dropped before it is installed, what it wrote is deleted.
pub struct Filling<L> {
    /// Where it goes.
    generation: Arc<Generation>,
    /// What it must come to.
    header: Header,
    /// The state so far.
    loading: Option<L>,
    /// The rows so far.
    rows: u64,
    /// Their bytes.
    bytes: u64,
}

impl<L: Loading> Filling<L> {
    /// Nothing yet.
    pub fn new(generation: Arc<Generation>, header: Header) -> Self {
        Self { generation, header, loading: Some(L::default()), rows: 0, bytes: 0 }
    }

    /// Takes the next frame.
    pub fn take(&mut self, frame: &[u8]) -> io::Result<()> {
        let (keys, number) = (*self.generation.keys(), self.generation.number());
        let mut batch = WriteBatch::new();
        let loading = self.loading.get_or_insert_default();
        for item in items(frame, ROW) {
            let (key, value) = item?;
            loading.row(key, value)?;
            batch.put(keys.row(number, key), value);
            self.rows += 1;
        }
        self.bytes += frame.len() as u64;
        self.generation.engine()?.write(batch).map_err(storage)?;
        self.generation.tell(Some((self.rows, self.bytes)));
        Ok(())
    }

    /// The snapshot, if it is what its header says, and can follow the state that is there.
    pub fn finish(mut self, last: u64, own: &L::Image) -> io::Result<Capture<L::Image>> {
        let image = self.loading.take().unwrap_or_default().finish()?;
        let is_trusted = planted::active(Defect::SnapshotWithoutDedup) || planted::active(Defect::SnapshotCut);
        if !is_trusted {
            if image.hash() != self.header.root {
                return Err(broken("the state's hash is not its header's"));
            }
            image.follows(own, last)?;
        }
        Ok(Capture { image, last, generation: self.generation.clone() })
    }
}

impl<L> Drop for Filling<L> {
    fn drop(&mut self) {
        self.generation.tell(None);
    }
}

/// The capture on the disk of `generations`, whose state is `own`: itself if it is there already, as when it came over the wire.
pub async fn local<L: Loading>(
    capture: Capture<L::Image>,
    generations: &Generations,
    own: &L::Image,
) -> io::Result<Capture<L::Image>> {
    if generations.owns(&capture.generation) {
        return Ok(capture);
    }
    let mut filling = Filling::<L>::new(generations.next().await?, capture.header());
    for frame in capture.frames() {
        filling.take(&frame?)?;
    }
    filling.finish(capture.last, own)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a received snapshot is broken: {what}"))
}
