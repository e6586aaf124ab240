//! What a table's rows add up to: the sum, modulo 2^256, of SHA-256 over each row, so that one changed row changes the
//! state hash at the cost of that row.

use super::table::{Row, Table};
use crate::hash::{Hash, put_bytes};

/// What the state hash begins with.
const DOMAIN: &[u8] = b"symbi-state-v1\0";
/// How many tables there are.
const TABLES: usize = Table::ALL.len();

/// A number modulo 2^256, least significant word first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum([u64; 4]);

/// One sum a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums([Sum; TABLES]);

impl Sums {
    /// The sums of rows that are all there.
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut sums = Self::default();
        for row in rows {
            if let Some(value) = &row.value {
                sums.add(row.table, &row.key, value);
            }
        }
        sums
    }

    /// Takes a row in.
    pub(super) fn add(&mut self, table: Table, key: &[u8], value: &[u8]) {
        let sum = &mut self.0[table as usize];
        *sum = sum.plus(Sum::of(table, key, value));
    }

    /// Takes a row out.
    pub(super) fn subtract(&mut self, table: Table, key: &[u8], value: &[u8]) {
        let sum = &mut self.0[table as usize];
        *sum = sum.plus(Sum::of(table, key, value).negated());
    }

    /// SHA-256 over the sums, table by table.
    pub(super) fn hash(&self) -> Hash {
        let mut out = DOMAIN.to_vec();
        for sum in &self.0 {
            for word in sum.0 {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        Hash::of(&[&out])
    }
}

impl Sum {
    /// The SHA-256 of a row, each part behind its length, read as a number.
    fn of(table: Table, key: &[u8], value: &[u8]) -> Self {
        let mut head = Vec::with_capacity(128);
        put_bytes(&mut head, &[table as u8]);
        put_bytes(&mut head, key);
        crate::hash::put_u64(&mut head, value.len() as u64);
        let Hash(digest) = Hash::of(&[&head, value]);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        Self(words)
    }

    fn plus(self, other: Self) -> Self {
        let mut out = [0; 4];
        let mut carry = false;
        for (word, (left, right)) in out.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            let (sum, over) = left.overflowing_add(right);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = over || over_again;
        }
        Self(out)
    }

    /// Two's complement: what added to this gives zero.
    fn negated(self) -> Self {
        Self(self.0.map(|word| !word)).plus(Self([1, 0, 0, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Sum, Sums, Table};

    #[test]
    fn a_sum_carries_and_wraps() {
        let highest = Sum([u64::MAX; 4]);
        assert_eq!(highest.plus(Sum([1, 0, 0, 0])), Sum::default());
        assert_eq!(Sum([u64::MAX, 0, 0, 0]).plus(Sum([1, 0, 0, 0])), Sum([0, 1, 0, 0]));
        assert_eq!(Sum([5, 6, 7, 8]).plus(Sum([5, 6, 7, 8]).negated()), Sum::default());
    }

    #[test]
    fn what_was_added_can_be_taken_out_in_any_order() {
        let mut sums = Sums::default();
        sums.add(Table::Nodes, b"a", b"1");
        sums.add(Table::Nodes, b"b", b"2");
        let mut other = Sums::default();
        other.add(Table::Nodes, b"b", b"2");
        sums.subtract(Table::Nodes, b"a", b"1");
        assert_eq!(sums, other);
        assert_eq!(sums.hash(), other.hash());
        sums.subtract(Table::Nodes, b"b", b"2");
        assert_eq!(sums, Sums::default());
    }
}
