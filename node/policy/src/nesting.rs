//! A lexical guard in front of Cedar's parser, whose recursion a hostile text could drive through the stack.
//!
//! 200 nested parentheses end a process with a 2 MiB stack. Long chains of operators become deep trees as well, which
//! are walked when they are evaluated and dropped, on whatever stack the caller has. Both are refused before anything
//! is parsed. Strings and comments are skipped; nothing else of the grammar is known here.

use crate::invalid::{PolicyError, Position};

/// How deep brackets and `if`s may nest.
pub const MAX_DEPTH: usize = 32;
/// The most operators and dots between two semicolons.
pub const MAX_OPERATORS: usize = 500;
/// The largest policy set, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// What has been seen of the text so far.
#[derive(Default)]
struct Scan {
    /// For each open bracket, the `if`s seen directly within it.
    open: Vec<usize>,
    /// The `if`s outside any bracket.
    top: usize,
    /// Operators since the last semicolon.
    operators: usize,
}

impl Scan {
    fn depth(&self) -> usize {
        self.open.len() + self.open.iter().sum::<usize>() + self.top
    }

    /// Takes a bracket, a semicolon or the first byte of a run of operators.
    fn symbol(&mut self, byte: u8) {
        match byte {
            b'(' | b'[' | b'{' => self.open.push(0),
            b')' | b']' | b'}' => {
                self.open.pop();
            }
            b';' => {
                self.operators = 0;
                self.top = 0;
            }
            byte if is_operator(byte) => self.operators += 1,
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8]) {
        match word {
            b"if" => *self.open.last_mut().unwrap_or(&mut self.top) += 1,
            b"in" | b"has" | b"is" | b"like" => self.operators += 1,
            _ => {}
        }
    }
}

/// Refuses a text that is too large, nests too deep, or chains too many operators.
pub fn guard(text: &str) -> Result<(), PolicyError> {
    if text.len() > MAX_BYTES {
        let message = format!("a policy set may have {MAX_BYTES} bytes, and this one has {}", text.len());
        return Err(Position::start().error(message));
    }
    let bytes = text.as_bytes();
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        match bytes[at] {
            b'"' => {}
            b'/' if end > at + 1 => {}
            byte if is_word(byte) => scan.word(&bytes[at..end]),
            byte => scan.symbol(byte),
        }
        if scan.depth() > MAX_DEPTH {
            let message = format!("brackets and ifs nest deeper than {MAX_DEPTH}");
            return Err(Position::of(text, at).error(message));
        }
        if scan.operators > MAX_OPERATORS {
            let message = format!("a policy has more than {MAX_OPERATORS} operators: use a set, or several policies");
            return Err(Position::of(text, at).error(message));
        }
        at = end;
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_operator(byte: u8) -> bool {
    b"&|+-*!.=<>".contains(&byte)
}

/// The end of the string, comment, word, run of operators or single byte that begins at `at`.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let length = match rest {
        [b'"', ..] => string_length(rest),
        [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n' || byte == b'\r').unwrap_or(rest.len()),
        [byte, ..] if is_word(*byte) => rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len()),
        [byte, ..] if is_operator(*byte) => rest.iter().position(|&byte| !is_operator(byte)).unwrap_or(rest.len()),
        _ => 1,
    };
    at + length
}

/// The length of the string that begins `rest`, quotes included; all of it when the string does not end.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}
