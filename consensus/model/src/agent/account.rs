//! What a node says of an agent beside what `apply` and placement read: a document, which may grow.

use crate::document::{Document, Form};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// How its last process ended; none while none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// How a process ended. Neither, when it did not start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The code with which it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl Form for Account {
    const NAME: &'static str = "report";

    fn version(&self) -> u16 {
        1
    }
}

impl Account {
    /// Its document; none when there is nothing to say.
    #[must_use]
    pub fn document(&self) -> Option<Document> {
        (*self != Self::default()).then(|| Document::of(self))
    }
}
