//! What a credential says: its bearer, its receiver, its time, its session key and its placement.

use super::CredentialError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Incarnation, State};
use uuid::{Builder, Uuid};

/// How long a credential is good, in seconds: it is used at once, to set up one session.
pub const LIFETIME_S: u64 = 300;
/// The longest life that is accepted, in seconds.
pub const MAX_LIFETIME_S: u64 = 3_600;
/// The only algorithm.
pub const ALGORITHM: &str = "ES256";
/// The token's type, as the `agentpin` crate wants it.
const TYPE: &str = "agentpin-credential+jwt";
/// The version of AgentPin.
pub const VERSION: &str = "0.1";
/// The longest token, in bytes.
const MAX_BYTES: usize = 4_096;
/// What the names of gateways begin with, and those of agents cannot.
const GATEWAY: &str = "gateway-";

/// Whom a credential is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An agent.
    Agent(AgentName),
    /// The gateway of the node of this name, which speaks for callers from outside.
    Gateway(String),
}

impl Subject {
    /// Its name in the cluster's domain.
    #[must_use]
    pub fn urn(&self, domain: &str) -> String {
        urn(domain, &self.to_string())
    }

    /// The subject that `text` names in `domain`.
    fn from_urn(domain: &str, text: &str) -> Result<Self, CredentialError> {
        let foreign = || CredentialError::Domain(text.to_owned());
        let name = text.strip_prefix(&urn(domain, "")).ok_or_else(foreign)?;
        match name.strip_prefix(GATEWAY) {
            Some(node) => Ok(Self::Gateway(node.to_owned())),
            None => name.parse().map(Self::Agent).map_err(|error| CredentialError::Malformed(error.to_string())),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(formatter, "{name}"),
            Self::Gateway(node) => write!(formatter, "{GATEWAY}{node}"),
        }
    }
}

/// A name in a domain, as AgentPin writes it.
#[must_use]
pub fn urn(domain: &str, name: &str) -> String {
    format!("urn:agentpin:{domain}:{name}")
}

/// The epoch of every gateway: the cluster's generation. None before there is a cluster.
#[must_use]
pub fn gateway_epoch(state: &State) -> Option<Epoch> {
    state.cluster.as_ref().map(|cluster| Epoch(u64::from(cluster.generation)))
}

/// What a node vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The cluster's domain.
    pub domain: String,
    /// The bearer.
    pub subject: Subject,
    /// The receiver.
    pub audience: Subject,
    /// Now, ms since the Unix epoch.
    pub now_ms: u64,
    /// The public Ed25519 key of the bearer's incarnation.
    pub cnf: [u8; 32],
    /// The placement's epoch; a gateway's is [`gateway_epoch`].
    pub epoch: Epoch,
    /// The bearer's incarnation.
    pub incarnation: Incarnation,
    /// The log index of the bearer's `Place`; for a gateway the index that enrolled its node.
    pub index: u64,
}

/// The token's first part.
#[derive(Serialize, Deserialize)]
pub struct Header {
    /// The algorithm.
    alg: String,
    /// The type.
    typ: String,
    /// The key's name.
    pub kid: String,
}

impl Header {
    /// The header of a credential that the key `kid` signs.
    pub fn of_key(kid: &str) -> Self {
        Self { alg: ALGORITHM.to_owned(), typ: TYPE.to_owned(), kid: kid.to_owned() }
    }
}

/// The token's second part: AgentPin's claims and ours.
#[derive(Serialize, Deserialize)]
pub struct Payload {
    /// The issuer: the cluster's domain.
    iss: String,
    /// The bearer's name.
    sub: String,
    /// The receiver's name.
    aud: Option<String>,
    /// When it was issued, seconds since the Unix epoch.
    iat: u64,
    /// When it ends.
    pub exp: u64,
    /// Not valid before; never issued here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    /// Its own name, good once.
    pub jti: Uuid,
    /// AgentPin's version.
    agentpin_version: String,
    /// None: what an agent may do is a matter of policy, not of its credential.
    capabilities: Vec<String>,
    /// A chain of delegation; never issued here, and the crate does not verify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegation_chain: Option<serde_json::Value>,
    /// The bearer's key (RFC 7800).
    cnf: Confirmation,
    /// The placement's epoch.
    pub symbi_epoch: u64,
    /// The bearer's incarnation.
    pub symbi_incarnation: u64,
    /// The log index that the credential speaks of.
    pub symbi_index: u64,
}

