//! The `symbi-node` program: `start` runs a node, every other verb is a client of a running one.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().collect()).and_then(cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", cli::shown(&failure));
            ExitCode::from(failure.exit)
        }
    }
}
