//! An outsider verifies a credential with openssl and the discovery document alone: the script is run as it is shipped.

use crate::credential::{claims, key, placed};
use crate::fixture::NOW_MS;
use std::fs;
use std::path::Path;
use std::process::Command;
use symbi_policy::credential::{LIFETIME_S, discovery_document};

/// The script's exit code and what it printed.
fn run(token: &str, document: &serde_json::Value, at_s: u64) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let (token_file, document_file) = (folder.path().join("token"), folder.path().join("document.json"));
    fs::write(&token_file, token).unwrap();
    fs::write(&document_file, document.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify-credential.sh");
    let output = Command::new(script).arg(token_file).arg(document_file).arg(at_s.to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn a_credential_verifies_with_openssl_alone() {
    let (code, text) = run(&key(1).issue(&claims(NOW_MS)), &discovery_document(&placed()), NOW_MS / 1_000);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Verified OK") && text.ends_with("VERIFIED\n"), "{text}");
}

#[test]
fn what_does_not_verify_is_refused_with_the_reason() {
    let (token, document, now_s) = (key(1).issue(&claims(NOW_MS)), discovery_document(&placed()), NOW_MS / 1_000);
    let refused = |token: &str, document: &serde_json::Value, at_s: u64, why: &str| {
        let (code, text) = run(token, document, at_s);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(why) && text.contains("REFUSED"), "{text}");
    };
    let mut other = claims(NOW_MS);
    other.index = 51;
    let other = key(1).issue(&other);
    let (signed, signature) = (other.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1);
    refused(&format!("{signed}.{signature}"), &document, now_s, "the signature does not verify");
    refused(&token, &document, now_s + LIFETIME_S, "it has expired");
    refused(&key(9).issue(&claims(NOW_MS)), &document, now_s, "the document has no such key");
    refused("a.b", &document, now_s, "three parts");
    let mut swapped = document.clone();
    swapped["public_keys"][0]["x"] = document["public_keys"][1]["x"].clone();
    swapped["public_keys"][0]["y"] = document["public_keys"][1]["y"].clone();
    refused(&token, &swapped, now_s, "the key's name is not this hash");
}