/// The `cnf` claim.
#[derive(Serialize, Deserialize)]
struct Confirmation {
    /// The key.
    jwk: OctetKey,
}

/// An Ed25519 public key as a JWK (RFC 8037).
#[derive(Serialize, Deserialize)]
struct OctetKey {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// The key, base64url.
    x: String,
}

impl Payload {
    /// Says what `claims` say, with an id of its own.
    pub fn new(claims: &Claims) -> Self {
        let now_s = claims.now_ms / 1_000;
        let x = URL_SAFE_NO_PAD.encode(claims.cnf);
        Self {
            iss: claims.domain.clone(),
            sub: claims.subject.urn(&claims.domain),
            aud: Some(claims.audience.urn(&claims.domain)),
            iat: now_s,
            exp: now_s + LIFETIME_S,
            nbf: None,
            jti: Builder::from_unix_timestamp_millis(claims.now_ms, &rand::random()).into_uuid(),
            agentpin_version: VERSION.to_owned(),
            capabilities: Vec::new(),
            delegation_chain: None,
            cnf: Confirmation { jwk: OctetKey { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x } },
            symbi_epoch: claims.epoch.0,
            symbi_incarnation: claims.incarnation.0,
            symbi_index: claims.index,
        }
    }

    /// Requires the one receiver: an absent or general audience is none.
    pub fn check_audience(&self, expected: &str) -> Result<(), CredentialError> {
        match &self.aud {
            None => Err(CredentialError::NoAudience),
            Some(found) if found != expected => Err(CredentialError::Audience { found: found.clone() }),
            Some(_) => Ok(()),
        }
    }

    /// Requires that it is valid at `now_ms`, where its issuer's clock may be ahead by `skew_s`.
    pub fn check_time(&self, now_ms: u64, skew_s: u64) -> Result<(), CredentialError> {
        let now_s = now_ms / 1_000;
        let begins = self.nbf.unwrap_or(self.iat).max(self.iat);
        let seconds = self.exp.saturating_sub(self.iat);
        if self.exp <= now_s {
            return Err(CredentialError::Expired);
        }
        if begins > now_s + skew_s {
            return Err(CredentialError::NotYetValid);
        }
        if seconds > MAX_LIFETIME_S {
            return Err(CredentialError::Lifetime { seconds });
        }
        Ok(())
    }

    /// The bearer, who must be of `domain` as the issuer must.
    pub fn subject(&self, domain: &str) -> Result<Subject, CredentialError> {
        if self.iss != domain {
            return Err(CredentialError::Domain(self.iss.clone()));
        }
        Subject::from_urn(domain, &self.sub)
    }

    /// The bearer's key.
    pub fn confirmed_key(&self) -> Result<[u8; 32], CredentialError> {
        let malformed = || CredentialError::Malformed("cnf is no Ed25519 key".to_owned());
        let key = &self.cnf.jwk;
        if key.kty != "OKP" || key.crv != "Ed25519" {
            return Err(malformed());
        }
        let bytes = URL_SAFE_NO_PAD.decode(&key.x).map_err(|_| malformed())?;
        bytes.try_into().map_err(|_| malformed())
    }
}

/// Reads a token's parts without verifying anything but that it is of our kind.
pub fn decode(token: &str) -> Result<(Header, Payload), CredentialError> {
    let malformed = |what: &str| CredentialError::Malformed(what.to_owned());
    if token.len() > MAX_BYTES {
        return Err(malformed("it is too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("it does not have three parts"));
    };
    let header: Header = json(header, "its header")?;
    if header.alg != ALGORITHM {
        return Err(CredentialError::Algorithm(header.alg));
    }
    if header.typ != TYPE {
        return Err(malformed("it is of another type"));
    }
    let payload: Payload = json(payload, "its payload")?;
    if payload.delegation_chain.is_some() {
        return Err(malformed("it is delegated"));
    }
    Ok((header, payload))
}

fn json<T: DeserializeOwned>(part: &str, what: &str) -> Result<T, CredentialError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| CredentialError::Malformed(format!("{what}: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| CredentialError::Malformed(format!("{what}: {error}")))
}
