//! Starts `symbi-sim`: each simulation is a process of its own.

use std::process::{Command, Output};

/// Runs `symbi-sim` with these arguments, separated by spaces.
pub fn symbi_sim(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbi-sim"));
    command.args(arguments.split_whitespace()).env_remove("RUST_LOG");
    command.output().expect("the program starts")
}

/// What it printed.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn wrong_arguments_are_refused_with_exit_code_2() {
    for wrong in
        ["", "--seed x", "--seed 1 --seeds 0..2", "--seeds 1", "--seed 1 --scenario storm", "--seed 1 --planted rust"]
    {
        let output = symbi_sim(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output));
    }
}
