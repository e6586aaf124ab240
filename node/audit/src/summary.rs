//! What was found of the ledgers, in numbers.

/// What was found of the ledgers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many ledgers were checked.
    pub ledgers: u64,
    /// How many entries were checked.
    pub entries: u64,
    /// How many entries come after the last anchor of their ledger: vouched for by the exporter alone.
    pub unanchored: u64,
    /// How many batches of messages carry a signature that verifies.
    pub attested: u64,
    /// How many of them could not be checked, because their session is among what its ledger has let go.
    pub unverified: u64,
    /// How many messages were taken in without ever being covered by a signature.
    pub unattested: u64,
    /// How many batches both ledgers have, and say the same of.
    pub two_sided: u64,
    /// How many batches were sent and are not known to have arrived.
    pub unconfirmed: u64,
    /// How many batches have their other side in a ledger that is missing.
    pub one_sided: u64,
    /// How many batches have no other side because its node lost its last moments, or has let them go.
    pub excused: u64,
    /// The ledgers that are missing: node, and how many entries are anchored.
    pub missing: Vec<(String, u64)>,
}
