//! Gossip: what a node says of itself, signed by it, passed on by members to members. A hint, never relied on.
//!
//! gossipsub runs *Anonymous*: its own signatures cost four times ours. A frame is author (32 bytes), signature (64),
//! body; the signature covers `"symbi-gossip-v1\0"`, author and body, and is the message's id as well.

use bytes::Bytes;
use libp2p::gossipsub::{self, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId, ValidationMode};
use std::time::Duration;
use symbi_model::NodeId;

use crate::Identity;
use crate::identity::verify;

/// The longest frame.
const MAX_FRAME: usize = 64 << 10;
/// Author and signature.
const HEADER: usize = 32 + 64;
/// The longest body; gossipsub's own envelope takes some bytes too.
pub(crate) const MAX_VIEW: usize = MAX_FRAME - HEADER - 256;
/// Frames that wait for one peer.
const QUEUE: usize = 256;
/// What signatures of gossip begin with.
const DOMAIN: &[u8] = b"symbi-gossip-v1\0";

/// The one topic.
pub(crate) fn topic() -> IdentTopic {
    IdentTopic::new("symbi/views/1")
}

/// The behaviour, subscribed.
///
/// # Panics
/// Never: the settings are constants that gossipsub accepts, as every test shows.
pub(crate) fn behaviour() -> gossipsub::Behaviour {
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .max_transmit_size(MAX_FRAME)
        .connection_handler_queue_len(QUEUE)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .message_id_fn(|message| MessageId::new(message.data.get(32..HEADER).unwrap_or(&message.data)))
        .build()
        .expect("constant settings");
    let mut behaviour = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("constant settings");
    behaviour.subscribe(&topic()).expect("no subscription filter");
    behaviour
}

/// What the signature covers.
fn signed(author: &NodeId, body: &[u8]) -> Vec<u8> {
    [DOMAIN, &author.0, body].concat()
}

/// A frame of `body` by `identity`.
pub(crate) fn encode(identity: &Identity, body: &[u8]) -> Vec<u8> {
    let author = identity.node();
    let signature = identity.sign(&signed(&author, body));
    [&author.0, &signature[..], body].concat()
}

/// Author and body, if the author signed it.
pub(crate) fn decode(frame: &[u8]) -> Option<(NodeId, Bytes)> {
    let (author, rest) = frame.split_first_chunk::<32>()?;
    let (signature, body) = rest.split_first_chunk::<64>()?;
    let author = NodeId(*author);
    verify(&author, &signed(&author, body), signature).then(|| (author, Bytes::copy_from_slice(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_authors_or_nobodys() {
        let identity = Identity::from_seed([3; 32]);
        let frame = encode(&identity, b"view");
        assert_eq!(decode(&frame), Some((identity.node(), Bytes::from_static(b"view"))));
        for at in 0..frame.len() {
            let mut bad = frame.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "byte {at}");
        }
        assert_eq!(decode(&frame[..95]), None);
    }
}
