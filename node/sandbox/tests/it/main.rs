//! The suite against each driver, and what only a driver with processes can fail at.

mod builtin;
mod process;
mod protocol;
mod rpc;
mod scripted;
