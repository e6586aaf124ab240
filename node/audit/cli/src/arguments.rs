//! The command line, read by hand: four flags are not worth a parser that is larger than the verifier.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// What `--help` prints.
pub const HELP: &str = "\
Verify an audit bundle, without a node

Usage: symbi-audit verify FILE [--anchor HASH] [--pin HASH] [--not-before TIME] [-o table|json]

  FILE               The bundle, as 'symbi-node audit export --bundle FILE' writes it
  --anchor HASH      The cluster's anchor, as 'start' and 'cluster status' print it; without it only
                     consistency is shown
  --pin HASH         A checkpoint of this cluster that was kept elsewhere: the bundle must contain it
  --not-before TIME  The last witnessed checkpoint must not be older, e.g. 2027-01-15T08:00:00Z
  -o, --output FORM  table (the default) or json

Exit codes: 0 all of it holds; 8 all of it holds, but a ledger is missing or the last witnessed checkpoint
is older than --not-before; 10 something does not hold; 1 the file cannot be read; 2 wrong usage.";

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// A bundle's verification.
    Verify(Arguments),
    /// The help.
    Help,
    /// The version.
    Version,
}

/// How a bundle is verified.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The bundle.
    pub file: PathBuf,
    /// The cluster's anchor.
    pub anchor: Option<String>,
    /// A checkpoint that must be in it.
    pub pin: Option<String>,
    /// The time before which the last witnessed checkpoint must not be, ms since the Unix epoch.
    pub not_before: Option<u64>,
    /// Whether the answer is JSON.
    pub json: bool,
}

/// Reads what comes after the program's name.
///
/// # Errors
/// What is wrong, in words.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut words = words.into_iter();
    let mut arguments = Arguments::default();
    match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("verify") => {}
        Some("-h" | "--help" | "help") | None => return Ok(Asked::Help),
        Some("-V" | "--version") => return Ok(Asked::Version),
        Some(other) => return Err(format!("there is no verb '{other}': the only one is verify")),
    }
    let mut file = None;
    while let Some(word) = words.next() {
        let (flag, given) = match word.to_str().filter(|text| text.starts_with('-')) {
            None if file.is_none() => {
                file = Some(PathBuf::from(word));
                continue;
            }
            None => return Err(format!("one bundle at a time: {} is another", word.to_string_lossy())),
            Some("-h" | "--help") => return Ok(Asked::Help),
            Some(text) => match text.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (text.to_owned(), None),
            },
        };
        let given = given.or_else(|| words.next().and_then(|word| word.into_string().ok()));
        let value = given.ok_or_else(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--anchor" => arguments.anchor = Some(hash(&flag, &value)?),
            "--pin" => arguments.pin = Some(hash(&flag, &value)?),
            "--not-before" => arguments.not_before = Some(time(&value)?),
            "-o" | "--output" => arguments.json = is_json(&value)?,
            other => return Err(format!("there is no flag {other}")),
        }
    }
    arguments.file = file.ok_or("verify wants a bundle: symbi-audit verify FILE")?;
    Ok(Asked::Verify(arguments))
}

fn hash(flag: &str, text: &str) -> Result<String, String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { Ok(text.to_ascii_lowercase()) } else { Err(format!("{flag}: a hash has 64 hex digits")) }
}

fn time(text: &str) -> Result<u64, String> {
    let wrong = || format!("--not-before: {text:?} is no time such as 2027-01-15T08:00:00Z");
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| wrong())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    u64::try_from(since.as_millis()).map_err(|_| wrong())
}

fn is_json(form: &str) -> Result<bool, String> {
    match form {
        "json" => Ok(true),
        "table" => Ok(false),
        other => Err(format!("there is no output form {other:?}: table and json are")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Asked, read};

    fn words(text: &str) -> Result<Asked, String> {
        read(text.split_whitespace().map(Into::into))
    }

    #[test]
    fn flags_stand_anywhere_and_either_way() {
        let hash = "Ab".repeat(32);
        let asked = words(&format!("verify --anchor={hash} b.jsonl -o json --not-before 1970-01-01T00:00:01Z"));
        let anchor = Some("ab".repeat(32));
        let wanted = Arguments { file: "b.jsonl".into(), anchor, pin: None, not_before: Some(1_000), json: true };
        assert_eq!(asked, Ok(Asked::Verify(wanted)));
        assert_eq!(words(""), Ok(Asked::Help));
        assert_eq!(words("verify -h"), Ok(Asked::Help));
        assert_eq!(words("--version"), Ok(Asked::Version));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("check b", "no verb 'check'"),
            ("verify", "wants a bundle"),
            ("verify a b", "one bundle at a time"),
            ("verify a --anchor", "wants a value"),
            ("verify a --anchor 12", "64 hex digits"),
            ("verify a --pin=x", "--pin: a hash"),
            ("verify a --not-before soon", "no time"),
            ("verify a --loud x", "no flag --loud"),
            ("verify a -o xml", "no output form"),
        ] {
            let wrong = words(text).expect_err(text);
            assert!(wrong.contains(part), "{text}: {wrong}");
        }
    }
}
