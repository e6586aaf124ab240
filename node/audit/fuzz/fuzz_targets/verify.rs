//! Whatever is given to the verifier: it answers, and does not panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bundle: &[u8]| {
    let _ = symbi_audit::verify(bundle, None);
});
