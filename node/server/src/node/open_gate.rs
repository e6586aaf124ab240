//! Whether this program may run in a cluster at all: one that is older than the gate that is open could not read what the log or the
//! state holds.

use crate::failure::Failure;
use std::error::Error;
use std::io;
use symbi_model::{codec, gate};

/// Refuses a start below the gate that is open.
///
/// # Errors
/// `GATE_TOO_HIGH`.
pub(super) fn check(open: u32) -> Result<(), Failure> {
    if open <= gate::spoken() { Ok(()) } else { Err(too_high(open)) }
}

/// The same where the state cannot even be read, because of a row that only a higher gate has.
pub(super) fn behind(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(codec::Error::Version { found, .. }) = error.downcast_ref() {
        return Some(too_high((*found).into()));
    }
    // What an I/O error was made of is not its source, but what it is.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => behind(inner),
        None => behind(error.source()?),
    }
}

fn too_high(open: u32) -> Failure {
    let what = "this cluster was upgraded for good, and this program is of the version before";
    Failure::new(7, "GATE_TOO_HIGH", what)
        .why(format!("gate {open} is open, and this program speaks none above {}", gate::spoken()))
        .fix("start the node with the newer program")
}

#[cfg(test)]
mod tests {
    use super::behind;
    use std::io;
    use symbi_model::codec;

    #[test]
    fn a_row_of_a_higher_gate_is_no_broken_database() {
        let row = codec::Error::Version { found: 9, reads: 1 };
        let failure = behind(&symbi_raft::Error::from(io::Error::other(row))).expect("it is found where it is wrapped");
        assert_eq!((failure.exit, failure.code.as_str()), (7, "GATE_TOO_HIGH"));
        assert!(failure.why.is_some_and(|why| why.contains("gate 9 is open")));
        let broken = codec::Error::Malformed { detail: "a bit".to_owned() };
        assert!(behind(&symbi_raft::Error::from(io::Error::other(broken))).is_none());
    }
}
