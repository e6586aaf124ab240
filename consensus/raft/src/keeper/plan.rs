//! What is to be done with a log, by where it stands.

use std::io;

/// What the log is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries applied since the last snapshot after which there is another.
    pub snapshot_entries: u64,
    /// Bytes of entries after which there is another.
    pub snapshot_bytes: u64,
    /// Entries behind the last snapshot that stay.
    pub keep_entries: u64,
    /// Bytes of entries behind the last snapshot that stay, at most.
    pub keep_bytes: u64,
    /// Bytes of the whole log above which a snapshot on its way holds back nothing: it has to be sent anew.
    pub log_bytes: u64,
}

/// Where a log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last entry purged; 0 for none.
    pub purged: u64,
    /// The last entry in a snapshot; 0 for none.
    pub snapshot: u64,
    /// The last entry applied.
    pub applied: u64,
    /// What the snapshots on their way let go; none for anything.
    pub sending: Option<u64>,
    /// Up to where the audit of entries is durable elsewhere; none where it is kept with the rows.
    pub audited: Option<u64>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Make a snapshot.
    pub snapshot: bool,
    /// Purge up to this entry.
    pub purge: Option<u64>,
}

/// Plans, by where the log stands and what the entries after one and up to another weigh in bytes.
///
/// - (A) nothing is purged that is not in a snapshot, or whose audit is not yet durable;
/// - (B) nothing is purged that a snapshot on its way needs behind it, unless the log is longer than it may be at all;
/// - (C) of what a snapshot holds, at most as many entries and bytes stay as are to be kept.
///
/// # Errors
/// When the log cannot be read.
pub fn plan(bounds: &Bounds, at: &Standing, mut weigh: impl FnMut(u64, u64) -> io::Result<u64>) -> io::Result<Plan> {
    let fresh = at.applied.saturating_sub(at.snapshot);
    let snapshot = fresh > 0
        && (fresh >= bounds.snapshot_entries
            || weigh(at.snapshot.max(at.purged), at.applied)? >= bounds.snapshot_bytes);
    let mut upto = at.snapshot.saturating_sub(bounds.keep_entries).max(at.purged);
    if weigh(upto, at.snapshot)? > bounds.keep_bytes {
        upto = lightest(upto, at.snapshot, |from| Ok(weigh(from, at.snapshot)? <= bounds.keep_bytes))?;
    }
    let too_long = weigh(at.purged, at.applied)? > bounds.log_bytes;
    let held = at.sending.filter(|_| !too_long).unwrap_or(u64::MAX).min(at.audited.unwrap_or(u64::MAX));
    let upto = upto.min(held).min(at.snapshot);
    Ok(Plan { snapshot, purge: (upto > at.purged).then_some(upto) })
}

/// The first of `from..=to` that fits; `to` does.
fn lightest(mut from: u64, mut to: u64, mut fits: impl FnMut(u64) -> io::Result<bool>) -> io::Result<u64> {
    while from < to {
        let middle = from + (to - from) / 2;
        if fits(middle)? {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Plan, Standing, plan};

    const BOUNDS: Bounds =
        Bounds { snapshot_entries: 100, snapshot_bytes: 5_000, keep_entries: 10, keep_bytes: 400, log_bytes: 20_000 };

    /// What is done with a log whose entries have so many bytes each.
    fn with(bytes: u64, at: Standing) -> Plan {
        plan(&BOUNDS, &at, |from, to| Ok(to.saturating_sub(from) * bytes)).expect("it is weighed")
    }

    #[test]
    fn a_snapshot_is_made_after_so_many_entries_or_so_many_bytes() {
        let at = |applied| Standing { snapshot: 50, applied, ..Standing::default() };
        assert!(!with(1, at(149)).snapshot);
        assert!(with(1, at(150)).snapshot);
        assert!(!with(100, at(99)).snapshot);
        assert!(with(100, at(100)).snapshot);
        assert!(!with(1_000_000, at(50)).snapshot, "it would be the same again");
    }

    #[test]
    fn as_many_entries_and_bytes_stay_as_are_to_be_kept() {
        let at = Standing { purged: 20, snapshot: 200, applied: 210, ..Standing::default() };
        assert_eq!(with(1, at).purge, Some(190));
        assert_eq!(with(100, at).purge, Some(196), "four entries are 400 bytes");
        assert_eq!(with(1_000, at).purge, Some(200), "one entry is more than may stay");
        assert_eq!(with(1, Standing { purged: 190, ..at }).purge, None);
        assert_eq!(with(1, Standing { snapshot: 0, purged: 0, ..at }).purge, None, "nothing is in a snapshot");
    }

    #[test]
    fn a_snapshot_on_its_way_and_the_audit_hold_back_what_they_need() {
        let at = Standing { purged: 20, snapshot: 200, applied: 210, ..Standing::default() };
        assert_eq!(with(1, Standing { sending: Some(150), ..at }).purge, Some(150));
        assert_eq!(with(1, Standing { sending: Some(20), ..at }).purge, None);
        assert_eq!(with(1, Standing { audited: Some(60), sending: Some(150), ..at }).purge, Some(60));
        let heavy = Standing { sending: Some(150), ..at };
        assert_eq!(with(106, heavy).purge, Some(197), "the log is longer than it may be: the snapshot is sent anew");
        assert_eq!(with(106, Standing { audited: Some(60), ..heavy }).purge, Some(60), "the audit is never given up");
    }
}
