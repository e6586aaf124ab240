//! Both machines pass the machine suite.

use crate::cluster::{genesis, node, write};
use crate::registers::Registers;
use bytes::Bytes;
use symbi_raft::{Control, Data, Entry, Payload, suite};

/// An entry that makes a leader, one that makes a group, and these.
fn log(data: impl IntoIterator<Item = Bytes>) -> Vec<Entry> {
    let members = Payload::Membership { voters: vec![vec![node(0).into()]], learners: vec![node(1).into()] };
    let data = data.into_iter().map(|data| Payload::Data(Data(data)));
    let payloads = [members, Payload::Blank].into_iter().chain(data);
    (0..).zip(payloads).map(|(index, payload)| Entry { term: 1, index, payload }).collect()
}

#[test]
fn the_control_groups_machine_passes_the_suite() {
    let writes = (1..20).map(|number| write(number).into());
    suite::machine::<Control>(&log(std::iter::once(genesis()).chain(writes)));
}

#[test]
fn the_small_machine_passes_the_suite() {
    let writes = (0..20).map(|number| Bytes::from(format!("name-{}=text {number}", number % 7)));
    suite::machine::<Registers>(&log(writes));
}
