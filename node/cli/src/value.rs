//! What the values of flags and arguments may be: a wrong one is refused before a node is asked, and with what would be right.

use std::path::PathBuf;
use std::time::Duration;
use symbi_model::agent::{ANNOTATION_BYTES, ANNOTATION_KEY_BYTES, NAME_BYTES};
use symbi_model::node::{LABEL_BYTES, valid_label, valid_name};
use symbi_server::options::NODE_LABEL;

/// Where a node's HTTP interface is: HOST:PORT, with or without `http://`.
pub fn address(text: &str) -> Result<String, String> {
    let bare = text.trim_start_matches("http://").trim_end_matches('/');
    let wrong = || "an address is HOST:PORT, such as 127.0.0.1:8080".to_owned();
    let (host, port) = bare.rsplit_once(':').ok_or_else(wrong)?;
    let host_is_one = !host.is_empty() && !host.contains(char::is_whitespace) && !host.contains('/');
    if host_is_one && port.parse::<u16>().is_ok_and(|port| port > 0) { Ok(bare.to_owned()) } else { Err(wrong()) }
}

/// A file or directory, there or not.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the path is empty".to_owned()) } else { Ok(text.into()) }
}

/// An agent: its name or its id; or the beginning of either, for a verb that takes one.
pub fn agent(text: &str) -> Result<String, String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_one = (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(letter);
    if is_one {
        return Ok(text.to_owned());
    }
    Err(format!("an agent's name or id has only a-z, 0-9 and '-', and at most {NAME_BYTES} characters"))
}

/// The name of a node or of a cluster.
pub fn label(text: &str) -> Result<String, String> {
    if valid_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has only a-z, 0-9 and '-', at most 63 characters, and does not begin or end with '-'".to_owned())
}

/// A label of a node, such as `gpu` or `zone=a`.
pub fn node_label(text: &str) -> Result<String, String> {
    if text.starts_with(NODE_LABEL) {
        return Err(format!("every node already has the label {NODE_LABEL}NAME, with its own name"));
    }
    if valid_label(text) {
        return Ok(text.to_owned());
    }
    Err(format!("a label is one word of printable ASCII, at most {LABEL_BYTES} bytes, such as zone=a"))
}

/// A node: its name or its id.
pub fn node(text: &str) -> Result<String, String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_one = (1..=64).contains(&text.len()) && text.bytes().all(letter);
    if is_one { Ok(text.to_owned()) } else { Err("a node's name or id has only a-z, 0-9 and '-'".to_owned()) }
}

/// A domain: names with dots between them.
pub fn domain(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(valid_name) {
        return Ok(text.to_owned());
    }
    Err("a domain is names (a-z, 0-9 and '-') separated by dots".to_owned())
}

/// A hash, in hex.
pub fn hash(text: &str) -> Result<String, String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { Ok(text.to_ascii_lowercase()) } else { Err("a hash has 64 hex digits".to_owned()) }
}

/// A time as RFC 3339 has it, in ms since the Unix epoch.
pub fn time_ms(text: &str) -> Result<u64, String> {
    let wrong = || "a time is written as 2027-01-15T08:00:00Z".to_owned();
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| wrong())?;
    let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| wrong())?;
    u64::try_from(since.as_millis()).map_err(|_| wrong())
}

/// A join token's id.
pub fn token_id(text: &str) -> Result<String, String> {
    let is_one = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = || "a token's id is 12 hex digits, as 'symbi-node token ls' prints it".to_owned();
    if is_one { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

/// An id that is of hex digits, with or without dashes, or its beginning.
pub fn id(text: &str) -> Result<String, String> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_one { Ok(text.to_ascii_lowercase()) } else { Err("an id has only hex digits and dashes".to_owned()) }
}

/// An annotation's key.
pub fn annotation_key(text: &str) -> Result<String, String> {
    if (1..=ANNOTATION_KEY_BYTES).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!("a key has 1 to {ANNOTATION_KEY_BYTES} bytes"))
}

/// An annotation's value.
pub fn annotation(text: &str) -> Result<String, String> {
    if text.len() <= ANNOTATION_BYTES {
        Ok(text.to_owned())
    } else {
        Err(format!("a note has at most {ANNOTATION_BYTES} bytes"))
    }
}

/// A member to join, as HOST:PORT. What it resolves to is the join's own first phase.
pub fn member(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("give a member's HOST:PORT".to_owned()) } else { Ok(text.to_owned()) }
}

/// How long a join token lives.
pub fn life(text: &str) -> Result<Duration, String> {
    let life = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 30m, 24h or 7d"))?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(90 * 24 * 60 * 60);
    if bounds.contains(&life) { Ok(life) } else { Err("a token can live from 1 s to 90 days".to_owned()) }
}

/// An API token's id.
pub fn api_token_id(text: &str) -> Result<String, String> {
    let is_one = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = || "an API token's id is 12 hex digits, as 'symbi-node api-token ls' prints it".to_owned();
    if is_one { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

/// An action as policies name it, or what stands for those without a name. Whether there is such a one, the node knows.
pub fn action(text: &str) -> Result<String, String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b':' || byte == b'_';
    let is_one = !text.is_empty() && text.bytes().all(letter);
    let wrong = || "an action is written as agent::create; 'symbi-node policy schema' lists them".to_owned();
    if is_one { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// How long an API token lives: none within for ever.
#[derive(Clone, Copy, Debug)]
pub struct Life(pub Option<Duration>);

/// How long an API token lives.
pub fn api_life(text: &str) -> Result<Life, String> {
    if text == "forever" {
        return Ok(Life(None));
    }
    let life = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 24h, 30d or forever"))?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3_650 * 24 * 60 * 60);
    let wrong = || "an API token can live from 1 s to ten years, or forever".to_owned();
    if bounds.contains(&life) { Ok(Life(Some(life))) } else { Err(wrong()) }
}

/// How long something may take.
pub fn patience(text: &str) -> Result<Duration, String> {
    let patience = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 500ms, 30s or 2m"))?;
    if patience.is_zero() { Err("it must be more than zero, such as 1s".to_owned()) } else { Ok(patience) }
}
