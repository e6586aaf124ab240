//! A header's extensions: bytes, bounds, and that they are protected as the rest of the header is.

use crate::fixture::{header, sessions};
use ed25519_dalek::SigningKey;
use expect_test::expect;
use symbi_model::{Epoch, PolicyNumber, codec};
use symbi_proto::Error;
use symbi_proto::session::extensions::{BYTES, ENTRIES};
use symbi_proto::session::{Extensions, Header, Key, Said};

/// One key that this version knows, and one of a later version.
fn extended() -> Header {
    let mut extensions = Extensions::default();
    extensions.set(Key(999), b"later".to_vec()).expect("it fits");
    extensions.set(Key::DEPTH, vec![3]).expect("it fits");
    Header { extensions, ..header(1, 2) }
}

fn read(entries: &[(u16, Vec<u8>)]) -> Result<Extensions, codec::Error> {
    codec::decode(&codec::encode(&entries.to_vec()), 4096)
}

#[test]
fn what_a_later_version_adds_is_carried_and_its_bytes_are_these() {
    let (mut one, mut two) = sessions(1);
    let sealed = one.seal(&extended(), b"{}").expect("sealed").bytes;
    let opened = two.open(&sealed).expect("opened");
    assert_eq!(opened.header, extended());
    assert_eq!(opened.header.extensions.get(Key(999)), Some(&b"later"[..]));
    assert_eq!(opened.header.extensions.get(Key::LABELS), None);
    expect!["01001001939d3c8f007000800000000000000200076167656e742d31076167656e742d3203fd000000000100000004fbe8030505050505050505050505050505050502030103fbe703056c61746572"].assert_eq(&hex::encode(codec::encode(&extended())));
}

#[test]
fn a_change_of_any_byte_of_them_breaks_the_seal_and_another_value_another_signature() {
    let (mut one, _) = sessions(1);
    let sealed = one.seal(&extended(), b"{}").expect("sealed").bytes;
    let at = sealed.windows(5).position(|window| window == b"later").expect("it is readable on the way");
    for byte in at - 8..at + 5 {
        let mut changed = sealed.clone();
        changed[byte] ^= 1;
        let (_, mut two) = sessions(1);
        assert!(two.open(&changed).is_err(), "byte {byte}");
        two.open(&sealed).expect("the true one opens after all");
    }
    let said = Said { epoch: Epoch(3), policy_set: PolicyNumber(1), time_ms: 1 };
    let roots = [header(1, 2), extended()].map(|header| {
        let (mut one, _) = sessions(1);
        one.seal(&header, b"{}").expect("sealed");
        one.attest(&SigningKey::from_bytes(&[1; 32]), &said).expect("something to sign").root
    });
    assert_ne!(roots[0], roots[1]);
}

#[test]
fn they_are_few_and_short() {
    let mut all = Extensions::default();
    for number in 0..ENTRIES {
        all.set(Key(number as u16), vec![0; BYTES / ENTRIES]).expect("as many and as long as may be");
    }
    let full = all.clone();
    assert_eq!(all.set(Key(99), Vec::new()), Err(Error::TooManyExtensions { entries: ENTRIES + 1, max: ENTRIES }));
    let too_long = all.set(Key(3), vec![0; BYTES / ENTRIES + 1]);
    assert!(matches!(too_long, Err(Error::TooLong { bytes, max: BYTES, .. }) if bytes == BYTES + 1), "{too_long:?}");
    assert_eq!(all, full, "an error changes nothing");
    all.set(Key(3), vec![1; BYTES / ENTRIES]).expect("a value in the place of another");
    let (mut one, mut two) = sessions(1);
    let sealed =
        one.seal(&Header { extensions: all.clone(), ..header(1, 2) }, b"").expect("a header has room for them");
    assert_eq!(two.open(&sealed.bytes).expect("opened").header.extensions, all);
}

#[test]
fn what_is_beyond_the_bounds_or_out_of_order_is_no_header() {
    assert!(read(&[(1, vec![1]), (2, vec![])]).is_ok());
    assert!(read(&[(2, vec![1]), (1, vec![])]).is_err(), "out of order");
    assert!(read(&[(1, vec![1]), (1, vec![1])]).is_err(), "twice");
    assert!(read(&[(1, vec![0; BYTES + 1])]).is_err(), "too long");
    let many: Vec<_> = (0..=ENTRIES as u16).map(|number| (number, Vec::new())).collect();
    assert!(read(&many[1..]).is_ok() && read(&many).is_err(), "too many");
}
