//! Damaged frames of each protocol, kept in `corpus/`: a file a type, a line a frame, `<variant> <damage> <hex>`.
//!
//! They are made from the messages of [`crate::golden`] by [`damage`], cut, flipped, lengthened and given lengths that lie, and
//! kept as text so that a change of a format shows what has become of them. `UPDATE_EXPECT=1 cargo nextest run -p symbi-proto
//! corpus` writes them anew. Others replay them too: against a live node (`cluster-tests`), by members and by strangers.

use crate::fixture::{cluster, key, node};
use crate::golden::{Coded, Visit, visit};
use expect_test::expect_file;
use peak_alloc::PeakAlloc;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use symbi_proto::wire::{ControlReply, ControlRequest, JoinReply, JoinRequest, MessageFrame, MessageReply, View};

/// Counts what a decoder takes.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Messages longer than this are damaged in their first bytes only: the corpus stays small.
const SHOWN: usize = 160;
/// What a decoder may take for a short frame, bytes: a sequence is given at most 1 MiB before its items are there.
const BOUND: usize = 2 << 20;

/// The damaged forms of a message, by what was done to it.
fn damage(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let short = &bytes[..bytes.len().min(SHOWN)];
    let mut out = vec![("longer".to_owned(), [short, &[0xff; 4]].concat())];
    for part in [1, 2, 3] {
        let end = short.len() * part / 4;
        out.push((format!("cut-{end}"), short[..end].to_vec()));
    }
    for part in 0..4 {
        let (at, bit) = (short.len() * part / 4, (part * 3 + 1) % 8);
        let mut flipped = short.to_vec();
        flipped[at] ^= 1 << bit;
        out.push((format!("flip-{at}.{bit}"), flipped));
    }
    for at in [2, short.len() / 2, short.len() - 1] {
        // The longest length that the codec can write, where a length or anything else was.
        let lying = [&short[..at.min(short.len())], &[253], &[0xff; 8], &short[at.min(short.len())..]].concat();
        out.push((format!("length-{at}"), lying));
    }
    out
}

/// The corpus: lines by file.
#[derive(Default)]
struct Corpus(BTreeMap<String, String>);

impl Corpus {
    fn add(&mut self, kind: &str, variant: &str, bytes: &[u8]) {
        let file = self.0.entry(format!("{}.txt", kind.to_lowercase())).or_default();
        for (how, damaged) in damage(bytes) {
            writeln!(file, "{variant} {how} {}", hex::encode(damaged)).expect("a text takes all");
        }
    }
}

impl Visit for Corpus {
    fn visit<T: Coded>(&mut self, messages: Vec<T>) {
        let kind = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        for message in messages {
            let shown = format!("{message:?}");
            let variant = shown.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            self.add(kind, variant, &message.bytes());
        }
    }
}

fn made() -> BTreeMap<String, String> {
    let mut corpus = Corpus::default();
    visit(&mut corpus);
    let bytes = crate::wire::view().sign(cluster(), &key(1));
    corpus.add("View", "View", &bytes);
    let others = View { node: node(2), ..crate::wire::view() }.sign(cluster(), &key(1));
    corpus.0.entry("view.txt".to_owned()).or_default().push_str(&format!("View of-another {}\n", hex::encode(others)));
    corpus.0
}

/// Every frame of the corpus as it is kept.
fn kept() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus");
    let mut frames = Vec::new();
    for file in std::fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path()) {
        let text = std::fs::read_to_string(&file).expect("text");
        for line in text.lines() {
            let bytes = line.rsplit(' ').next().and_then(|digits| hex::decode(digits).ok());
            frames.push((format!("{} {line}", file.display()), bytes.unwrap_or_else(|| panic!("{line}"))));
        }
    }
    frames
}

#[test]
fn the_corpus_is_of_every_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus");
    for (file, text) in made() {
        expect_file![folder.join(file)].assert_eq(&text);
    }
}

#[test]
fn no_frame_of_the_corpus_brings_a_decoder_down_or_takes_its_memory() {
    let frames = kept();
    assert!(frames.len() > 500, "{} frames", frames.len());
    let mut refused = 0;
    for (name, bytes) in &frames {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        // One after the other, as whoever reads the wrong protocol would.
        let taken = [
            ControlRequest::decode(bytes).is_ok(),
            ControlReply::decode(bytes).is_ok(),
            JoinRequest::decode(bytes).is_ok(),
            JoinReply::decode(bytes).is_ok(),
            MessageFrame::decode(bytes).is_ok(),
            MessageReply::decode(bytes).is_ok(),
            View::open(cluster(), bytes).is_ok(),
        ];
        let peak = MEMORY.peak_usage().saturating_sub(before);
        assert!(peak <= BOUND, "{name}: a decoder took {peak} bytes for {}", bytes.len());
        assert!(!taken[6], "{name}: nobody signed this");
        refused += usize::from(!taken.contains(&true));
    }
    assert!(refused * 2 > frames.len(), "{refused} of {} are refused by all", frames.len());
}
