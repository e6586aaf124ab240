//! The tables of the state, by number, and a row of one as bytes.

/// A table of the state. The numbers are the disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// The cluster's facts, the counters, and what is known of the audit chain.
    Meta = 0,
    /// Nodes.
    Nodes = 1,
    /// Agents.
    Agents = 2,
    /// Policy sets.
    PolicySets = 3,
    /// Join tokens.
    JoinTokens = 4,
    /// API tokens.
    ApiTokens = 5,
    /// The memory of requests.
    Dedup = 6,
    /// How far the nodes' ledgers are anchored.
    Ledgers = 7,
    /// Users.
    Users = 8,
    /// The next gate's table, in builds for tests only.
    #[cfg(planted)]
    Marks = 9,
}

impl Table {
    /// Every table, by number.
    pub const ALL: &'static [Self] = &[
        Self::Meta,
        Self::Nodes,
        Self::Agents,
        Self::PolicySets,
        Self::JoinTokens,
        Self::ApiTokens,
        Self::Dedup,
        Self::Ledgers,
        Self::Users,
        #[cfg(planted)]
        Self::Marks,
    ];

    /// The table of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One row, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its table.
    pub table: Table,
    /// Its key within the table.
    pub key: Vec<u8>,
    /// Its value; none when the row was deleted.
    pub value: Option<Vec<u8>>,
}
