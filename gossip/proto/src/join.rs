//! The join's proofs: a new node and a member show each other that they know a token's secret, without sending it.
//!
//! ```text
//! joiner                                   member
//! Joiner::start ── Hello{token, nonce} ──▶ welcome
//! Joiner::check ◀─ HelloReply{nonce, mac}─ Pending
//! Proved::enrol ── Enrol{mac, profile} ──▶ Pending::admit
//! ```
//!
//! Both MACs are over one transcript: both nonces and node ids (so they are bound to the connection, which is authenticated
//! by those ids), the cluster, both versions and clocks, the joiner's name. Each direction has its own label, and the
//! joiner's covers all that it says of itself too, as it is encoded. Not here: whether the token may be used, and what admits a node.

use crate::error::Error;
use crate::mac::{Transcript, hmac};
use crate::token::{JoinToken, prefix};
use crate::versions::Versions;
use crate::wire::join::{Enrol, Hello, HelloReply};
use subtle::ConstantTimeEq;
use symbi_model::node::Profile;
use symbi_model::{ClusterId, NodeId, RequestId, codec};
use zeroize::Zeroizing;

/// The versions of the join protocol that this program speaks.
pub const VERSIONS: Versions = Versions { min: 2, max: 2 };
/// The largest difference of clocks with which a node is let in, ms.
pub const SKEW_MS: u64 = 500;

const MEMBER_LABEL: &[u8] = b"symbi-join-v2 member\0";
const JOINER_LABEL: &[u8] = b"symbi-join-v2 joiner\0";

/// A new node that has said hello.
pub struct Joiner {
    /// What it knows of the token.
    token: JoinToken,
    /// Its id.
    node: NodeId,
    /// What it said.
    hello: Hello,
}

/// A new node to which a member has proved itself.
pub struct Proved {
    /// The key of both proofs.
    verifier: Zeroizing<[u8; 32]>,
    /// What both sides have said so far.
    transcript: [u8; 32],
    /// What the new node said.
    hello: Hello,
    /// What the member said.
    reply: HelloReply,
}

/// A member that has answered a hello.
pub struct Pending {
    /// The key of both proofs.
    verifier: Zeroizing<[u8; 32]>,
    /// What both sides have said so far.
    transcript: [u8; 32],
    /// What the new node said.
    hello: Hello,
    /// The member's nonce.
    nonce: [u8; 32],
}

/// Who answers a hello.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its node id.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub cluster_name: String,
}

impl Joiner {
    /// Begins: `node` is this node's id, `nonce` fresh random bytes, `wall_ms` its clock, ms since the Unix epoch.
    #[must_use]
    pub fn start(token: JoinToken, node: NodeId, name: String, nonce: [u8; 32], wall_ms: u64) -> (Self, Hello) {
        let hello =
            Hello { token: token.id, nonce, versions: VERSIONS, wall_ms, cluster_prefix: token.cluster_prefix, name };
        (Self { token, node, hello: hello.clone() }, hello)
    }

    /// Checks that `member`, the node that answered, is of the token's cluster and knows its secret.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::ForeignCluster`] or [`Error::ProofWrong`].
    pub fn check(self, member: NodeId, reply: HelloReply) -> Result<Proved, Error> {
        agree(reply.versions)?;
        if !self.token.is_for(reply.cluster) {
            return Err(Error::ForeignCluster);
        }
        let verifier = Zeroizing::new(self.token.verifier());
        let transcript = transcript(self.node, member, &self.hello, &reply);
        is_proof(&member_mac(&verifier, &transcript), &reply.mac)?;
        Ok(Proved { verifier, transcript, hello: self.hello, reply })
    }
}

impl Proved {
    /// The version of the protocol that both sides speak.
    #[must_use]
    pub fn version(&self) -> u32 {
        VERSIONS.common(self.reply.versions).unwrap_or(VERSIONS.max)
    }

    /// What the member said: cluster, its name, the member's clock.
    #[must_use]
    pub fn reply(&self) -> &HelloReply {
        &self.reply
    }

    /// Asks to be admitted. `request` makes a repetition harmless: it is kept on disk and sent again as it was.
    #[must_use]
    pub fn enrol(&self, profile: Profile, request: RequestId) -> Enrol {
        let mac = joiner_mac(&self.verifier, &self.transcript, &self.hello.name, &profile, request);
        Enrol { nonce: self.reply.nonce, mac, name: self.hello.name.clone(), profile, request }
    }
}

