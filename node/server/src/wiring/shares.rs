//! The shares of users in what this node carries for them: the messages that came by HTTP and have not ended.
//!
//! A user may have as much on its way as is left free by all: one alone has half of the room, two a third each, and whoever comes
//! next finds room, whatever the others do. Beyond its share a message is refused, and its user told so; the others notice
//! nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Messages of all users on their way at once.
const MESSAGES: usize = 4_096;
/// Bytes of their payloads; no more than the host's gateway has room for.
const BYTES: usize = 64 << 20;

/// The shares. Clones are the same.
#[derive(Clone)]
pub struct Shares {
    /// What is taken.
    taken: Arc<Mutex<Taken>>,
    /// What all may take.
    limit: Amount,
}

/// What a user has on its way, until it is dropped.
#[must_use = "it is given back when it is dropped"]
pub struct Share {
    /// Of what.
    shares: Shares,
    /// Whose.
    user: String,
    /// How many bytes.
    bytes: usize,
}

/// A user has as much on its way as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Messages of the user.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl fmt::Display for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, bytes } = self;
        write!(formatter, "{messages} messages of this user, of {bytes} bytes, are on their way: that is its share; ")?;
        formatter.write_str("send again when some have ended")
    }
}

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    /// Messages.
    messages: usize,
    /// Bytes.
    bytes: usize,
}

impl Amount {
    /// The same without a message of so many bytes.
    fn less(self, bytes: usize) -> Self {
        Self { messages: self.messages - 1, bytes: self.bytes - bytes }
    }
}

/// What is taken.
///
/// Invariants:
/// - `all` is the sum of `users`, and never above the limit;
/// - nobody is among `users` who has nothing on its way.
#[derive(Default)]
struct Taken {
    /// By all.
    all: Amount,
    /// By each user.
    users: BTreeMap<String, Amount>,
}

impl Default for Shares {
    fn default() -> Self {
        Self::of(Amount { messages: MESSAGES, bytes: BYTES })
    }
}

impl Shares {
    fn of(limit: Amount) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Takes room for a message of `user`.
    ///
    /// # Errors
    /// [`Busy`]: the user has its share.
    pub fn take(&self, user: &str, bytes: usize) -> Result<Share, Busy> {
        let mut taken = self.lock();
        let own = taken.users.get(user).copied().unwrap_or_default();
        let (limit, all) = (self.limit, taken.all);
        let with = Amount { messages: own.messages + 1, bytes: own.bytes + bytes };
        if with.messages > limit.messages - all.messages || with.bytes > limit.bytes - all.bytes {
            return Err(Busy { messages: own.messages, bytes: own.bytes });
        }
        taken.users.insert(user.to_owned(), with);
        taken.all = Amount { messages: all.messages + 1, bytes: all.bytes + bytes };
        debug_assert!(taken.all.messages <= limit.messages && taken.all.bytes <= limit.bytes, "no more than there is");
        Ok(Share { shares: self.clone(), user: user.to_owned(), bytes })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        taken.all = taken.all.less(self.bytes);
        let left = taken.users.get(&self.user).map(|amount| amount.less(self.bytes)).unwrap_or_default();
        if left == Amount::default() {
            taken.users.remove(&self.user);
        } else {
            taken.users.insert(self.user.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, Busy, Share, Shares};

    const MIB: usize = 1 << 20;

    fn shares() -> Shares {
        Shares::of(Amount { messages: 100, bytes: 8 * MIB })
    }

    /// Takes as much as it is given, in messages of `bytes`.
    fn all(shares: &Shares, user: &str, bytes: usize) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(user, bytes).ok()).collect()
    }

    #[test]
    fn who_takes_all_it_can_leaves_room_for_whoever_comes_next() {
        let shares = shares();
        let greedy = all(&shares, "greedy", MIB);
        assert_eq!(greedy.len(), 4, "half of the bytes");
        assert_eq!(shares.take("greedy", MIB).err(), Some(Busy { messages: 4, bytes: 4 * MIB }));
        assert_eq!(all(&shares, "other", MIB).len(), 2, "half of what is left, however often it takes");
        let many = all(&shares, "talker", 1);
        assert_eq!(many.len(), 48, "half of the messages that are left");
        assert!(shares.take("other", MIB).is_ok() && shares.take("late", 1).is_ok());
    }

    #[test]
    fn what_has_ended_is_given_back_and_nobody_is_remembered() {
        let shares = shares();
        let greedy = all(&shares, "greedy", MIB);
        drop(greedy);
        assert_eq!(all(&shares, "greedy", MIB).len(), 4);
        let taken = shares.lock();
        assert_eq!((taken.all, taken.users.len()), (Amount::default(), 0));
    }
}
