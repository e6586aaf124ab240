//! What an operator is told when something fails: what, why, the fix as a command, what was undone, and the exit code.

use std::fmt;

/// A failure, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The process's exit code.
    pub exit: u8,
    /// A stable code.
    pub code: String,
    /// What happened.
    pub what: String,
    /// Why, as far as it is known.
    pub why: Option<Box<str>>,
    /// What to do.
    pub fix: Option<Box<str>>,
    /// What was undone, or left behind.
    pub undo: Option<Box<str>>,
}

impl Failure {
    /// A failure of which only the fact is known.
    #[must_use]
    pub fn new(exit: u8, code: impl Into<String>, what: impl Into<String>) -> Self {
        Self { exit, code: code.into(), what: what.into(), why: None, fix: None, undo: None }
    }

    /// Says why.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into().into());
        self
    }

    /// Says why by an error and everything beneath it: no error here prints its source by itself.
    #[must_use]
    pub fn because(self, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        self.why(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }

    /// Says what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into().into());
        self
    }

    /// Says what was undone.
    #[must_use]
    pub fn undo(mut self, undo: impl Into<String>) -> Self {
        self.undo = Some(undo.into().into());
        self
    }
}

/// What to tell the operator of an engine that failed, if that is why something else did.
#[must_use]
pub fn of_disk(error: &symbi_store::Error) -> Option<Failure> {
    match error {
        symbi_store::Error::Full => Some(disk_full("the disk with the data directory is full")),
        symbi_store::Error::Corrupt(_) | symbi_store::Error::Io(_) => Some(
            Failure::new(10, "DISK_FAILED", "the disk with the data directory has failed")
                .because(error)
                .fix("look at the disk, then start the node again: nothing that was acknowledged is lost"),
        ),
        // Met at an opening only, or of a file.
        symbi_store::Error::InUse { .. }
        | symbi_store::Error::Version(_)
        | symbi_store::Error::Closed
        | symbi_store::Error::Missing(_)
        | symbi_store::Error::Exists(_) => None,
    }
}

/// A disk without room. It stops the node and costs nothing else, so it is no integrity failure.
#[must_use]
pub fn disk_full(what: impl Into<String>) -> Failure {
    Failure::new(1, "DISK_FULL", what)
        .why("no space left on device; a node that cannot write its log stops, so that it loses nothing")
        .fix("free some space, then start the node again: nothing that was acknowledged is lost")
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "error[{}]: {}", self.code, self.what)?;
        for (name, text) in [("why", &self.why), ("fix", &self.fix), ("undo", &self.undo)] {
            if let Some(text) = text {
                // A parser's complaint has several lines: they stay below the first.
                let below = format!("\n{:1$}", "", name.len() + 4);
                writeln!(formatter, "  {name}: {}", text.trim_end().replace('\n', &below))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn the_reason_goes_to_the_bottom_and_its_lines_stay_together() {
        let error = symbi_net::Error::Listen {
            addr: "127.0.0.1:1".parse().unwrap(),
            source: std::io::Error::other("in use\nby another"),
        };
        let text = Failure::new(1, "LISTEN", "no").because(&error).to_string();
        assert_eq!(text, "error[LISTEN]: no\n  why: cannot listen on 127.0.0.1:1: in use\n       by another\n");
    }

    #[test]
    fn it_reads_what_why_fix_undo() {
        let failure = Failure::new(21, "JOIN_DIAL", "nobody answers").why("refused").fix("start it").undo("nothing");
        let text = "error[JOIN_DIAL]: nobody answers\n  why: refused\n  fix: start it\n  undo: nothing\n";
        assert_eq!(failure.to_string(), text);
    }
}
