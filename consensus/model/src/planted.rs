//! Deliberate defects, so that a test can show that it would find them: each takes one safety condition away.
//!
//! Compiled in only where `build.rs` sets `cfg(planted)`, which is the debug profile; in any other build [`active`] is a
//! constant `false`. The one global of this crate: a defect must reach code that knows nothing of tests.

/// A safety condition that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// Effects are accepted whatever their epoch.
    EpochCheck = 1,
    /// A gate opens before it has applied the grant's read index.
    GrantReadIndex = 2,
    /// A node's agents are placed elsewhere before it is condemned.
    CondemnBeforePlace = 3,
    /// A leader's command is applied whatever term it was decided in.
    TermCondition = 4,
    /// The signature over a batch of messages is not checked.
    SignatureUnchecked = 5,
    /// The hash by which a batch of messages names the one before it is not checked.
    BatchLinkUnchecked = 6,
    /// How far a ledger has come is said before the ledger is synced.
    AnchorBeforeSync = 7,
    /// A permit of an older policy set is accepted.
    OldPermitAccepted = 8,
    /// The placement solver trusts what nodes say of themselves over what is reserved on them.
    ViewOverReservations = 9,
    /// A session's successor keeps its key and begins to count anew.
    RekeyKeepsKey = 10,
    /// A read takes what its own node has applied, and asks no leader how far that must be.
    ReadWithoutIndex = 11,
    /// Appended entries are acknowledged before they are synced.
    AckBeforeSync = 12,
    /// A vote is given before it is synced.
    VoteNotSynced = 13,
    /// The replica's own clock has a part in the time at which a batch is applied.
    WallClockInApply = 14,
    /// A node that does not lead sends its commands without their clients' keys.
    ForwardWithoutKey = 15,
    /// A voter signs a checkpoint whatever it has signed before.
    SecondDigest = 16,
    /// A voter's signature on a checkpoint is not checked.
    WitnessUnchecked = 17,
    /// The voters are changed before those who rule have witnessed who is to follow.
    VotersUnwitnessed = 18,
    /// A snapshot is made, and the log before it may go, while what is kept back of the state is not saved.
    PurgeBeforeSave = 19,
    /// Snapshots leave out what clients last wrote, and who takes one in does not look at its root.
    SnapshotWithoutDedup = 20,
    /// A snapshot whose reading ends early counts as whole, at both ends.
    SnapshotCut = 21,
    /// Snapshots carry an empty tree of the chain, and who takes one in does not look whether it can be the chain's.
    FrontierUnchecked = 22,
    /// A voter signs a checkpoint over records that are not on its disk.
    WitnessOverHole = 23,
    /// A ledger goes on as if anchored once it is synced, whether or not the cluster has an anchor.
    AnchorAssumed = 24,
    /// The leader leaves out what the last of the members says of its ledger.
    AnchorSkipped = 25,
}

impl Defect {
    /// Every one.
    pub const ALL: [Self; 25] = [
        Self::EpochCheck,
        Self::GrantReadIndex,
        Self::CondemnBeforePlace,
        Self::TermCondition,
        Self::SignatureUnchecked,
        Self::BatchLinkUnchecked,
        Self::AnchorBeforeSync,
        Self::OldPermitAccepted,
        Self::ViewOverReservations,
        Self::RekeyKeepsKey,
        Self::ReadWithoutIndex,
        Self::AckBeforeSync,
        Self::VoteNotSynced,
        Self::WallClockInApply,
        Self::ForwardWithoutKey,
        Self::SecondDigest,
        Self::WitnessUnchecked,
        Self::VotersUnwitnessed,
        Self::PurgeBeforeSave,
        Self::SnapshotWithoutDedup,
        Self::SnapshotCut,
        Self::FrontierUnchecked,
        Self::WitnessOverHole,
        Self::AnchorAssumed,
        Self::AnchorSkipped,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EpochCheck => "epoch-check",
            Self::GrantReadIndex => "grant-read-index",
            Self::CondemnBeforePlace => "condemn-before-place",
            Self::TermCondition => "term-condition",
            Self::SignatureUnchecked => "signature-unchecked",
            Self::BatchLinkUnchecked => "batch-link-unchecked",
            Self::AnchorBeforeSync => "anchor-before-sync",
            Self::OldPermitAccepted => "old-permit-accepted",
            Self::ViewOverReservations => "view-over-reservations",
            Self::RekeyKeepsKey => "rekey-keeps-key",
            Self::ReadWithoutIndex => "read-without-index",
            Self::AckBeforeSync => "ack-before-sync",
            Self::VoteNotSynced => "vote-not-synced",
            Self::WallClockInApply => "wall-clock-in-apply",
            Self::ForwardWithoutKey => "forward-without-key",
            Self::SecondDigest => "second-digest",
            Self::WitnessUnchecked => "witness-unchecked",
            Self::VotersUnwitnessed => "voters-unwitnessed",
            Self::PurgeBeforeSave => "purge-before-save",
            Self::SnapshotWithoutDedup => "snapshot-without-dedup",
            Self::SnapshotCut => "snapshot-cut",
            Self::FrontierUnchecked => "frontier-unchecked",
            Self::WitnessOverHole => "witness-over-hole",
            Self::AnchorAssumed => "anchor-assumed",
            Self::AnchorSkipped => "anchor-skipped",
        }
    }
}

/// Whether defects can be planted in this build at all.
pub const COMPILED: bool = cfg!(planted);

#[cfg(planted)]
mod planted_defect {
    use std::sync::atomic::AtomicU8;

    pub static CURRENT: AtomicU8 = AtomicU8::new(0);
}

/// Whether `defect` is planted in this process.
#[cfg(planted)]
#[must_use]
pub fn active(defect: Defect) -> bool {
    planted_defect::CURRENT.load(std::sync::atomic::Ordering::Relaxed) == defect as u8
}

/// Whether `defect` is planted in this process: never, in this build.
#[cfg(not(planted))]
#[must_use]
pub const fn active(_defect: Defect) -> bool {
    false
}

/// Plants `defect` in this process in place of the one before, or none. Without effect outside of debug builds.
pub fn plant(defect: Option<Defect>) {
    #[cfg(planted)]
    planted_defect::CURRENT.store(defect.map_or(0, |defect| defect as u8), std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(planted))]
    let _ = defect;
}

/// The time at which a batch is applied, ms since the Unix epoch: what it says, unless [`Defect::WallClockInApply`] is planted;
/// then its milliseconds are those of the replica's clock.
#[must_use]
pub fn batch_time_ms(said: u64) -> u64 {
    if !active(Defect::WallClockInApply) {
        return said;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    said / 1_000 * 1_000 + now.map_or(0, |now| u64::from(now.subsec_millis()))
}
