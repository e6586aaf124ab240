//! What a verb that takes long says meanwhile, on standard error: a line for each step, and on a terminal one line that
//! changes, with a bar where the end is known.

use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How wide a bar is, in letters.
const BAR: usize = 24;
/// A bar moves by so many bytes at least: more often nobody would see it.
const STEP: u64 = 64 * 1024;

/// Tells of one thing that takes long. Dropped, it leaves a terminal's line clean.
pub struct Progress {
    /// Whether a line can be changed after it was written.
    terminal: bool,
    /// What was told last.
    last: String,
    /// How far the bar was when it was drawn last.
    drawn: u64,
}

impl Progress {
    /// Nothing told yet.
    pub fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { terminal: std::io::stderr().is_terminal() && !dumb, last: String::new(), drawn: 0 }
    }

    /// Says what is being done, unless that was said last.
    pub fn say(&mut self, step: &str) {
        if step == self.last {
            return;
        }
        step.clone_into(&mut self.last);
        if self.terminal { rewrite(step) } else { eprintln!("{step}") }
    }

    /// Shows how much of `total` is done, on a terminal.
    pub fn bar(&mut self, what: &str, done: u64, total: Option<u64>) {
        let moved = done.saturating_sub(self.drawn) >= STEP || total == Some(done);
        if !self.terminal || !moved {
            return;
        }
        self.drawn = done;
        rewrite(&format!("{what} {}", drawing(done, total)));
        what.clone_into(&mut self.last);
    }

    /// Shows how much of a known time is over, on a terminal.
    pub fn elapsed(&mut self, what: &str, over: Duration, of: Duration) {
        if self.terminal {
            rewrite(&format!("{what} {} s of {} s", over.min(of).as_secs(), of.as_secs()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && !self.last.is_empty() {
            rewrite("");
        }
    }
}

/// Writes over the terminal's present line.
fn rewrite(line: &str) {
    // Nobody is served by a failure to say how it goes.
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
}

fn drawing(done: u64, total: Option<u64>) -> String {
    let kib = done / 1024;
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{kib} KiB") };
    let share = done.min(total);
    let full = usize::try_from(share * BAR as u64 / total).unwrap_or(BAR);
    format!("[{}{}] {}% of {} KiB", "#".repeat(full), "-".repeat(BAR - full), share * 100 / total, total / 1024)
}

#[cfg(test)]
mod tests {
    use super::drawing;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(drawing(2048, None), "2 KiB");
        assert_eq!(drawing(0, Some(4096)), format!("[{}] 0% of 4 KiB", "-".repeat(24)));
        assert_eq!(drawing(1024, Some(4096)), format!("[{}{}] 25% of 4 KiB", "#".repeat(6), "-".repeat(18)));
        assert_eq!(drawing(9999, Some(4096)), format!("[{}] 100% of 4 KiB", "#".repeat(24)));
    }
}
