//! Which seeds a test draws from: its own, so that it does the same each time, or others, so that it finds more.
//!
//! The tests of other crates include this file: it stands alone.

use std::ops::Range;

/// `own`, or the seeds that the variable `SYMBI_SEEDS` names, as `0..40`.
///
/// # Panics
/// When `SYMBI_SEEDS` names none.
#[must_use]
pub fn seeds(own: Range<u64>) -> Range<u64> {
    let Ok(named) = std::env::var("SYMBI_SEEDS") else { return own };
    let ends = named.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.filter(|seeds| !seeds.is_empty())
        .unwrap_or_else(|| panic!("SYMBI_SEEDS is a range, as 0..40, and not {named:?}"))
}
