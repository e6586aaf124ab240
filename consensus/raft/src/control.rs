//! The control group: the machine that applies the model's commands, and what only its replicas are asked.

mod handle;
mod loading;
mod machine;
mod unsaved;

pub use handle::{BatchApplied, Handle, saved_gate, start};
#[cfg(test)]
pub use loading::Loading;
pub use machine::Control;
