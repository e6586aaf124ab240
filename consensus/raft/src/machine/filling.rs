//! A snapshot that is being received: its frames go to disk under a generation of their own and are checked as they come.

use super::frames::{Header, Item, items};
use super::{Capture, Generation, Generations, Image, Loading, Source};
use crate::disk::keys::Keys;
use crate::error::storage;
use std::io;
use std::sync::Arc;
use symbi_store::WriteBatch;

/// A snapshot on its way in. Dropped before it is installed, what it wrote is deleted.
pub struct Filling<L> {
    /// Where it goes.
    generation: Arc<Generation>,
    /// What it must come to.
    header: Header,
    /// The state so far.
    loading: L,
}

impl<L: Loading> Filling<L> {
    /// Nothing yet.
    pub fn new(generation: Arc<Generation>, header: Header) -> Self {
        Self { generation, header, loading: L::default() }
    }

    /// Takes the next frame.
    pub fn take(&mut self, frame: &[u8]) -> io::Result<()> {
        let (keys, number) = (*self.generation.keys(), self.generation.number());
        let mut batch = WriteBatch::new();
        for item in items(frame) {
            match item? {
                Item::Row(key, value) => {
                    self.loading.row(key, value)?;
                    batch.put(keys.row(number, key), value);
                }
                Item::Line(key, value) => {
                    let at = Keys::position(key).ok_or_else(|| broken("a line's key is malformed"))?;
                    self.loading.line(at.index, at.line, value)?;
                    batch.put(keys.line(number, at.index, at.line), value);
                }
            }
        }
        self.generation.engine()?.write(batch).map_err(storage)
    }

    /// The snapshot, if it is what its header says.
    pub fn finish(self, last: u64) -> io::Result<Capture<L::Image>> {
        let image = self.loading.finish(Source::Peer)?;
        if image.hash() != self.header.root {
            return Err(broken("the state's hash is not its header's"));
        }
        Ok(Capture { image, last, generation: self.generation })
    }
}

/// The capture on the disk of `generations`: itself if it is there already, as when it came over the wire.
pub async fn local<L: Loading>(capture: Capture<L::Image>, generations: &Generations) -> io::Result<Capture<L::Image>> {
    if generations.owns(&capture.generation) {
        return Ok(capture);
    }
    let mut filling = Filling::<L>::new(generations.next().await?, capture.header());
    for frame in capture.frames() {
        filling.take(&frame?)?;
    }
    filling.finish(capture.last)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a received snapshot is broken: {what}"))
}
