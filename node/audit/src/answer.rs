//! What is said of a bundle to whoever asked, and with which exit code: the same by `symbi-node audit verify` and `symbi-audit`.

use crate::failure::Failure;
use crate::report::{Lack, Report};

/// Why the program does not end with 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code: 10 when something does not hold, 8 when all holds and something is lacking.
    pub exit: u8,
    /// A stable code.
    pub code: &'static str,
    /// What is the matter.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub fix: &'static str,
}

impl Refusal {
    /// `what` (a file, say) does not hold.
    #[must_use]
    pub fn broken(what: &str, failure: &Failure, fix: &'static str) -> Self {
        let what = format!("{what} does not hold");
        Self { exit: 10, code: "AUDIT_BROKEN", what, why: failure.to_string(), fix }
    }

    /// `what` holds but lacks something; none if it lacks nothing.
    #[must_use]
    pub fn lacking(what: &str, lacks: &[Lack]) -> Option<Self> {
        let why: Vec<String> = lacks.iter().map(ToString::to_string).collect();
        (!lacks.is_empty()).then(|| Self {
            exit: 8,
            code: "AUDIT_INCOMPLETE",
            what: format!("{what} holds, but it does not have everything that was asked for"),
            why: why.join("; "),
            fix: "export again when the missing nodes are reachable and the voters have signed a newer checkpoint",
        })
    }
}

/// What was asked of a bundle that holds, in a sentence.
#[must_use]
pub fn says(report: &Report) -> &'static str {
    if report.anchored {
        "the bundle is whole, and it is this cluster's"
    } else {
        "the bundle is consistent; give --anchor to see that it is your cluster's"
    }
}

/// A name and a value a line, the values one below the other.
#[must_use]
pub fn pairs(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}
