//! The lines themselves: what one may hold, how it is read, how it is written.
//!
//! The members of a line that we write stand in a fixed order, which `PROTOCOL.md` promises to agents in shell.

use super::{ASK_TIMEOUT_MS, CallError, Level, Message};
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// JSON-RPC's version, the only one there is.
const VERSION: &str = "2.0";

/// What tells a call from its answer: a whole number or a text of whoever calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number; ours are numbers.
    Number(i64),
    /// A text.
    Text(String),
}

/// What a call is made with, as it came; read once the method is known. None if nothing was given.
pub type Given = Option<Box<RawValue>>;

/// A line.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A call that is to be answered.
    Request {
        /// Its id.
        id: Id,
        /// What is called.
        method: String,
        /// With what.
        params: Given,
    },
    /// A call that is not.
    Notification {
        /// What is called.
        method: String,
        /// With what.
        params: Given,
    },
    /// The answer to a call.
    Response {
        /// The call's id.
        id: Id,
        /// How it went.
        result: Result<Value, CallError>,
    },
}

/// The parameters of a call, which know their method's name.
pub trait Params: Serialize + DeserializeOwned {
    /// The method.
    const METHOD: &'static str;
}

/// `initialize`: who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialize {
    /// Its name.
    pub name: String,
    /// Its placement's epoch.
    pub epoch: u64,
    /// Which start of it this is.
    pub incarnation: u64,
}

/// `ask`: the agent wants an answer of another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Whom.
    pub to: String,
    /// What.
    pub payload: Value,
    /// How long it would wait.
    #[serde(default = "ask_timeout_ms")]
    pub timeout_ms: u64,
}

/// `tell`: the agent has something for another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// Whom.
    pub to: String,
    /// What.
    pub payload: Value,
}

/// `log`: a line for the agent's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How grave.
    pub level: Level,
    /// The line.
    pub text: String,
}

impl Params for Initialize {
    const METHOD: &'static str = "initialize";
}

impl Params for Message {
    const METHOD: &'static str = "message";
}

impl Params for Ask {
    const METHOD: &'static str = "ask";
}

impl Params for Tell {
    const METHOD: &'static str = "tell";
}

impl Params for Log {
    const METHOD: &'static str = "log";
}

fn ask_timeout_ms() -> u64 {
    ASK_TIMEOUT_MS
}

/// A line as it comes, before its shape is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// [`VERSION`].
    jsonrpc: String,
    /// A call's or an answer's; notifications have none.
    #[serde(default)]
    id: Option<Id>,
    /// What is called; answers have none.
    #[serde(default)]
    method: Option<String>,
    /// With what it is called.
    #[serde(default)]
    params: Given,
    /// `null` is a result too.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    /// Why there is no result.
    #[serde(default)]
    error: Option<CallError>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Frame {
    /// Reads a line.
    ///
    /// # Errors
    /// Says what is wrong with it: not JSON, or JSON that is no object of JSON-RPC 2.0.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(line).map_err(|error| complaint(line, &error))?;
        if raw.jsonrpc != VERSION {
            return Err(format!("jsonrpc is {:?} and not {VERSION:?}", raw.jsonrpc));
        }
        let params = raw.params;
        match (raw.id, raw.method, raw.result, raw.error) {
            (Some(id), Some(method), None, None) => Ok(Self::Request { id, method, params }),
            (None, Some(method), None, None) => Ok(Self::Notification { method, params }),
            (Some(id), None, Some(result), None) => Ok(Self::Response { id, result: Ok(result) }),
            (Some(id), None, None, Some(error)) => Ok(Self::Response { id, result: Err(error) }),
            _ => Err(format!("neither a call nor an answer: {}", excerpt(line))),
        }
    }
}

/// Reads the parameters of a call.
///
/// # Errors
/// The JSON-RPC error that answers it.
pub fn params<P: Params>(params: Given) -> Result<P, CallError> {
    serde_json::from_str(params.as_deref().map_or("null", RawValue::get))
        .map_err(|error| CallError::new(CallError::INVALID_PARAMS, format!("parameters of {}: {error}", P::METHOD)))
}

#[derive(Serialize)]
struct Call<'a, P> {
    /// [`VERSION`].
    jsonrpc: &'static str,
    /// None for a notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// What is called.
    method: &'static str,
    /// With what.
    params: &'a P,
}

/// Writes a call that is to be answered.
pub fn request<P: Params>(id: i64, params: &P) -> Bytes {
    line(&Call { jsonrpc: VERSION, id: Some(id), method: P::METHOD, params })
}

/// Writes a call that is not.
pub fn notification<P: Params>(params: &P) -> Bytes {
    line(&Call { jsonrpc: VERSION, id: None, method: P::METHOD, params })
}

#[derive(Serialize)]
struct Answer<'a> {
    /// [`VERSION`].
    jsonrpc: &'static str,
    /// The call's.
    id: &'a Id,
    /// What was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a CallError>,
}

