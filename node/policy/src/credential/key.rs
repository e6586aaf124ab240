//! A node's P-256 key, with which it issues credentials, and the names of such keys.

use super::CredentialError;
use super::claims::{Claims, Header, Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde::Serialize;
use std::fmt;
use symbi_model::Hash;

/// What precedes an uncompressed P-256 point in a SubjectPublicKeyInfo (RFC 5480), DER.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The issuing key of a node.
#[derive(Clone)]
pub struct IssuerKey {
    /// The key; it wipes itself when dropped.
    signing: SigningKey,
    /// Its public half's name.
    kid: String,
}

impl IssuerKey {
    /// A new key out of 32 random bytes.
    #[must_use]
    pub fn generate(random: [u8; 32]) -> Self {
        let mut candidate = random;
        loop {
            // One in 2^32 strings is not below the order of the curve; its hash will be.
            match Self::from_bytes(&candidate) {
                Ok(key) => return key,
                Err(_) => candidate = Hash::of(&[&candidate]).0,
            }
        }
    }

    /// The key that [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`CredentialError::InvalidKey`] if the bytes are none.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CredentialError> {
        let secret = SecretKey::from_slice(bytes).map_err(|_| CredentialError::InvalidKey)?;
        let signing = SigningKey::from(secret);
        let kid = key_id(signing.verifying_key().to_encoded_point(false).as_bytes());
        Ok(Self { signing, kid })
    }

    /// The private scalar, for the file it is kept in.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.signing.to_bytes().into()
    }

    /// The public key as 65 bytes, an uncompressed SEC1 point, for the node's record.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.signing.verifying_key().to_encoded_point(false).as_bytes().to_vec()
    }

    /// The key's name in credentials and in the discovery document.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A credential for one session, signed.
    ///
    /// The token is encoded here and not by the `agentpin` crate, whose payload has no place for `cnf` and epoch. As in
    /// the crate, the signature is the base64url of DER.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        let header = part(&Header::of_key(&self.kid));
        let payload = part(&Payload::new(claims));
        let signed = format!("{header}.{payload}");
        let signature: Signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_der()))
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IssuerKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The name of a public key given as an uncompressed SEC1 point: hex SHA-256 of its SubjectPublicKeyInfo.
#[must_use]
pub fn key_id(public: &[u8]) -> String {
    Hash::of(&[&SPKI_PREFIX, public]).to_string()
}

fn part(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("strings and numbers have a JSON form"))
}
