//! Bytes of another layer.

use serde::{Deserialize, Serialize};
use symbi_model::codec::blob;

/// Bytes of another layer, carried as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob(#[serde(with = "blob")] pub Vec<u8>);
