//! Rows or lines packed into frames of raw bytes: those of a snapshot, and those that a replica asks others for.
//!
//! A frame is one item after the other: a letter (`r` a row, `l` a line), the lengths of key and value as four big-endian
//! bytes each, then both. A line's key is its entry's index and its number, big-endian.

use super::{Line, Row};
use crate::disk::keys::Keys;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use std::iter::Peekable;
use symbi_model::Hash;
use symbi_model::planted::{self, Defect};

/// The most bytes of items in a frame, but for a single one that is longer. On a slow link what is on its way stands before
/// all else, and a frame is what must arrive in time.
pub const FRAME_BYTES: usize = 128 * 1024;
/// The letter of a row.
pub const ROW: u8 = b'r';
/// The letter of a line.
const LINE: u8 = b'l';
/// The letter and the two lengths.
const HEAD: usize = 9;

/// What the frames must come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the rows come to.
    pub root: Hash,
}

/// Cuts a snapshot into frames, one at a time.
pub struct Frames {
    /// The rows that are not yet sent.
    rows: Peekable<Box<dyn Iterator<Item = Row> + Send>>,
}

impl Frames {
    /// The frames of these rows.
    pub fn new(rows: Box<dyn Iterator<Item = Row> + Send>) -> Self {
        Self { rows: rows.peekable() }
    }
}

impl Iterator for Frames {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.rows.peek()?;
        let mut frame = Vec::with_capacity(FRAME_BYTES);
        while let Some((key, value)) = self.rows.next_if(|(key, value)| fits(&frame, key.len() + value.len())) {
            push(&mut frame, ROW, &key, &value);
        }
        let is_cut = self.rows.peek().is_none() && planted::active(Defect::SnapshotCut);
        (!is_cut).then(|| Ok(frame.into()))
    }
}

/// One frame of lines.
pub fn pack(lines: &[Line]) -> Vec<u8> {
    let mut frame = Vec::new();
    for (at, value) in lines {
        push(&mut frame, LINE, &Keys::line_key(*at), value);
    }
    frame
}

/// The lines of a frame.
pub fn unpack(frame: &[u8]) -> io::Result<Vec<Line>> {
    let line = |item: io::Result<(&[u8], &[u8])>| {
        let (key, value) = item?;
        Ok((Keys::position(key).ok_or_else(malformed)?, value.to_vec()))
    };
    items(frame, LINE).map(line).collect()
}

/// The items of a frame, in order; all of them must have this letter.
pub fn items(mut frame: &[u8], letter: u8) -> impl Iterator<Item = io::Result<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        if frame.is_empty() {
            return None;
        }
        let item = split(frame, letter);
        frame = item.as_ref().map_or(&[], |(_, rest)| rest);
        Some(item.map(|(item, _)| item).ok_or_else(malformed))
    })
}

/// An item, key and value, and what is behind it.
type Split<'a> = ((&'a [u8], &'a [u8]), &'a [u8]);

fn split(frame: &[u8], letter: u8) -> Option<Split<'_>> {
    let (head, rest) = frame.split_at_checked(HEAD)?;
    let length = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (key, rest) = rest.split_at_checked(usize::try_from(length(1)?).ok()?)?;
    let (value, rest) = rest.split_at_checked(usize::try_from(length(5)?).ok()?)?;
    (head[0] == letter).then_some(((key, value), rest))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is malformed")
}

fn fits(frame: &[u8], bytes: usize) -> bool {
    frame.is_empty() || frame.len() + HEAD + bytes <= FRAME_BYTES
}

fn push(frame: &mut Vec<u8>, letter: u8, key: &[u8], value: &[u8]) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is far shorter than 4 GiB").to_be_bytes();
    frame.push(letter);
    frame.extend_from_slice(&length(key));
    frame.extend_from_slice(&length(value));
    frame.extend_from_slice(key);
    frame.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::{ROW, items, pack, push, unpack};
    use crate::position::Position;

    #[test]
    fn a_frame_is_read_as_it_was_written_or_not_at_all() {
        let mut frame = Vec::new();
        push(&mut frame, ROW, b"key", b"value");
        push(&mut frame, ROW, b"", b"");
        let read: Vec<_> = items(&frame, ROW).map(|item| item.expect("it is whole")).collect();
        assert_eq!(read, [(&b"key"[..], &b"value"[..]), (b"", b"")]);
        for cut in 1..frame.len() {
            let whole = items(&frame[..cut], ROW).all(|item| item.is_ok());
            assert_eq!(whole, cut == 17, "cut after {cut} of {} bytes", frame.len());
        }
        frame[0] = b'x';
        assert!(items(&frame, ROW).next().is_some_and(|item| item.is_err()));
        assert_eq!(items(&frame, ROW).count(), 1, "nothing is read behind what is malformed");
    }

    #[test]
    fn lines_are_read_as_they_were_packed() {
        let lines = [(Position { index: 7, line: 0 }, b"batch".to_vec()), (Position { index: 7, line: 1 }, Vec::new())];
        let frame = pack(&lines);
        assert_eq!(unpack(&frame).expect("it is whole"), lines);
        assert!(unpack(&frame[..frame.len() - 1]).is_err(), "a cut one is refused");
        let mut row = Vec::new();
        push(&mut row, ROW, b"key", b"value");
        assert!(unpack(&row).is_err(), "a row is no line");
    }
}
