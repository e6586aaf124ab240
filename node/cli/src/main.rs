//! The `symbi-node` program: `start` runs a node, every other verb is a client of a running one.

mod agent;
mod api_token;
mod atomic_file;
mod audit;
mod bench;
mod cluster;
mod context;
mod lookup;
mod msg;
mod output;
mod policy;
mod progress;
mod start;
mod style;
mod token;
mod upgrade;
mod usage;
mod user;
mod value;
mod verbs;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match verbs::parse(std::env::args_os().collect()).and_then(verbs::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", style::failure(&failure));
            ExitCode::from(failure.exit)
        }
    }
}
