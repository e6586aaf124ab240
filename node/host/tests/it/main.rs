//! The host as the rest of the node uses it: two of them, a scripted driver each, and real commands.

mod attested;
mod behalf;
mod crowds;
mod cuts;
mod fencing;
mod frames;
mod leaving;
mod mailboxes;
mod messages;
mod processes;
mod programs;
mod restarts;
mod session_closes;
mod starts;
mod supervision;
mod world;
