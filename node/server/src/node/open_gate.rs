//! Whether this program may run in a cluster at all: one that is older than the gate that is open could not read what the log holds.

use crate::failure::Failure;
use symbi_model::gate;

/// Refuses a start below the gate that is open.
///
/// # Errors
/// `GATE_TOO_HIGH`.
pub(super) fn check(open: u32) -> Result<(), Failure> {
    if open <= gate::spoken() {
        return Ok(());
    }
    let what = "this cluster was upgraded for good, and this program is of the version before";
    Err(Failure::new(7, "GATE_TOO_HIGH", what)
        .why(format!("gate {open} is open, and this program speaks none above {}", gate::spoken()))
        .fix("start the node with the newer program"))
}
