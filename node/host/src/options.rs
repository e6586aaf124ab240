//! What is fixed for one life of the host. Every default is documented where it is.

use ed25519_dalek::SigningKey;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_policy::credential::IssuerKey;

/// The host's settings.
#[derive(Clone)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// How often this node has started, this time included; synced to disk before the host is spawned. The high half of
    /// every incarnation, so below 2^32.
    pub boot: u64,
    /// The key with which this node vouches for the agents placed on it; its public half is in the node's record.
    pub issuer: Arc<IssuerKey>,
    /// From where every random value of the host is drawn: keys, nonces, ids, jitter. Drawn from the system, except in
    /// simulations.
    pub seed: [u8; 32],
    /// Messages that wait for an agent; as many again may wait to get in, further ones are refused.
    pub mailbox: usize,
    /// The bytes of the messages that wait for an agent; as many again may wait to get in.
    pub mailbox_bytes: usize,
    /// The bytes of the messages of one sender of this node that are on their way to other nodes; further ones are refused.
    pub send_bytes: usize,
    /// Sessions kept that one sender of this node has opened; the one unused for longest goes first.
    pub sessions: usize,
    /// Sessions kept that others have opened with agents of this node, all together; the one unused for longest goes first.
    pub received_sessions: usize,
    /// Agents that are being started at once; further ones wait their turn.
    pub starts: usize,
    /// How long a process has to answer `initialize`.
    pub initialize: Duration,
    /// How long a process has to end by itself before it is killed.
    pub stop: Duration,
}

impl Options {
    /// The defaults: mailbox 1,024 messages and 16 MiB; 64 MiB on their way; sessions 1,024, received ones 16,384; 32 starts at once;
    /// initialize 10 s; stop 10 s.
    #[must_use]
    pub fn new(key: Arc<SigningKey>, boot: u64, issuer: Arc<IssuerKey>, seed: [u8; 32]) -> Self {
        let ten_seconds = Duration::from_secs(10);
        Self {
            node: NodeId(key.verifying_key().to_bytes()),
            key,
            boot,
            issuer,
            seed,
            mailbox: 1_024,
            mailbox_bytes: 16 << 20,
            send_bytes: 64 << 20,
            sessions: 1_024,
            received_sessions: 16_384,
            starts: 32,
            initialize: ten_seconds,
            stop: ten_seconds,
        }
    }
}
