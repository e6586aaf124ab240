//! A credential that fits is accepted once; each of those that do not is refused with its own error.

use crate::fixture::{NOW_MS, add_agent, add_node, cluster, node_id};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use symbi_model::agent::{AgentName, Hold};
use symbi_model::node::Membership;
use symbi_model::{Epoch, Incarnation, State};
use symbi_policy::STARTER;
use symbi_policy::credential::{
    Claims, CredentialError, Expected, IssuerKey, LIFETIME_S, Subject, Verified, Verifier, discovery_document,
    gateway_epoch, key_id, urn,
};

const DOMAIN: &str = "symbi.symbi.internal";
const AUDIENCE: &str = "urn:agentpin:symbi.symbi.internal:b";

pub fn key(n: u8) -> IssuerKey {
    IssuerKey::generate([n; 32])
}

fn subject(name: &str) -> Subject {
    Subject::Agent(name.parse().unwrap())
}

/// Three nodes; agent `a` on the first under epoch 5 since index 50, `b` on the second under epoch 6.
pub fn placed() -> State {
    let mut state = cluster(STARTER);
    for n in 1..=3 {
        add_node(&mut state, n, key(n).public());
    }
    add_agent(&mut state, "a", "demo", 1, 5);
    add_agent(&mut state, "b", "demo", 2, 6);
    state
}

/// What the first node vouches for when `a` asks `b`.
pub fn claims(now_ms: u64) -> Claims {
    Claims {
        domain: DOMAIN.to_owned(),
        subject: subject("a"),
        audience: subject("b"),
        now_ms,
        cnf: [9; 32],
        epoch: Epoch(5),
        incarnation: Incarnation(3 << 32 | 1),
        index: 50,
    }
}

fn good() -> String {
    key(1).issue(&claims(NOW_MS))
}

fn check(state: &State, token: &str, peer: u8, now_ms: u64) -> Result<Verified, CredentialError> {
    Verifier::new().verify(state, token, Expected { audience: AUDIENCE, peer: node_id(peer), now_ms })
}

fn refused(token: &str) -> CredentialError {
    check(&placed(), token, 1, NOW_MS).expect_err("it does not fit")
}

/// The good credential with `edit` made to its header and payload, signed by the nth node's key.
fn forged(n: u8, edit: impl FnOnce(&mut Value, &mut Value)) -> String {
    let token = good();
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut value = || serde_json::from_slice::<Value>(&parts.next().unwrap()).unwrap();
    let (mut header, mut payload) = (value(), value());
    edit(&mut header, &mut payload);
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature: Signature = SigningKey::from_slice(&key(n).to_bytes()).unwrap().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_der()))
}

fn with_claim(name: &str, value: Value) -> CredentialError {
    refused(&forged(1, |_, payload| payload[name] = value))
}

#[test]
fn the_right_one_verifies() {
    let verified = check(&placed(), &good(), 1, NOW_MS).unwrap();
    let expected = Verified {
        subject: subject("a"),
        epoch: Epoch(5),
        cnf: [9; 32],
        incarnation: Incarnation(3 << 32 | 1),
        index: 50,
    };
    assert_eq!(verified, expected);
    assert_eq!(check(&placed(), &forged(1, |_, _| {}), 1, NOW_MS), Ok(expected));
}

#[test]
fn another_audience_or_none_is_refused() {
    let mut other = claims(NOW_MS);
    other.audience = subject("c");
    let found = urn(DOMAIN, "c");
    assert_eq!(refused(&key(1).issue(&other)), CredentialError::Audience { found });
    assert_eq!(with_claim("aud", json!("*")), CredentialError::Audience { found: "*".to_owned() });
    assert_eq!(with_claim("aud", Value::Null), CredentialError::NoAudience);
    let absent = forged(1, |_, payload| drop(payload.as_object_mut().unwrap().remove("aud")));
    assert_eq!(refused(&absent), CredentialError::NoAudience);
}

#[test]
fn a_past_epoch_is_fenced_and_a_future_one_is_a_lie() {
    let mut state = placed();
    add_agent(&mut state, "a", "demo", 3, 8);
    let fenced = CredentialError::Fenced { epoch: Epoch(5), current: Epoch(8) };
    assert_eq!(check(&state, &good(), 1, NOW_MS), Err(fenced));
    let mut ahead = claims(NOW_MS);
    ahead.epoch = Epoch(9);
    let error = CredentialError::EpochAhead { epoch: Epoch(9), current: Epoch(5) };
    assert_eq!(refused(&key(1).issue(&ahead)), error);
}

#[test]
fn an_epoch_whose_hold_has_ended_is_fenced() {
    for hold in [Hold::Lost, Hold::Released] {
        let mut state = placed();
        let name: AgentName = "a".parse().unwrap();
        state.agents.get_mut(&name).unwrap().placement.as_mut().unwrap().hold = hold;
        let fenced = CredentialError::Fenced { epoch: Epoch(5), current: Epoch(5) };
        assert_eq!(check(&state, &good(), 1, NOW_MS), Err(fenced));
    }
}