/// Answers `hello` of `joiner`, the node at the other end of the connection, with the token's `verifier`; `nonce` is fresh
/// random bytes, `wall_ms` the member's clock. One [`Pending`] a joiner is kept until it enrols.
///
/// # Errors
/// [`Error::Version`] or [`Error::ForeignCluster`].
pub fn welcome(
    member: &Member,
    joiner: NodeId,
    hello: Hello,
    verifier: [u8; 32],
    nonce: [u8; 32],
    wall_ms: u64,
) -> Result<(Pending, HelloReply), Error> {
    agree(hello.versions)?;
    if hello.cluster_prefix != prefix(member.cluster) {
        return Err(Error::ForeignCluster);
    }
    let mut reply = HelloReply {
        nonce,
        mac: [0; 32],
        versions: VERSIONS,
        wall_ms,
        cluster: member.cluster,
        cluster_name: member.cluster_name.clone(),
    };
    let verifier = Zeroizing::new(verifier);
    let transcript = transcript(joiner, member.node, &hello, &reply);
    reply.mac = member_mac(&verifier, &transcript);
    Ok((Pending { verifier, transcript, hello, nonce }, reply))
}

impl Pending {
    /// What the new node said.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Checks that the joiner knows the secret, and that what it says of itself is what it proved.
    ///
    /// # Errors
    /// [`Error::ForeignExchange`] if it answers another reply than this one, [`Error::ProofWrong`].
    pub fn admit(&self, enrol: &Enrol) -> Result<(), Error> {
        if enrol.nonce != self.nonce || enrol.name != self.hello.name {
            return Err(Error::ForeignExchange);
        }
        let mac = joiner_mac(&self.verifier, &self.transcript, &enrol.name, &enrol.profile, enrol.request);
        is_proof(&mac, &enrol.mac)
    }
}

/// How far a member's clock is ahead of this one (behind, if negative), ms, when it showed `theirs_ms` at some time between
/// `sent_ms` and `received_ms` here: the least that is certain.
#[must_use]
pub fn skew_ms(sent_ms: u64, received_ms: u64, theirs_ms: u64) -> i64 {
    let difference = |theirs: u64, ours: u64| i64::try_from(i128::from(theirs) - i128::from(ours)).unwrap_or(i64::MAX);
    if theirs_ms > received_ms {
        difference(theirs_ms, received_ms)
    } else if theirs_ms < sent_ms {
        difference(theirs_ms, sent_ms)
    } else {
        0
    }
}

/// The version that both sides speak.
fn agree(theirs: Versions) -> Result<u32, Error> {
    VERSIONS.common(theirs).ok_or(Error::Version { theirs, ours: VERSIONS })
}

fn transcript(joiner: NodeId, member: NodeId, hello: &Hello, reply: &HelloReply) -> [u8; 32] {
    Transcript::new(b"symbi-join-v2\0")
        .fixed(&joiner.0)
        .fixed(&member.0)
        .fixed(&hello.token.0)
        .fixed(&hello.nonce)
        .fixed(&reply.nonce)
        .number(u64::from(hello.versions.min))
        .number(u64::from(hello.versions.max))
        .number(u64::from(reply.versions.min))
        .number(u64::from(reply.versions.max))
        .number(hello.wall_ms)
        .number(reply.wall_ms)
        .fixed(&hello.cluster_prefix)
        .fixed(reply.cluster.0.as_bytes())
        .bytes(reply.cluster_name.as_bytes())
        .bytes(hello.name.as_bytes())
        .digest()
}

fn member_mac(verifier: &[u8; 32], transcript: &[u8; 32]) -> [u8; 32] {
    hmac(verifier, &[MEMBER_LABEL, transcript])
}

fn joiner_mac(
    verifier: &[u8; 32],
    transcript: &[u8; 32],
    name: &str,
    profile: &Profile,
    request: RequestId,
) -> [u8; 32] {
    let said = Transcript::new(JOINER_LABEL)
        .fixed(transcript)
        .bytes(name.as_bytes())
        .bytes(&codec::encode(profile))
        .fixed(request.client.0.as_bytes())
        .number(request.sequence);
    hmac(verifier, &[said.as_slice()])
}

fn is_proof(expected: &[u8; 32], found: &[u8; 32]) -> Result<(), Error> {
    if bool::from(expected.ct_eq(found)) { Ok(()) } else { Err(Error::ProofWrong) }
}
