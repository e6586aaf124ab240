//! Which column family holds which keys.
//!
//! Every [`Run`] has a family of its own. Its files follow one another and hardly overlap, so a compaction has little to write
//! again; among rows that are overwritten all over, each row of a run would be written again with those, over and over.

use std::ops::Range;
use symbi_store::Run;

/// The family of the keys that are in no run; RocksDB has it always.
const REST: &str = "default";

/// The key space, cut into sections of one family each.
///
/// Invariants:
/// - the first section begins with the first key, and each ends where the next begins;
/// - two that follow one another are of different families, but for runs that touch.
#[derive(Debug)]
pub(crate) struct Families {
    /// The families' names; the first is that of the rest.
    names: Vec<&'static str>,
    /// Where each section begins, and the place of its family among the names.
    sections: Vec<(Vec<u8>, usize)>,
}

/// A part of a range of keys that is in one family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'k> {
    /// The family's place among the names.
    pub(crate) family: usize,
    /// The keys, without the last.
    pub(crate) keys: Range<&'k [u8]>,
}

/// Keys from `start` on, and without an `end` all of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere<'k> {
    /// The first.
    pub(crate) start: &'k [u8],
    /// The first that is not among them.
    pub(crate) end: Option<&'k [u8]>,
}

impl Families {
    /// One family for each run, and one for the rest.
    ///
    /// # Panics
    /// When runs overlap, or have the same name.
    pub(crate) fn new(runs: &[Run]) -> Self {
        let mut names = vec![REST];
        for run in runs {
            assert!(!names.contains(&run.name), "two runs are called {}", run.name);
            names.push(run.name);
        }
        let mut ordered: Vec<(usize, &Run)> = (1..).zip(runs).collect();
        ordered.sort_by(|(_, left), (_, right)| left.from.cmp(&right.from));
        let mut sections = vec![(Vec::new(), 0)];
        for (family, run) in ordered {
            let (end, _) = sections.last().expect("the first is always there");
            assert!(*end <= run.from && run.from < run.to, "the keys of {} overlap with others", run.name);
            if *end == run.from {
                sections.pop();
            }
            sections.extend([(run.from.clone(), family), (run.to.clone(), 0)]);
        }
        Self { names, sections }
    }

    /// The families' names; the first is that of the rest.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The place of a key's family among the names.
    pub(crate) fn of(&self, key: &[u8]) -> usize {
        self.sections[self.section(key)].1
    }

    /// The parts of a range, in order; none of an empty one.
    pub(crate) fn parts<'k>(&'k self, from: &'k [u8], to: &'k [u8]) -> impl DoubleEndedIterator<Item = Part<'k>> {
        let first = self.section(from);
        let end = if from < to { self.sections.partition_point(|(begin, _)| begin.as_slice() < to) } else { first };
        (first..end).map(move |section| {
            let (begin, family) = &self.sections[section];
            let next = self.sections.get(section + 1).map_or(to, |(next, _)| next);
            Part { family: *family, keys: from.max(begin)..to.min(next) }
        })
    }

    /// The keys that are in other families than the one of this name: each section with its own family's name, and up to its end
    /// if it has one.
    pub(crate) fn elsewhere<'k>(&'k self, name: &'k str) -> impl Iterator<Item = (&'k str, Elsewhere<'k>)> {
        let ends = self.sections.iter().skip(1).map(|(begin, _)| Some(begin.as_slice())).chain([None]);
        let sections = self.sections.iter().zip(ends);
        let sections = sections.map(|((start, family), end)| (self.names[*family], Elsewhere { start, end }));
        sections.filter(move |(own, _)| *own != name)
    }

    /// The section in which a key is.
    fn section(&self, key: &[u8]) -> usize {
        self.sections.partition_point(|(begin, _)| begin.as_slice() <= key) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Elsewhere, Families, Part};
    use symbi_store::Run;

    fn families() -> Families {
        let run = |name, from: &[u8], to: &[u8]| Run { name, from: from.to_vec(), to: to.to_vec() };
        Families::new(&[run("lines", b"p", b"s"), run("log", b"c", b"e"), run("chain", b"e", b"g")])
    }

    #[test]
    fn a_key_is_in_the_family_of_its_run_or_in_the_rest() {
        let families = families();
        let named = |key: &[u8]| families.names()[families.of(key)];
        for (key, family) in [
            (&b""[..], "default"),
            (b"bz", "default"),
            (b"c", "log"),
            (b"dz", "log"),
            (b"e", "chain"),
            (b"g", "default"),
            (b"p", "lines"),
            (b"s", "default"),
            (b"\xff\xff", "default"),
        ] {
            assert_eq!(named(key), family, "{key:?}");
        }
    }

    #[test]
    fn the_parts_of_a_range_are_the_range_in_order() {
        let families = families();
        let parts = |from: &'static [u8], to: &'static [u8]| {
            let parts =
                families.parts(from, to).map(|Part { family, keys }| (families.names()[family], keys.start, keys.end));
            parts.map(|(name, from, to)| (name, from.to_vec(), to.to_vec())).collect::<Vec<_>>()
        };
        let part = |name, from: &[u8], to: &[u8]| (name, from.to_vec(), to.to_vec());
        assert_eq!(parts(b"d", b"d"), []);
        assert_eq!(parts(b"e", b"c"), []);
        assert_eq!(parts(b"ca", b"d"), [part("log", b"ca", b"d")]);
        assert_eq!(parts(b"c", b"e"), [part("log", b"c", b"e")]);
        assert_eq!(parts(b"a", b"b"), [part("default", b"a", b"b")]);
        assert_eq!(
            parts(b"b", b"q"),
            [
                part("default", b"b", b"c"),
                part("log", b"c", b"e"),
                part("chain", b"e", b"g"),
                part("default", b"g", b"p"),
                part("lines", b"p", b"q"),
            ]
        );
    }

    #[test]
    fn without_runs_all_is_in_the_rest() {
        let families = Families::new(&[]);
        assert_eq!(families.names(), ["default"]);
        let parts: Vec<_> = families.parts(b"a", b"z").collect();
        assert_eq!(parts, [Part { family: 0, keys: b"a"..b"z" }]);
    }

    #[test]
    #[should_panic(expected = "the keys of log overlap with others")]
    fn runs_that_overlap_are_refused() {
        let run = |name, from: &[u8], to: &[u8]| Run { name, from: from.to_vec(), to: to.to_vec() };
        Families::new(&[run("lines", b"a", b"d"), run("log", b"c", b"e")]);
    }

    #[test]
    #[should_panic(expected = "two runs are called log")]
    fn runs_of_one_name_are_refused() {
        let run = |name, from: &[u8], to: &[u8]| Run { name, from: from.to_vec(), to: to.to_vec() };
        Families::new(&[run("log", b"a", b"c"), run("log", b"c", b"e")]);
    }

    #[test]
    fn what_is_elsewhere_is_all_that_is_not_in_a_family() {
        let families = families();
        let elsewhere = families.elsewhere("log").map(|(own, Elsewhere { start, end })| (own, start, end));
        assert_eq!(
            elsewhere.collect::<Vec<_>>(),
            [
                ("default", &b""[..], Some(&b"c"[..])),
                ("chain", b"e", Some(b"g")),
                ("default", b"g", Some(b"p")),
                ("lines", b"p", Some(b"s")),
                ("default", b"s", None),
            ]
        );
    }
}
