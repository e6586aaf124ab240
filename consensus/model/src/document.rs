//! Documents: what will grow, as JSON with a version number in it, kept and passed on as the bytes it came in. The codec's
//! records cannot gain fields; a document can, and a program that does not know a field loses nothing of it.
//!
//! A document is canonical: without white space, its version first, then the fields in the order of its type. Its version is
//! the lowest that can carry its value, and that of the gate that brought it (see [`crate::gate`]).
//!
//! Not here: what users write. That is TOML or JSON as `node/api` has it.

use crate::codec::blob;
use crate::gate;
use crate::hash::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The key of the version.
const VERSION: &str = "version";

/// A type that is written as a document.
pub trait Form: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const NAME: &'static str;

    /// The lowest version that can carry this value.
    fn version(&self) -> u16;
}

/// A document. Its bytes are shared: the record of an agent is copied with each change of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Its version, which its bytes say as well: `apply` reads this one, and parses nothing.
    version: u16,
    /// The JSON.
    bytes: Arc<[u8]>,
}

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A later version wrote it.
    #[error("this {form} is of version {found}, which gate {found} brought; this program knows version {known}")]
    Newer {
        /// What it is.
        form: &'static str,
        /// Its version.
        found: u16,
        /// The last one that this program knows.
        known: u16,
    },
    /// It is no JSON object with a version.
    #[error("this {form} is no document: {detail}")]
    Malformed {
        /// What it is.
        form: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A field has a value that it cannot have.
    #[error("{form}.{path}: {detail}")]
    Field {
        /// What it is.
        form: &'static str,
        /// Where, as `env.KEY` or `labels[2]`.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// It says something in another way than its version does, or something that its version does not know.
    #[error("{form}.{path}: version {version} does not write this")]
    Unexpected {
        /// What it is.
        form: &'static str,
        /// Where.
        path: String,
        /// Its version.
        version: u16,
    },
    /// What stands beside it is of another document.
    #[error("what is recorded beside this {form} does not belong to it")]
    Beside {
        /// What it is.
        form: &'static str,
    },
}

impl Document {
    /// The document of a value.
    ///
    /// # Panics
    /// When the type is no JSON object: a defect of the type, found by any test of it.
    #[must_use]
    pub fn of<T: Form>(value: &T) -> Self {
        let version = value.version();
        let fields = serde_json::to_vec(value).expect("a document's fields are JSON");
        let mut bytes = format!("{{\"{VERSION}\":{version}").into_bytes();
        let [b'{', fields @ ..] = fields.as_slice() else { panic!("a document is a JSON object") };
        if fields != b"}" {
            bytes.push(b',');
        }
        bytes.extend_from_slice(fields);
        Self { version, bytes: bytes.into() }
    }

    /// A document as it came from elsewhere, unread.
    #[must_use]
    pub fn unread(version: u16, bytes: &[u8]) -> Self {
        Self { version, bytes: bytes.into() }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The gate that must be open for it.
    #[must_use]
    pub fn gate(&self) -> u32 {
        gate::of_version(self.version)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its value.
    ///
    /// # Errors
    /// When it is of a version that this program does not know, or is not what that version writes.
    pub fn read<T: Form>(&self) -> Result<T, Error> {
        let form = T::NAME;
        let known = gate::version(gate::spoken());
        let (version, fields) = self.fields(form)?;
        if version > known {
            return Err(Error::Newer { form, found: version, known });
        }
        let value: T = typed(form, fields.clone())?;
        let canonical = Self::of(&value);
        if canonical == *self {
            return Ok(value);
        }
        let (_, written) = canonical.fields(form)?;
        let path = difference(&Value::Object(fields), &Value::Object(written)).unwrap_or_else(|| "(order)".to_owned());
        Err(Error::Unexpected { form, path, version })
    }

    /// As much of its value as this program knows, whatever its version: what it does not know is left out.
    ///
    /// # Errors
    /// When what it knows is not there, or not as it knows it.
    pub fn skim<T: Form>(&self) -> Result<T, Error> {
        let (_, fields) = self.fields(T::NAME)?;
        typed(T::NAME, fields)
    }

    /// Its version, as it says itself, and its other fields.
    fn fields(&self, form: &'static str) -> Result<(u16, Map<String, Value>), Error> {
        let malformed = |detail: &str| Error::Malformed { form, detail: detail.to_owned() };
        let value: Value = serde_json::from_slice(&self.bytes).map_err(|error| malformed(&error.to_string()))?;
        let Value::Object(mut fields) = value else { return Err(malformed("it is no object")) };
        let version = fields.remove(VERSION).and_then(|version| version.as_u64());
        match version {
            Some(version) if version == u64::from(self.version) => Ok((self.version, fields)),
            Some(version) => Err(malformed(&format!("it says version {version}, but version {}", self.version))),
            None => Err(malformed("it has no version")),
        }
    }
}

/// Of version 0 and without bytes: what a document is before it is made.
impl Default for Document {
    fn default() -> Self {
        Self { version: 0, bytes: Arc::new([]) }
    }
}

fn typed<T: Form>(form: &'static str, fields: Map<String, Value>) -> Result<T, Error> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| Error::Field {
        form,
        path: error.path().to_string(),
        detail: error.into_inner().to_string(),
    })
}

/// Where `found` says something else than `written`.
fn difference(found: &Value, written: &Value) -> Option<String> {
    match (found, written) {
        (Value::Object(found), Value::Object(written)) => {
            let keys = found.keys().chain(written.keys().filter(|key| !found.contains_key(*key)));
            keys.map(|key| (key, found.get(key).zip(written.get(key)))).find_map(|(key, both)| match both {
                Some((found, written)) => difference(found, written).map(|path| match path.as_str() {
                    "" => key.clone(),
                    path if path.starts_with('[') => format!("{key}{path}"),
                    path => format!("{key}.{path}"),
                }),
                None => Some(key.clone()),
            })
        }
        (Value::Array(found), Value::Array(written)) => {
            let differs = |at: &usize| found.get(*at) != written.get(*at);
            (0..found.len().max(written.len())).find(differs).map(|at| format!("[{at}]"))
        }
        (found, written) => (found != written).then(String::new),
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts<'a>(u16, #[serde(with = "blob")] &'a [u8]);
        Parts(self.version, &self.bytes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts(u16, #[serde(with = "blob")] Vec<u8>);
        let Parts(version, bytes) = Parts::deserialize(deserializer)?;
        Ok(Self { version, bytes: bytes.into() })
    }
}

/// A spec's variables may be secrets: only its version, length and hash are printed.
impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = Hash::of(&[&self.bytes]);
        write!(formatter, "Document(version {}, {} bytes, {hash:?})", self.version, self.bytes.len())
    }
}

#[cfg(test)]
mod tests;
