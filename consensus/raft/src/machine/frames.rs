//! A snapshot cut into frames: first the state's rows, then the audit lines.

use super::Image;
use crate::audit;
use crate::position::Position;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::iter::Peekable;
use std::vec::IntoIter;
use symbi_model::Hash;
use symbi_model::state::Row;

/// The most bytes of rows in a frame, but for a single row that is longer.
pub const FRAME_BYTES: usize = 640 * 1024;
/// How many audit lines are read at a time.
const STEP: usize = 256;

/// What the frames must come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The state hash.
    pub root: Hash,
    /// The hash of the last audit record.
    pub head: Hash,
    /// How many audit records there are.
    pub records: u64,
}

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// Rows of the state: table number, key, value.
    Rows(Vec<(u8, Vec<u8>, Vec<u8>)>),
    /// Audit lines, in order: log index, line, value.
    Audit(Vec<(u64, u32, Vec<u8>)>),
}

/// Cuts a snapshot into frames, one at a time.
pub struct Frames {
    /// The snapshot.
    image: Image,
    /// The rows that are not yet sent.
    rows: Peekable<IntoIter<Row>>,
    /// Where the audit lines go on; none when all were read.
    next: Option<Position>,
    /// Audit lines that were read and did not fit.
    lines: VecDeque<(Position, Vec<u8>)>,
}

impl Frames {
    /// The frames of `image`.
    pub fn of(image: &Image) -> Self {
        Self {
            rows: image.state.rows().into_iter().peekable(),
            image: image.clone(),
            next: Some(Position::default()),
            lines: VecDeque::new(),
        }
    }

    fn rows(&mut self) -> Frame {
        let mut bytes = 0;
        let mut rows = Vec::new();
        while let Some(row) = self.rows.peek() {
            bytes += row.key.len() + row.value.as_ref().map_or(0, Vec::len);
            if !rows.is_empty() && bytes > FRAME_BYTES {
                break;
            }
            rows.extend(self.rows.next().map(|row| (row.table as u8, row.key, row.value.unwrap_or_default())));
        }
        Frame::Rows(rows)
    }

    fn audit(&mut self) -> io::Result<Option<Frame>> {
        let mut bytes = 0;
        let mut lines = Vec::new();
        while self.refill()? {
            let Some((_, value)) = self.lines.front() else { break };
            bytes += value.len();
            if !lines.is_empty() && bytes > FRAME_BYTES {
                break;
            }
            lines.extend(self.lines.pop_front().map(|(at, value)| (at.index, at.line, value)));
        }
        Ok((!lines.is_empty()).then_some(Frame::Audit(lines)))
    }

    /// Whether there is another audit line.
    fn refill(&mut self) -> io::Result<bool> {
        let Some(from) = self.next.filter(|_| self.lines.is_empty()) else { return Ok(!self.lines.is_empty()) };
        let generation = &self.image.generation;
        let (engine, keys) = (generation.engine()?, generation.keys());
        let lines = audit::scan(&*engine, keys, generation.number(), from, self.image.last + 1, STEP)?;
        self.next = lines.last().map(|(at, _)| Position { line: at.line + 1, ..*at });
        self.lines = lines.into();
        Ok(!self.lines.is_empty())
    }
}

impl Iterator for Frames {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.peek().is_some() {
            return Some(Ok(self.rows()));
        }
        self.audit().transpose()
    }
}
