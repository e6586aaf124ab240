//! Colour is for terminals, and for nobody who has said `NO_COLOR`. The terminal is util-linux' `script`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// What the program writes to a terminal on which somebody types `typed`; and its exit code.
pub fn on_a_terminal(words: &str, variables: &[(&str, &str)], typed: &str) -> (String, i32) {
    typed_once(|_| true, words, variables, typed)
}

/// The same, typed as soon as what the program has written so far `is_time`.
pub fn typed_once(
    is_time: impl Fn(&str) -> bool,
    words: &str,
    variables: &[(&str, &str)],
    typed: &str,
) -> (String, i32) {
    // In the shell's place: a signal from the keyboard is then the program's alone, and so is the exit code.
    let command = format!("exec {} {words}", env!("CARGO_BIN_EXE_symbi-node"));
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
    let (mut keyboard, mut screen) = (running.stdin.take().expect("a pipe"), running.stdout.take().expect("a pipe"));
    let (mut written, mut some) = (Vec::new(), [0; 4_096]);
    while !is_time(&String::from_utf8_lossy(&written)) {
        let count = screen.read(&mut some).expect("a terminal that writes");
        assert!(count > 0, "it has ended before its time: {}", String::from_utf8_lossy(&written));
        written.extend(&some[..count]);
    }
    keyboard.write_all(typed.as_bytes()).expect("a terminal that reads");
    drop(keyboard);
    screen.read_to_end(&mut written).expect("all that it writes");
    let code = running.wait().expect("its end").code().unwrap_or(-1);
    (String::from_utf8_lossy(&written).into_owned(), code)
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
