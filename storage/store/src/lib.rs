//! The storage seam: an ordered map of bytes that is durable when it says so, its in-memory engine, and the suite that
//! every engine passes.
//!
//! Knows nothing of what the bytes mean. The other engine is `symbi-rocks`; a host takes an `Arc<dyn Engine>`.

pub mod engine;
pub mod error;
pub mod memory;
pub mod run;
pub mod suite;
pub mod write_batch;

pub use engine::{Engine, OnDurable, Pair};
pub use error::Error;
pub use run::Run;
pub use write_batch::{Op, WriteBatch};
