//! Tests over real processes, by theme.

mod agents;
mod audit;
mod bad_input;
mod bench;
mod crowds;
mod durability;
mod exit_codes;
mod flags;
mod formation;
mod frames;
mod full_disk;
mod holes;
mod joins;
mod keys;
mod ledgers;
mod linearizable;
mod output;
mod people;
mod policies;
mod removal;
mod requests;
mod slow_clients;
mod updates;
mod upgrades;
mod witness;