#[test]
fn another_nodes_key_is_refused() {
    let by_second = key(2).issue(&claims(NOW_MS));
    let wrong_key = CredentialError::WrongKey { kid: key(2).kid().to_owned() };
    assert_eq!(check(&placed(), &by_second, 1, NOW_MS), Err(wrong_key));
    assert_eq!(check(&placed(), &by_second, 2, NOW_MS), Err(CredentialError::WrongNode { placed: node_id(1) }));
    let wrong_key = CredentialError::WrongKey { kid: key(1).kid().to_owned() };
    assert_eq!(check(&placed(), &good(), 2, NOW_MS), Err(wrong_key));
    let lying = forged(2, |header, _| header["kid"] = json!(key(1).kid()));
    assert_eq!(refused(&lying), CredentialError::Signature);
    assert_eq!(check(&placed(), &good(), 9, NOW_MS), Err(CredentialError::UnknownNode(node_id(9))));
}

#[test]
fn a_removed_nodes_key_is_refused() {
    let mut state = placed();
    state.nodes.get_mut(&node_id(1)).unwrap().membership = Membership::Removed;
    assert_eq!(check(&state, &good(), 1, NOW_MS), Err(CredentialError::UnknownNode(node_id(1))));
}

#[test]
fn a_used_one_is_refused() {
    let (verifier, state, token) = (Verifier::new(), placed(), good());
    let expected = Expected { audience: AUDIENCE, peer: node_id(1), now_ms: NOW_MS };
    verifier.verify(&state, &token, expected).unwrap();
    assert_eq!(verifier.verify(&state, &token, expected), Err(CredentialError::Used));
    verifier.verify(&state, &good(), expected).unwrap();
}

#[test]
fn time_is_the_injected_clocks() {
    let state = placed();
    let at = |seconds: u64| check(&state, &good(), 1, NOW_MS + seconds * 1_000).map(|_| ());
    assert_eq!(at(LIFETIME_S - 1), Ok(()));
    assert_eq!(at(LIFETIME_S), Err(CredentialError::Expired));
    let early = |seconds: u64| check(&state, &good(), 1, NOW_MS - seconds * 1_000).map(|_| ());
    assert_eq!(early(5), Ok(()));
    assert_eq!(early(6), Err(CredentialError::NotYetValid));
    let now_s = NOW_MS / 1_000;
    assert_eq!(with_claim("nbf", json!(now_s + 60)), CredentialError::NotYetValid);
    assert_eq!(with_claim("exp", json!(now_s + 3_601)), CredentialError::Lifetime { seconds: 3_601 });
    assert_eq!(with_claim("exp", json!(u64::MAX)), CredentialError::Lifetime { seconds: u64::MAX - now_s });
    // Long ago and far ahead of the process's own clock.
    for now_ms in [86_400_000, 4_000_000_000_000] {
        check(&state, &key(1).issue(&claims(now_ms)), 1, now_ms).unwrap();
    }
}

#[test]
fn a_tampered_one_is_refused() {
    let token = good();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[1] = forged(1, |_, payload| payload["symbi_epoch"] = json!(5_u64 + 1)).split('.').nth(1).unwrap().to_owned();
    assert_eq!(refused(&parts.join(".")), CredentialError::Signature);
    let signature_from = token.rfind('.').unwrap() + 1;
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let error = refused(&String::from_utf8(bytes).unwrap());
        assert!(at < signature_from || error == CredentialError::Signature, "byte {at}: {error}");
    }
}

#[test]
fn no_algorithm_and_another_one_are_refused() {
    let unsigned = forged(1, |header, _| header["alg"] = json!("none"));
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(refused(&unsigned), CredentialError::Algorithm("none".to_owned()));
    let other = forged(1, |header, _| header["alg"] = json!("HS256"));
    assert_eq!(refused(&other), CredentialError::Algorithm("HS256".to_owned()));
}

#[test]
fn a_place_we_have_not_applied_is_waited_for_and_does_not_use_it_up() {
    let verifier = Verifier::new();
    let mut state = placed();
    let mut later = claims(NOW_MS);
    (later.epoch, later.index) = (Epoch(8), 120);
    let token = key(1).issue(&later);
    let expected = Expected { audience: AUDIENCE, peer: node_id(1), now_ms: NOW_MS };
    assert_eq!(verifier.verify(&state, &token, expected), Err(CredentialError::Behind { index: 120 }));
    add_agent(&mut state, "a", "demo", 1, 8);
    state.counters.applied_index = 120;
    verifier.verify(&state, &token, expected).unwrap();
    let mut stranger = placed();
    stranger.nodes.remove(&node_id(1));
    assert_eq!(check(&stranger, &token, 1, NOW_MS), Err(CredentialError::Behind { index: 120 }));
}

