//! The JSON of the interface. Only types of this module derive `Serialize` for HTTP; each maps from the model in one place.

pub mod agent;
pub mod api_token;
pub mod audit;
pub mod bench;
pub mod cases;
pub mod change;
pub mod cluster;
pub mod message;
pub mod policy;
pub mod spec;
pub mod token;
pub mod trace;
pub mod upgrade;
pub mod user;
