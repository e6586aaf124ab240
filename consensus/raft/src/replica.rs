//! What openraft runs: the types, and the machine that they are applied to.

use crate::machine::Machine;
use crate::types::Types;

/// openraft's handle.
pub type Raft = openraft::Raft<Types, Machine>;
