//! Every message of the corpus, cut at each length, with each of its bits flipped, with lengths that lie at each place, and
//! with several of these from a seed: refused, or read as a message like any other, and never with more memory than a bound.

use super::*;
use peak_alloc::PeakAlloc;

/// Counts what a decoder takes.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a decoder may take for a short message, bytes: a sequence is given at most 1 MiB before its items are there.
const BOUND: usize = 2 << 20;
/// Where the wilder damage comes from: printed with each failure.
const SEED: u64 = 0x5e_ed;
/// How often each message is damaged wildly.
const WILD: usize = 2_000;
/// The longest length that the codec can write.
const LIE: [u8; 9] = [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// A small generator, so that a seed is all that a run depends on.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

fn cut(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(|length| bytes[..length].to_vec())
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

fn lying(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (1..=bytes.len()).map(|at| [&bytes[..at], &LIE, &bytes[at..]].concat())
}

/// Bytes changed, put in, taken out and repeated, some of each.
fn wild(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=dice.roll(6) {
        let (at, byte) = (dice.roll(changed.len() + 1), u8::try_from(dice.roll(256)).expect("a byte"));
        match dice.roll(4) {
            0 => changed.insert(at, byte),
            1 => drop(changed.splice(at.., bytes[at.min(bytes.len())..].to_vec())),
            2 if at < changed.len() => drop(changed.remove(at)),
            _ if at < changed.len() => changed[at] ^= byte,
            _ => {}
        }
    }
    changed
}

/// Whether `bytes` are read as a message, in bounds.
fn is_read<T: Debug + PartialEq>(bytes: &[u8], decode: fn(&[u8]) -> Result<T, Error>, encode: fn(&T) -> Bytes) -> bool {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let read = decode(bytes);
    let peak = MEMORY.peak_usage().saturating_sub(before);
    assert!(peak <= BOUND, "seed {SEED}: the decoder took {peak} bytes for {}", hex(bytes));
    if let Ok(message) = &read {
        assert_eq!(decode(&encode(message)).as_ref(), Ok(message), "seed {SEED}: {}", hex(bytes));
    }
    read.is_ok()
}

/// Damages `messages` in every way; how many forms were refused, and how many were read.
fn damaged<T: Debug + PartialEq>(
    messages: &[T],
    decode: fn(&[u8]) -> Result<T, Error>,
    encode: fn(&T) -> Bytes,
) -> (usize, usize) {
    let (mut dice, mut refused, mut read) = (Dice(SEED), 0, 0);
    for message in messages {
        let bytes = encode(message);
        for short in cut(&bytes) {
            assert!(!is_read(&short, decode, encode), "{message:?} is read of {} bytes", short.len());
            refused += 1;
        }
        let wild = (0..WILD).map(|_| wild(&mut dice, &bytes)).collect::<Vec<_>>();
        for form in flipped(&bytes).chain(lying(&bytes)).chain(wild) {
            match is_read(&form, decode, encode) {
                true => read += 1,
                false => refused += 1,
            }
        }
    }
    (refused, read)
}

#[test]
fn a_damaged_request_is_refused_or_is_a_request_and_takes_no_memory() {
    let (refused, read) = damaged(&requests(), Request::decode, Request::encode);
    assert!(refused > 10_000 && read > 1_000, "{refused} refused, {read} read: both kinds are to be seen");
}

#[test]
fn a_damaged_reply_is_refused_or_is_a_reply_and_takes_no_memory() {
    let (refused, read) = damaged(&replies(), Reply::decode, Reply::encode);
    assert!(refused > 10_000 && read > 1_000, "{refused} refused, {read} read: both kinds are to be seen");
}
