//! The token's text.

use crate::fixture::{cluster, token, uuid};
use expect_test::expect;
use symbi_proto::Error;
use symbi_proto::token::JoinToken;

fn read(text: &str) -> Result<JoinToken, Error> {
    text.parse()
}

#[test]
fn its_text_and_its_verifier_stay_as_they_are() {
    expect![
        "SYM1.symbi.01939d3c.010203040506.0707070707070707070707070707070707070707070707070707070707070707.e375f8ca"
    ]
    .assert_eq(&token().to_string());
    expect!["39be97bd2dd399ef6e1dc6b7b2a62112d652b2fb1d7c73a4b278573e102729f0"]
        .assert_eq(&hex::encode(token().verifier()));
    assert_eq!(format!("{:?}", token()), "JoinToken(010203040506 for symbi)");
}

#[test]
fn it_reads_back_white_space_and_all() {
    let text = token().to_string();
    assert_eq!(read(&text), Ok(token()));
    assert_eq!(read(&format!("  {text}\n")), Ok(token()));
    let dotted = JoinToken::new("eu.prod", cluster(), token().id, [7; 32]);
    assert_eq!(read(&dotted.to_string()), Ok(dotted));
}

#[test]
fn whatever_is_cut_off_or_changed_is_noticed() {
    let text = token().to_string();
    for end in 0..text.len() {
        read(&text[..end]).expect_err("cut off");
    }
    for place in 0..text.len() {
        for other in *b"0a.Z~" {
            let mut changed = text.clone().into_bytes();
            if changed[place] != other {
                changed[place] = other;
                read(std::str::from_utf8(&changed).expect("ASCII")).expect_err("changed");
            }
        }
    }
}

#[test]
fn damaged_is_told_from_something_else() {
    let text = token().to_string();
    assert_eq!(read(&text[..text.len() - 1]), Err(Error::TokenChecksum));
    assert_eq!(read(&text.replace("symbi", "symbo")), Err(Error::TokenChecksum));
    assert!(matches!(read("hunter2"), Err(Error::TokenForm { .. })));
    assert!(matches!(read(""), Err(Error::TokenForm { .. })));
    assert!(matches!(read(&"SYM1.".repeat(1000)), Err(Error::TokenForm { .. })));
}

#[test]
fn it_is_good_for_one_cluster() {
    assert!(token().is_for(cluster()));
    assert!(!token().is_for("11939d3c-8f00-7000-8000-000000000001".parse().expect("a UUID")));
    assert_ne!(token().verifier(), JoinToken::new("symbi", uuid(1), token().id, [8; 32]).verifier());
}
