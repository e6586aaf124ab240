//! Safety conditions, taken away one at a time, are each found by the oracle that watches over them.
//!
//! Those that no fault of a run could show are found nearer to where they are: unsigned and unlinked batches by the mutated
//! frames of `gossip/proto`, a solver that trusts views by the tests of `node/control`.

use crate::program::{symbi_sim, text};

/// Runs seeds of one kind with a defect planted: one of them must fail by the oracle named, and say how to replay it.
fn found(arguments: &str, oracle: &str) {
    let output = symbi_sim(arguments);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "not found by {arguments}: {text}");
    let finding = text.lines().find(|line| line.starts_with("violation") && line.contains(oracle));
    let finding = finding.unwrap_or_else(|| panic!("not found by the {oracle} oracle: {text}"));
    let replay = text.lines().find(|line| line.starts_with("replay: scripts/sim.sh --seed "));
    println!("{finding}\n{}", replay.expect("the command that replays it"));
}

#[test]
fn a_sink_without_its_epoch_check_is_found_in_a_freeze() {
    found("--seeds 0..4 --scenario freeze --planted epoch-check", "sink:");
}

#[test]
fn a_grant_without_its_read_index_is_found_when_the_returning_nodes_disk_is_stalled() {
    found("--seeds 0..4 --scenario pause --planted grant-read-index", "gate:");
}

#[test]
fn an_anchor_before_its_sync_is_found_by_the_start_after_a_crash() {
    found("--seeds 1..3 --scenario crash --planted anchor-before-sync", "ledger:");
}

#[test]
fn a_ledger_that_goes_on_without_its_anchor_is_found_by_the_audit_chain() {
    found("--seeds 0..2 --scenario crash --planted anchor-assumed", "and the audit chain has no such anchor");
}

#[test]
fn a_leader_that_leaves_out_a_nodes_ledger_is_found_by_the_audit_chain() {
    found("--seeds 0..2 --scenario crash --planted anchor-skipped", "and the cluster has not agreed on them");
}

#[test]
fn a_permit_of_older_policies_is_found_in_the_audit_chain() {
    found("--seeds 0..3 --scenario policy --planted old-permit-accepted", "permits:");
}

#[test]
fn a_key_that_outlives_its_session_is_found_by_its_nonces() {
    found("--seeds 1..2 --scenario crash --planted rekey-keeps-key", "nonces:");
}

#[test]
fn a_read_without_a_read_index_is_found_by_what_clients_saw() {
    found("--seeds 0..2 --scenario cut --planted read-without-index", "linearizable:");
}

#[test]
fn voters_that_are_changed_unwitnessed_are_found_where_one_of_them_cannot_sign() {
    found("--seeds 0..2 --scenario mute --planted voters-unwitnessed", "voters:");
}

#[test]
fn a_second_digest_is_found_once_a_database_was_put_back() {
    found("--seeds 0..2 --scenario put-back --planted second-digest", "witness:");
}

#[test]
fn a_witness_signature_that_nobody_checks_is_found_where_one_is_forged() {
    found("--seeds 0..2 --scenario mute --planted witness-unchecked", "witness:");
}

#[test]
fn an_append_that_is_acknowledged_before_its_sync_is_found_by_what_a_majority_has() {
    found("--seeds 0..2 --scenario power-cut --planted ack-before-sync", "durability:");
}

/// The replicas that find two leaders of one term in their logs refuse to go on.
#[test]
fn a_vote_that_is_not_synced_is_found_when_its_voter_crashes_and_votes_again() {
    found("--seeds 14..16 --scenario cut --planted vote-not-synced", "REPLICA_STOPPED");
}

#[test]
fn a_replicas_own_clock_in_apply_is_found_by_the_states_hashes() {
    found("--seeds 0..2 --scenario clock --planted wall-clock-in-apply", "replicas:");
}

#[test]
fn a_command_that_is_forwarded_without_its_clients_key_is_found_by_what_is_counted_twice() {
    found("--seeds 0..2 --scenario cut --planted forward-without-key", "acknowledged writes and its creation");
}

/// Rows are saved every so many entries too: what is missing shows where power is cut between that and the next save.
#[test]
fn a_log_that_is_purged_before_the_state_is_saved_is_found_by_the_start_after_a_power_cut() {
    found("--seeds 26..33 --scenario power-cut --planted purge-before-save", "the node does not start again");
}

#[test]
fn a_snapshot_without_what_clients_wrote_last_is_found_by_the_states_hashes() {
    found("--seeds 0..2 --scenario crash --planted snapshot-without-dedup", "replicas:");
}

#[test]
fn a_snapshot_that_is_cut_is_found_by_the_state_that_its_receiver_shows() {
    found("--seeds 0..2 --scenario crash --planted snapshot-cut", "progress:");
}

#[test]
fn a_snapshot_with_another_frontier_is_found_by_the_states_hashes() {
    found("--seeds 0..2 --scenario crash --planted frontier-unchecked", "replicas:");
}

#[test]
fn a_checkpoint_that_is_signed_over_records_that_are_not_there_is_found_where_it_is_signed() {
    found("--seeds 0..2 --scenario crash --planted witness-over-hole", "witness:");
}
