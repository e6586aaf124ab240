//! The two storage seams: [`Engine`], an ordered map of bytes that is durable when it says so, and [`Files`], files in a
//! folder. Each has an implementation in memory, which a simulation can crash, and a suite that every implementation passes.
//!
//! Knows nothing of what the bytes mean. The other engine is `symbi-rocks`; a host takes an `Arc<dyn Engine>`.

mod draw;
pub mod engine;
pub mod error;
pub mod files;
pub mod memory;
pub mod run;
pub mod suite;
pub mod write_batch;

pub use engine::{Engine, OnDurable, Pair};
pub use error::Error;
pub use files::Files;
pub use run::Run;
pub use write_batch::{Op, WriteBatch};
