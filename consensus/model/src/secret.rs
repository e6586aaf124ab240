//! The cluster's own secret: 32 random bytes of its genesis, in the state of every member, never shown or exported.

use crate::hash::Hash;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// See the module.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub [u8; 32]);

impl Secret {
    /// HMAC-SHA256 over `bytes`: names them in the audit to those who have them, and lets nobody else guess what is in them.
    ///
    /// # Panics
    /// Never: a key of any length is one.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> Hash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is one");
        mac.update(bytes);
        Hash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    /// RFC 4231, test case 2, its key filled up with zeros as HMAC does itself.
    #[test]
    fn it_is_the_hmac_of_the_rfc() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = Secret(key).mac(b"what do ya want for nothing?");
        assert_eq!(mac.to_string(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(format!("{:?}", Secret(key)), "Secret");
    }
}
