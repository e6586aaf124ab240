//! A batch: operations that take effect together or not at all, in their order.

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a value.
    Put {
        /// Where.
        key: Vec<u8>,
        /// To what.
        value: Vec<u8>,
    },
    /// Removes a key; nothing happens if it is absent.
    Delete {
        /// Which.
        key: Vec<u8>,
    },
    /// Removes every key from `from` up to, and without, `to`.
    DeleteRange {
        /// The first key that goes.
        from: Vec<u8>,
        /// The first key after it that stays.
        to: Vec<u8>,
    },
}

/// Operations that take effect together, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// The operations so far.
    ops: Vec<Op>,
}

impl WriteBatch {
    /// A batch that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.push(Op::Put { key: key.into(), value: value.into() })
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.push(Op::Delete { key: key.into() })
    }

    /// Removes every key from `from` up to, and without, `to`; nothing if `to` is not above `from`.
    pub fn delete_range(&mut self, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) -> &mut Self {
        let (from, to) = (from.into(), to.into());
        if from >= to {
            return self;
        }
        self.push(Op::DeleteRange { from, to })
    }

    /// The operations, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The operations, in order, by value.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Whether it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    fn push(&mut self, op: Op) -> &mut Self {
        self.ops.push(op);
        self
    }
}
