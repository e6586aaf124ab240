//! Nonces: no key seals twice under one nonce, in one session or in two, before a restart and after it (NIST SP 800-38D,
//! section 8).

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeSet;

/// The property's memory.
#[derive(Default)]
pub struct Nonces {
    /// What was used.
    used: BTreeSet<([u8; 8], u64)>,
}

impl Oracle for Nonces {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let Event::Sealed { key, nonce } = &seen.event else { return Ok(()) };
        if self.used.insert((*key, *nonce)) {
            return Ok(());
        }
        Err(format!("nonces: key {} has sealed twice under nonce {nonce}", hex::encode(key)))
    }
}
