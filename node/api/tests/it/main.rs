//! The interface as callers meet it: over a node that is nothing but its replicated state, without network, and the accept
//! loop over real sockets.

mod accept;
mod agents;
mod audit;
mod auth;
mod client;
mod cluster;
mod leaderless;
mod messages;
mod people;
mod policies;
mod requests;
mod routes;
mod specs;
mod stage;
mod traces;
mod writes;
