//! Join tokens: the text that a person carries from a member to a new node.
//!
//! `SYM1.<cluster name>.<8 hex of the cluster id>.<token id>.<secret, 64 hex>.<checksum, 8 hex>`. The checksum, the first four
//! bytes of SHA-256 over the text before its dot, tells a token that was cut off from one that is wrong. The secret
//! never crosses the wire; the cluster keeps [`JoinToken::verifier`], which within this cluster is worth as much.

use crate::error::Error;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use symbi_model::{ClusterId, TokenId};
use zeroize::Zeroizing;

/// What a token of this form begins with.
const SCHEME: &str = "SYM1";
/// What [`JoinToken::verifier`] is salted with, and for.
const VERIFIER: (&[u8], &[u8]) = (b"symbi-join-v1", b"verifier");
/// The longest token text that is looked at, in bytes.
const TEXT_BYTES: usize = 512;

/// A join token with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// The cluster's name, for people.
    pub cluster_name: String,
    /// The first four bytes of the cluster's id: what the token is good for.
    pub cluster_prefix: [u8; 4],
    /// The public half, under which the cluster keeps its record.
    pub id: TokenId,
    /// The secret half; wiped when it is dropped.
    secret: Zeroizing<[u8; 32]>,
}

impl JoinToken {
    /// A token for `cluster`; id and secret are fresh random bytes.
    #[must_use]
    pub fn new(cluster_name: &str, cluster: ClusterId, id: TokenId, secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        Self { cluster_name: cluster_name.to_owned(), cluster_prefix: prefix(cluster), id, secret }
    }

    /// What both sides make their proofs with, and what the cluster keeps: HKDF-SHA-256 of the secret.
    #[must_use]
    pub fn verifier(&self) -> [u8; 32] {
        let mut out = [0; 32];
        Hkdf::<Sha256>::new(Some(VERIFIER.0), self.secret.as_ref())
            .expand(VERIFIER.1, &mut out)
            .expect("32 bytes are within HKDF's reach");
        out
    }

    /// Whether the token is good for this cluster, as far as its text tells.
    #[must_use]
    pub fn is_for(&self, cluster: ClusterId) -> bool {
        self.cluster_prefix == prefix(cluster)
    }
}

/// What a token shows of the cluster's id.
#[must_use]
pub fn prefix(cluster: ClusterId) -> [u8; 4] {
    let [a, b, c, d, ..] = cluster.0.into_bytes();
    [a, b, c, d]
}

/// The text, secret included: this is how a token leaves the program.
impl fmt::Display for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = Zeroizing::new(hex::encode(self.secret.as_ref()));
        let (name, prefix) = (&self.cluster_name, hex::encode(self.cluster_prefix));
        let text = Zeroizing::new(format!("{SCHEME}.{name}.{prefix}.{}.{}", self.id, *secret));
        write!(formatter, "{}.{}", *text, checksum(&text))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "JoinToken({} for {})", self.id, self.cluster_name)
    }
}

impl FromStr for JoinToken {
    type Err = Error;

    /// Reads a token; white space around it is not part of it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.len() > TEXT_BYTES {
            return Err(form("it is too long"));
        }
        let rest = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix('.'));
        let rest = rest.ok_or_else(|| form("it does not begin with 'SYM1.'"))?;
        let (before, sum) = text.rsplit_once('.').ok_or_else(|| form("it has too few parts"))?;
        if sum != checksum(before) {
            return Err(Error::TokenChecksum);
        }
        let mut parts = rest.rsplitn(5, '.').skip(1);
        let mut part = || parts.next().ok_or_else(|| form("it has too few parts"));
        let (secret, id, prefix, name) = (part()?, part()?, part()?, part()?);
        Ok(Self {
            cluster_name: name.to_owned(),
            cluster_prefix: bytes(prefix).ok_or_else(|| form("the cluster is not 8 hex digits"))?,
            id: TokenId(bytes(id).ok_or_else(|| form("the id is not 12 hex digits"))?),
            secret: Zeroizing::new(bytes(secret).ok_or_else(|| form("the secret is not 64 hex digits"))?),
        })
    }
}

fn form(what: &'static str) -> Error {
    Error::TokenForm { what }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).ok()?;
    Some(out)
}

fn checksum(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    hex::encode(&digest[..4])
}
