//! Request keys: the caller's own from `Idempotency-Key`, or one lent from a pool of this node's.
//!
//! A lent key lets the node repeat a write across a change of leaders without doing it twice. A client of the pool has one
//! write in flight, and is retired before the replicated table would forget it.

use crate::error::Error;
use std::sync::{Arc, Mutex};
use symbi_model::ClientId;
use symbi_model::ids::RequestId;
use uuid::Uuid;

/// A client of the pool is used no longer than this after it was made: half of what the table remembers.
const RETIRE_MS: u64 = 5 * 60 * 1000;

/// Reads an `Idempotency-Key`: a UUIDv7, and optionally `:` and a sequence number (default 1).
///
/// # Errors
/// When it is anything else.
pub fn parse(text: &str) -> Result<RequestId, Error> {
    let wrong = || {
        Error::BadRequest(format!("Idempotency-Key {text:?} is not a UUIDv7, optionally followed by ':' and a number"))
    };
    let (uuid, sequence) = text.split_once(':').unwrap_or((text, "1"));
    let uuid: Uuid = uuid.parse().map_err(|_| wrong())?;
    if uuid.get_version_num() != 7 {
        return Err(wrong());
    }
    Ok(RequestId { client: ClientId(uuid), sequence: sequence.parse().map_err(|_| wrong())? })
}

/// An id that follows from a request's key, so that a repetition proposes the same bytes: a UUIDv7 of the client's time.
#[must_use]
pub fn derived(request: RequestId, label: &str) -> Uuid {
    let sequence = request.sequence.to_be_bytes();
    let hash = symbi_model::Hash::of(&[label.as_bytes(), request.client.0.as_bytes(), &sequence]);
    let mut random = [0; 10];
    random.copy_from_slice(&hash.0[..10]);
    uuid::Builder::from_unix_timestamp_millis(request.client.time_ms(), &random).into_uuid()
}

/// A UUIDv7 of this moment of the given clock, with random bits from the process.
#[must_use]
pub fn uuid_v7(wall_ms: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(wall_ms, &rand::random()).into_uuid()
}

/// Clients that are not in use.
#[derive(Clone, Default)]
pub struct Pool {
    /// Those that rest, with the number of their last write and the time they were made.
    idle: Arc<Mutex<Vec<Client>>>,
}

/// One client of the pool.
struct Client {
    /// Its id.
    id: ClientId,
    /// Its last write.
    sequence: u64,
    /// When it was made, ms.
    made_ms: u64,
}

/// A key on loan; its client goes back to the pool when the write's fate is known.
pub struct Loan {
    /// The key.
    pub key: RequestId,
    /// When the client was made, ms.
    made_ms: u64,
    /// Where the client belongs.
    pool: Pool,
}

impl Pool {
    /// Lends a key that was never used.
    #[must_use]
    pub fn lend(&self, wall_ms: u64) -> Loan {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // One that was made while the clock was fast is of no use once it is right.
        idle.retain(|client| (client.made_ms..client.made_ms + RETIRE_MS).contains(&wall_ms));
        let client =
            idle.pop().unwrap_or_else(|| Client { id: ClientId(uuid_v7(wall_ms)), sequence: 0, made_ms: wall_ms });
        let key = RequestId { client: client.id, sequence: client.sequence + 1 };
        Loan { key, made_ms: client.made_ms, pool: self.clone() }
    }
}

impl Loan {
    /// Gives the client back. A loan that is dropped instead retires its client: its last write may still be on its way.
    pub fn settle(self) {
        let client = Client { id: self.key.client, sequence: self.key.sequence, made_ms: self.made_ms };
        self.pool.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_client_is_lent_again_with_the_next_number() {
        let pool = Pool::default();
        let first = pool.lend(1_000_000);
        let key = first.key;
        first.settle();
        let second = pool.lend(1_000_001).key;
        assert_eq!((second.client, second.sequence), (key.client, 2));
    }

    #[test]
    fn two_loans_at_once_have_two_clients_and_old_ones_retire() {
        let pool = Pool::default();
        let (one, two) = (pool.lend(1_000_000), pool.lend(1_000_000));
        assert_ne!(one.key.client, two.key.client);
        let client = one.key.client;
        one.settle();
        let later = pool.lend(1_000_000 + RETIRE_MS);
        assert_ne!(later.key.client, client);
        let fast = later.key.client;
        later.settle();
        assert_ne!(pool.lend(1_000_000).key.client, fast, "the clock was set back");
        assert_ne!(two.key.client, client);
    }

    #[test]
    fn keys_are_uuidv7_with_an_optional_sequence() {
        let uuid = uuid_v7(1_700_000_000_000);
        assert_eq!(parse(&uuid.to_string()).unwrap().sequence, 1);
        assert_eq!(parse(&format!("{uuid}:7")).unwrap().sequence, 7);
        for wrong in ["", "x", "4e0c4a4e-2b5e-4d2e-9d0c-0e6f0f6f0f6f", &format!("{uuid}:x")] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
