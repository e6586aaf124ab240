//! The `symbi-sim` program: runs seeds, and says how to replay one that fails.

use clap::Parser;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use symbi_model::planted::{self, Defect};
use symbi_simulations::many;
use symbi_simulations::run::{self, Options, Outcome};
use symbi_simulations::scenario::Scenario;

/// Runs the production node under simulated faults: one seed, one history.
///
/// Example: symbi-sim --seed 7 --trace /tmp/7.trace
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The seed to run. The last line printed is the hash of the trace.
    #[arg(long, conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Seeds to run, as 0..100, each in a process of its own.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// How many processes at once, with --seeds.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// What happens: cut, crash, pause, freeze, catch-up, one-way, loss, slow, clock, policy, remove,
    /// power-cut, stall, disk-full, disk-error, ring, transfer, mute, put-back or mixed. By default the seed says.
    #[arg(long)]
    scenario: Option<Scenario>,
    /// A defect to plant, in a debug build, such as epoch-check; a wrong word names them all.
    #[arg(long, value_parser = defect)]
    planted: Option<Defect>,
    /// Where to write the trace.
    #[arg(long, conflicts_with = "seeds")]
    trace: Option<PathBuf>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("as 0..100")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn defect(text: &str) -> Result<Defect, String> {
    let found = Defect::ALL.into_iter().find(|defect| defect.name() == text);
    found.ok_or_else(|| format!("one of {}", Defect::ALL.map(Defect::name).join(", ")))
}

fn main() -> ExitCode {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
    }
    let arguments = Arguments::parse();
    match (&arguments.seeds, arguments.seed) {
        (Some(seeds), _) => several(&arguments, seeds.clone()),
        (None, seed) => one(&arguments, seed.expect("one of the two is required")),
    }
}

fn one(arguments: &Arguments, seed: u64) -> ExitCode {
    let scenario = arguments.scenario.unwrap_or_else(|| Scenario::of(seed));
    if let Some(defect) = arguments.planted {
        planted::plant(Some(defect));
        if !planted::active(defect) {
            eprintln!("error: this is a release build, in which no defect can be planted; use a debug build");
            return ExitCode::from(2);
        }
    }
    let outcome = run::run(Options { seed, scenario, planted: arguments.planted });
    if let Some(path) = &arguments.trace
        && let Err(error) = std::fs::write(path, &outcome.trace)
    {
        eprintln!("error: cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    report(arguments, seed, scenario, &outcome);
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(arguments: &Arguments, seed: u64, scenario: Scenario, outcome: &Outcome) {
    let verdict = if outcome.violations.is_empty() { "ok" } else { "FAILED" };
    let mut text = format!("seed {seed}, scenario {scenario}: {verdict}\n");
    for (name, count) in outcome.counts.named() {
        text.push_str(&format!("{count:>8} {name}\n"));
    }
    for violation in &outcome.violations {
        text.push_str(&format!("violation {violation}\n"));
    }
    if !outcome.violations.is_empty() {
        let planted = arguments.planted.map(|defect| format!(" --planted {}", defect.name())).unwrap_or_default();
        text.push_str(&format!("replay: scripts/sim.sh --seed {seed} --scenario {scenario}{planted}\n"));
    }
    print(&format!("{text}{}\n", outcome.hash));
}

/// Prints to whoever still reads.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn several(arguments: &Arguments, seeds: Range<u64>) -> ExitCode {
    let mut extra = Vec::new();
    if let Some(scenario) = arguments.scenario {
        extra.extend(["--scenario".to_owned(), scenario.to_string()]);
    }
    if let Some(planted) = arguments.planted {
        extra.extend(["--planted".to_owned(), planted.name().to_owned()]);
    }
    match many::run(seeds, &extra, arguments.jobs) {
        Ok(total) => {
            print(&total.to_string());
            if total.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
