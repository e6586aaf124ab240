//! Colour is for terminals, and for nobody who has said `NO_COLOR`. The terminal is util-linux' `script`.

use std::io::Write;
use std::process::{Command, Stdio};

/// What the program writes to a terminal on which somebody types `typed`; and its exit code.
pub fn on_a_terminal(words: &str, variables: &[(&str, &str)], typed: &str) -> (String, i32) {
    let command = format!("{} {words}", env!("CARGO_BIN_EXE_symbi-node"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut running = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("PATH", path)
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("util-linux' script is installed");
    running.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("a terminal that reads");
    let ran = running.wait_with_output().expect("its end");
    (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.status.code().unwrap_or(-1))
}

#[test]
fn a_terminal_gets_colour_unless_it_does_not_want_it() {
    for words in ["agent ls --addr 127.0.0.1:1", "agent --help"] {
        assert!(on_a_terminal(words, &[], "").0.contains("\x1b["), "{words}");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let (text, _) = on_a_terminal(words, &[plain], "");
            assert!(!text.contains("\x1b[") && !text.is_empty(), "{words} with {plain:?}: {text:?}");
        }
    }
}

#[test]
fn no_terminal_gets_none() {
    let place = crate::program::Place::new();
    for words in [&["agent", "ls", "--addr", "127.0.0.1:1"][..], &["agent", "--help"], &["agent"]] {
        let ran = place.run_with(&[("TERM", "xterm")], words);
        assert!(!ran.shown().contains('\x1b'), "{words:?}: {}", ran.shown());
    }
}