/// Writes the answer to a call.
pub fn response(id: &Id, result: &Result<Value, CallError>) -> Bytes {
    line(&Answer { jsonrpc: VERSION, id, result: result.as_ref().ok(), error: result.as_ref().err() })
}

fn line(content: &impl Serialize) -> Bytes {
    // Only maps with keys that are no texts and failing `Serialize` impls fail here, and none of these types has any.
    serde_json::to_vec(content).expect("types of this module serialize").into()
}

fn complaint(line: &[u8], error: &serde_json::Error) -> String {
    if serde_json::from_slice::<IgnoredAny>(line).is_ok() {
        return format!("not an object of JSON-RPC 2.0 ({error}): {}", excerpt(line));
    }
    format!("not JSON ({error}): {}", excerpt(line))
}

/// The beginning of a line, for people.
fn excerpt(line: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown: String = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN)]).chars().take(SHOWN).collect();
    format!("{shown:?}{}", if shown.len() < line.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Kind;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_message_is_written_with_its_members_in_the_promised_order() {
        let message = Message {
            id: "m1".to_owned(),
            kind: Kind::Ask,
            from: "a".to_owned(),
            deadline_ms: 7,
            payload: json!({ "b": [1, null] }),
        };
        let expected = r#"{"jsonrpc":"2.0","id":3,"method":"message","params":{"id":"m1","kind":"ask","from":"a","deadline_ms":7,"payload":{"b":[1,null]}}}"#;
        assert_eq!(request(3, &message), expected);
    }

    #[test]
    fn every_shape_is_read() {
        let mut shown = String::new();
        for line in [
            r#"{"jsonrpc":"2.0","id":"x","method":"ask","params":{"to":"b","payload":1}}"#,
            r#"{"jsonrpc":"2.0","method":"log"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"no"}}"#,
        ] {
            shown.push_str(&format!("{:?}\n", Frame::parse(line.as_bytes()).expect(line)));
        }
        expect![[r#"
            Request { id: Text("x"), method: "ask", params: Some(RawValue({"to":"b","payload":1})) }
            Notification { method: "log", params: None }
            Response { id: Number(1), result: Ok(Null) }
            Response { id: Number(1), result: Err(CallError { code: 5, message: "no", data: None }) }
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn garbage_is_refused_and_named() {
        let cases = [
            ("Traceback (most recent call last):", "not JSON"),
            ("", "not JSON"),
            ("\u{0}", "not JSON"),
            ("[]", "not an object of JSON-RPC 2.0"),
            ("{}", "missing field `jsonrpc`"),
            (r#"{"jsonrpc":"1.0","id":1,"result":1}"#, "jsonrpc is"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ask"}"#, "not an object of JSON-RPC 2.0"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "neither a call nor an answer"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#, "neither a call"),
            (r#"{"jsonrpc":"2.0","result":1}"#, "neither a call nor an answer"),
            (r#"{"jsonrpc":"2.0","method":"log","extra":1}"#, "unknown field `extra`"),
        ];
        for (line, expected) in cases {
            let refused = Frame::parse(line.as_bytes()).expect_err(line);
            assert!(refused.contains(expected), "{line}: {refused}");
        }
        let deep = "[".repeat(100_000);
        assert!(Frame::parse(deep.as_bytes()).expect_err("deep").contains("not JSON"));
        assert!(Frame::parse(b"\xff\xfe").expect_err("bytes").contains("not JSON"));
    }

    #[test]
    fn what_can_be_skimmed_but_not_read_is_wrong_in_parameters_and_no_line_elsewhere() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (payload, says) in [
            (deep.as_str(), "recursion limit exceeded"),
            (r#""\ud800""#, "unexpected end of hex escape"),
            (r#""\udc00\ud800""#, "lone leading surrogate"),
            ("1e999", "number out of range"),
        ] {
            let call =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ask","params":{{"to":"b","payload":{payload}}}}}"#);
            let Frame::Request { params: given, .. } = Frame::parse(call.as_bytes()).expect(&call) else {
                panic!("{call}")
            };
            let refused = params::<Ask>(given).expect_err(&call);
            assert_eq!(refused.code, CallError::INVALID_PARAMS, "{call}");
            assert!(
                refused.message.starts_with("parameters of ask: ") && refused.message.contains(says),
                "{refused:?}"
            );
            let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{payload}}}"#);
            let refused = Frame::parse(answer.as_bytes()).expect_err(&answer);
            assert!(refused.contains(says), "{answer}: {refused}");
        }
        for payload in ["NaN", "1.", "01", "\"\u{1}\"", "[1,]", "\"\\x\""] {
            let call =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ask","params":{{"to":"b","payload":{payload}}}}}"#);
            assert!(Frame::parse(call.as_bytes()).expect_err(&call).starts_with("not JSON"), "{call}");
        }
        let bytes = b"{\"jsonrpc\":\"2.0\",\"method\":\"log\",\"params\":{\"text\":\"\xff\"}}";
        assert!(Frame::parse(bytes).expect_err("bytes").contains("invalid unicode"));
    }
}