#[test]
fn an_agent_that_is_not_placed_is_refused() {
    let mut nobody = claims(NOW_MS);
    nobody.subject = subject("ghost");
    assert_eq!(refused(&key(1).issue(&nobody)), CredentialError::NotPlaced("ghost".to_owned()));
}

#[test]
fn a_gateway_is_its_nodes_own() {
    let state = placed();
    let gateway = |node: &str| {
        let mut claims = claims(NOW_MS);
        (claims.subject, claims.index) = (Subject::Gateway(node.to_owned()), 1);
        claims.epoch = gateway_epoch(&state).unwrap();
        claims
    };
    let verified = check(&state, &key(1).issue(&gateway("n1")), 1, NOW_MS).unwrap();
    assert_eq!((verified.subject, verified.epoch), (Subject::Gateway("n1".to_owned()), Epoch(1)));
    let wrong = CredentialError::WrongNode { placed: node_id(2) };
    assert_eq!(check(&state, &key(1).issue(&gateway("n2")), 1, NOW_MS), Err(wrong));
    let nobody = CredentialError::NotPlaced("gateway-n9".to_owned());
    assert_eq!(check(&state, &key(1).issue(&gateway("n9")), 1, NOW_MS), Err(nobody));
    let mut next_life = state.clone();
    next_life.cluster.as_mut().unwrap().generation = 2;
    let fenced = CredentialError::Fenced { epoch: Epoch(1), current: Epoch(2) };
    assert_eq!(check(&next_life, &key(1).issue(&gateway("n1")), 1, NOW_MS), Err(fenced));
}

#[test]
fn foreign_domains_and_garbage_are_refused() {
    let foreign = "urn:agentpin:elsewhere:a".to_owned();
    assert_eq!(with_claim("iss", json!("elsewhere")), CredentialError::Domain("elsewhere".to_owned()));
    assert_eq!(with_claim("sub", json!(foreign)), CredentialError::Domain(foreign));
    let long = "x".repeat(10_000);
    let broken = forged(1, |_, payload| payload["cnf"]["jwk"]["x"] = json!("AAAA"));
    let delegated = forged(1, |_, payload| payload["delegation_chain"] = json!([]));
    let typed = forged(1, |header, _| header["typ"] = json!("JWT"));
    for token in ["", "a.b", "a.b.c", "a.b.c.d", "....", &long, &broken, &delegated, &typed] {
        assert!(matches!(refused(token), CredentialError::Malformed(_)), "{token}");
    }
    assert!(matches!(with_claim("iat", json!(-1)), CredentialError::Malformed(_)));
    assert!(matches!(with_claim("capabilities", json!(["execute:*"])), CredentialError::Refused(_)));
}

#[test]
fn keys_survive_their_bytes_and_are_named_by_their_der() {
    let key = key(1);
    assert_eq!(IssuerKey::from_bytes(&key.to_bytes()).unwrap().public(), key.public());
    assert_eq!(key.public().len(), 65);
    assert_eq!(IssuerKey::from_bytes(&[0; 32]).unwrap_err(), CredentialError::InvalidKey);
    assert_eq!(IssuerKey::generate([0xff; 32]).public().len(), 65);
    let pem = agentpin::jwk::jwk_to_pem(&agentpin::jwk::verifying_key_to_jwk(
        SigningKey::from_slice(&key.to_bytes()).unwrap().verifying_key(),
        "",
    ));
    assert_eq!(agentpin::crypto::generate_key_id(&pem.unwrap()).unwrap(), key.kid());
    assert_eq!(key_id(&key.public()), key.kid());
    assert!(!format!("{key:?}").contains(&format!("{:?}", key.to_bytes())));
}

#[test]
fn the_document_lists_keys_gateways_and_agents_but_no_tombstones() {
    let mut state = placed();
    state.nodes.get_mut(&node_id(3)).unwrap().membership = Membership::Removed;
    state.agents.get_mut(&"b".parse::<AgentName>().unwrap()).unwrap().placement.as_mut().unwrap().hold = Hold::Lost;
    let document = discovery_document(&state);
    let column = |table: &str, field: &str| -> Vec<String> {
        let rows = document[table].as_array().unwrap().iter();
        rows.map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(column("public_keys", "kid"), [key(1).kid(), key(2).kid()]);
    assert_eq!(column("agents", "name"), ["gateway-n1", "gateway-n2", "a", "b"]);
    assert_eq!(column("agents", "status"), ["active", "active", "active", "suspended"]);
    assert_eq!(document["updated_at"], "2027-01-15T08:00:00Z");
    assert_eq!(discovery_document(&State::default()), Value::Null);
}
