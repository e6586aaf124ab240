//! `symbi-audit`: verifies an audit bundle, for whoever has no node and no reason to trust one. It says the same, and ends with
//! the same codes, as `symbi-node audit verify FILE`.

mod arguments;

use arguments::{Arguments, Asked, HELP};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;
use symbi_audit::answer::{Refusal, pairs, says};
use symbi_audit::verify_pinned;

/// The exit code of a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::Verify(arguments)) => match verify(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(refusal) => {
                eprintln!("error[{}]: {}\n  why: {}\n  fix: {}", refusal.code, refusal.what, refusal.why, refusal.fix);
                ExitCode::from(refusal.exit)
            }
        },
        Ok(Asked::Help) => print(HELP),
        Ok(Asked::Version) => print(concat!("symbi-audit ", env!("CARGO_PKG_VERSION"))),
        Err(wrong) => {
            eprintln!("error[USAGE]: {wrong}\n  fix: symbi-audit --help");
            ExitCode::from(USAGE)
        }
    }
}

fn verify(arguments: &Arguments) -> Result<(), Refusal> {
    let name = arguments.file.display().to_string();
    let file = File::open(&arguments.file).map_err(|error| Refusal {
        exit: 1,
        code: "FILE",
        what: format!("cannot read {name}"),
        why: error.to_string(),
        fix: "name a bundle that 'symbi-node audit export' has written",
    })?;
    let checked = verify_pinned(BufReader::new(file), arguments.anchor.as_deref(), arguments.pin.as_deref());
    let fix = "export again from a node, and keep this copy as evidence";
    let report = checked.map_err(|failure| Refusal::broken(&name, &failure, fix))?;
    let text =
        if arguments.json { format!("{:#}", report.json(says(&report))) } else { pairs(&report.lines(says(&report))) };
    print(&text);
    match Refusal::lacking(&name, &report.lacks(arguments.not_before)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Whoever reads may have gone: that changes nothing of what was found.
fn print(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}
