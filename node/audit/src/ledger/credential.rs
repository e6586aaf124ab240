//! A credential: a JWT in which a node says, under its P-256 key, by which Ed25519 key an agent of its own signs.

use crate::chain::Chain;
use crate::hex::Hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::Deserialize;

/// What the names of gateways begin with.
const GATEWAY: &str = "gateway-";

/// What is read of the claims.
#[derive(Deserialize)]
struct Claims {
    /// The domain.
    iss: String,
    /// The bearer.
    sub: String,
    /// The receiver.
    aud: String,
    /// The bearer's key.
    cnf: Confirmation,
    /// The bearer's epoch.
    symbi_epoch: u64,
}

/// The `cnf` claim.
#[derive(Deserialize)]
struct Confirmation {
    /// The key.
    jwk: OctetKey,
}

/// An Ed25519 public key as a JWK (RFC 8037).
#[derive(Deserialize)]
struct OctetKey {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// The key, base64url.
    x: String,
}

/// The key by which `bearer` signs towards `audience`, if `node` vouches for it with a key that the chain has, and the chain
/// has placed the bearer there under this epoch. Else what is wrong.
pub(crate) fn verify(
    chain: &Chain,
    node: &Hex<32>,
    token: &str,
    (bearer, audience): (&str, &str),
    epoch: u64,
) -> Result<Hex<32>, &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("it does not have three parts")?;
    let (_, claims) = signed.split_once('.').ok_or("it does not have three parts")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature cannot be read")?;
    let signature = Signature::from_der(&signature).map_err(|_| "its signature cannot be read")?;
    let is_signed = |key: &&Hex<65>| {
        VerifyingKey::from_sec1_bytes(&key.0).is_ok_and(|key| key.verify(signed.as_bytes(), &signature).is_ok())
    };
    // A node seldom has more than one key; the current one comes last.
    chain.credential_keys(node).iter().rev().find(is_signed).ok_or("its node has not signed it")?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "its claims cannot be read")?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| "its claims cannot be read")?;
    let urn = |name: &str| format!("urn:agentpin:{}:{name}", chain.domain());
    if claims.iss != chain.domain() || claims.sub != urn(bearer) || claims.aud != urn(audience) {
        return Err("it is another's, or for another");
    }
    if claims.symbi_epoch != epoch || !is_placed(chain, node, bearer, epoch) {
        return Err("the chain has not placed its bearer there under its epoch");
    }
    let key = &claims.cnf.jwk;
    let bytes = URL_SAFE_NO_PAD.decode(&key.x).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.filter(|_| key.kty == "OKP" && key.crv == "Ed25519").map(Hex).ok_or("it names no Ed25519 key")
}

/// Gateways are where their node is; agents are where the chain has placed them.
fn is_placed(chain: &Chain, node: &Hex<32>, bearer: &str, epoch: u64) -> bool {
    match bearer.strip_prefix(GATEWAY) {
        Some(name) => name == chain.name(node),
        None => chain.facts().placed(bearer, epoch) == Some(*node),
    }
}
