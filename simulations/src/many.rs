//! Many seeds: each in a process of its own, because what makes a simulation deterministic is the process's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::process::{Child, Command, Stdio};

/// What many seeds have shown together.
#[derive(Debug, Default)]
pub struct Total {
    /// How many were run.
    pub seeds: u64,
    /// What the failed ones printed, by seed.
    pub failed: BTreeMap<u64, String>,
    /// The counts of all, in the order in which one seed prints them.
    pub counts: Vec<(String, u64)>,
}

impl Total {
    fn take(&mut self, seed: u64, success: bool, output: &str) {
        self.seeds += 1;
        if !success {
            self.failed.insert(seed, output.to_owned());
        }
        let counted = output.lines().filter_map(|line| line.trim_start().split_once(' '));
        for (count, name) in counted.filter_map(|(count, name)| Some((count.parse::<u64>().ok()?, name))) {
            match self.counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => self.counts.push((name.to_owned(), count)),
            }
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, output) in &self.failed {
            writeln!(formatter, "seed {seed} FAILED:\n{output}")?;
        }
        writeln!(formatter, "{} seeds, {} failed", self.seeds, self.failed.len())?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(formatter, "{count:>8} {name}"))?;
        let never: Vec<&str> =
            self.counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| name.as_str()).collect();
        let happened = self.counts.len() - never.len();
        write!(formatter, "coverage: {happened} of {} kinds of event have happened", self.counts.len())?;
        if never.is_empty() { writeln!(formatter) } else { writeln!(formatter, "; never: {}", never.join(", ")) }
    }
}

/// Runs seeds, `jobs` at once, each with the arguments `extra`.
///
/// # Errors
/// When this program cannot be started again.
pub fn run(seeds: Range<u64>, extra: &[String], jobs: usize) -> io::Result<Total> {
    let program = std::env::current_exe()?;
    let mut total = Total::default();
    let all: Vec<u64> = seeds.collect();
    for portion in all.chunks(jobs.max(1)) {
        let start = |seed: &u64| -> io::Result<(u64, Child)> {
            let mut command = Command::new(&program);
            command.args(["--seed", &seed.to_string()]).args(extra).stdout(Stdio::piped()).stderr(Stdio::piped());
            Ok((*seed, command.spawn()?))
        };
        let running: Vec<(u64, Child)> = portion.iter().map(start).collect::<io::Result<_>>()?;
        for (seed, child) in running {
            let output = child.wait_with_output()?;
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.status.success() {
                text.push_str(&String::from_utf8_lossy(&output.stderr));
                text.push_str(&format!("replay: scripts/sim.sh --seed {seed} {}\n", extra.join(" ")));
            }
            if !output.status.success() {
                eprintln!("seed {seed} FAILED");
            }
            total.take(seed, output.status.success(), &text);
        }
    }
    Ok(total)
}
