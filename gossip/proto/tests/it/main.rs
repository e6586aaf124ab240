//! What nodes say to each other, seen from outside.

mod fixture;
mod golden;
mod join;
mod session;
mod token;
mod wire;
