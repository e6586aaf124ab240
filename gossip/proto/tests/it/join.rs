//! The join's proofs.

use crate::fixture::{cluster, node, profile, request, token, uuid};
use symbi_model::{ClusterId, NodeId};
use symbi_proto::join::{Joiner, Member, Pending, Proved, SKEW_MS, VERSIONS, skew_ms, welcome};
use symbi_proto::token::JoinToken;
use symbi_proto::wire::join::{Enrol, Hello, HelloReply};
use symbi_proto::{Error, Versions};

const JOINER: u8 = 1;
const MEMBER: u8 = 2;

fn member() -> Member {
    Member { node: node(MEMBER), cluster: cluster(), cluster_name: "symbi".to_owned() }
}

fn start(token: JoinToken) -> (Joiner, Hello) {
    Joiner::start(token, node(JOINER), "n2".to_owned(), [3; 32], 1_000)
}

fn answer(hello: Hello) -> (Pending, HelloReply) {
    welcome(&member(), node(JOINER), hello, token().verifier(), [4; 32], 1_001).expect("a good hello")
}

fn proved() -> (Proved, Pending) {
    let (joiner, hello) = start(token());
    let (pending, reply) = answer(hello);
    (joiner.check(node(MEMBER), reply).expect("a good reply"), pending)
}

fn checked(change: impl FnOnce(&mut HelloReply)) -> Result<Proved, Error> {
    let (joiner, hello) = start(token());
    let (_, mut reply) = answer(hello);
    change(&mut reply);
    joiner.check(node(MEMBER), reply)
}

fn admitted(change: impl FnOnce(&mut Enrol)) -> Result<(), Error> {
    let (proved, pending) = proved();
    let mut enrol = proved.enrol(profile(), request());
    change(&mut enrol);
    pending.admit(&enrol)
}

#[test]
fn both_sides_prove_it() {
    let (proved, pending) = proved();
    assert_eq!((proved.reply().cluster, proved.reply().wall_ms), (cluster(), 1_001));
    assert_eq!((pending.hello().token, pending.hello().name.as_str()), (token().id, "n2"));
    let enrol = proved.enrol(profile(), request());
    assert_eq!(pending.admit(&enrol), Ok(()));
    assert_eq!(pending.admit(&enrol), Ok(()), "a repetition is the same");
}

#[test]
fn a_member_that_does_not_know_the_secret_is_found_out() {
    let (joiner, hello) = start(token());
    let (_, reply) = welcome(&member(), node(JOINER), hello, [0; 32], [4; 32], 1_001).expect("it answers all the same");
    assert_eq!(joiner.check(node(MEMBER), reply).err(), Some(Error::ProofWrong));
}

#[test]
fn a_joiner_that_does_not_know_the_secret_is_found_out() {
    assert_eq!(admitted(|enrol| enrol.mac[0] ^= 1), Err(Error::ProofWrong));
    // The member's own proof, sent back to it.
    let (joiner, hello) = start(token());
    let (pending, reply) = answer(hello);
    let mac = reply.mac;
    let enrol = joiner.check(node(MEMBER), reply).expect("a good reply").enrol(profile(), request());
    assert_eq!(pending.admit(&Enrol { mac, ..enrol }), Err(Error::ProofWrong));
}

#[test]
fn a_proof_is_worth_nothing_between_other_nodes() {
    let (joiner, hello) = start(token());
    let (_, reply) = answer(hello.clone());
    assert_eq!(joiner.check(node(3), reply).err(), Some(Error::ProofWrong), "relayed by a third node");
    let (_, reply) = welcome(&member(), node(3), hello, token().verifier(), [4; 32], 1_001).expect("a good hello");
    let (joiner, _) = start(token());
    assert_eq!(joiner.check(node(MEMBER), reply).err(), Some(Error::ProofWrong), "made for a third node");
}

#[test]
fn nothing_in_the_reply_can_be_changed() {
    assert!(checked(|_| {}).is_ok());
    let wrong = Some(Error::ProofWrong);
    assert_eq!(checked(|reply| reply.mac[31] ^= 0x80).err(), wrong);
    assert_eq!(checked(|reply| reply.nonce[0] ^= 1).err(), wrong);
    assert_eq!(checked(|reply| reply.wall_ms += 1).err(), wrong);
    assert_eq!(checked(|reply| reply.cluster_name.push('x')).err(), wrong);
    // The prefix is the token's, the rest is not.
    assert_eq!(checked(|reply| reply.cluster = uuid::<ClusterId>(9)).err(), wrong);
}

#[test]
fn nothing_in_the_enrolment_can_be_changed() {
    let wrong = Err(Error::ProofWrong);
    assert_eq!(admitted(|enrol| enrol.profile.addr.set_port(1)), wrong);
    assert_eq!(admitted(|enrol| enrol.profile.credential_key[64] ^= 1), wrong);
    assert_eq!(admitted(|enrol| enrol.profile.allocatable.memory_mb += 1), wrong);
    assert_eq!(admitted(|enrol| enrol.profile.allocatable.cpu_millis += 1), wrong);
    assert_eq!(admitted(|enrol| enrol.profile.max_agents += 1), wrong);
    assert_eq!(admitted(|enrol| assert!(enrol.profile.labels.insert("gpu".to_owned()))), wrong);
    assert_eq!(admitted(|enrol| enrol.profile.tiers.clear()), wrong);
    assert_eq!(admitted(|enrol| enrol.request.sequence += 1), wrong);
    assert_eq!(admitted(|enrol| enrol.request.client = uuid(9)), wrong);
    assert_eq!(admitted(|enrol| enrol.name.push('x')), Err(Error::ForeignExchange));
    assert_eq!(admitted(|enrol| enrol.nonce[0] ^= 1), Err(Error::ForeignExchange));
}

#[test]
fn ranges_that_overlap_agree_and_a_range_that_was_changed_on_the_way_is_found_out() {
    let wider = Versions { min: 1, max: 9 };
    let (_, mut hello) = start(token());
    hello.versions = wider;
    // The reply is bound to the range that the member was told, and not to the one that the joiner told.
    let (_, reply) = answer(hello);
    let (joiner, _) = start(token());
    assert_eq!(joiner.check(node(MEMBER), reply).err(), Some(Error::ProofWrong));
    assert_eq!(checked(|reply| reply.versions = Versions { min: 1, max: 9 }).err(), Some(Error::ProofWrong));
}

#[test]
fn another_cluster_and_another_version_have_their_own_names() {
    let theirs = Versions { min: 7, max: 9 };
    let version = Error::Version { theirs, ours: VERSIONS };
    assert_eq!(checked(|reply| reply.versions = Versions { min: 7, max: 9 }).err(), Some(version.clone()));
    let told = version.to_string();
    assert!(told.contains("versions 7 to 9") && told.contains(&VERSIONS.to_string()), "{told}");
    let foreign: ClusterId = "ffffffff-8f00-7000-8000-000000000001".parse().expect("a UUID");
    assert_eq!(checked(|reply| reply.cluster = foreign).err(), Some(Error::ForeignCluster));
    let greet = |change: fn(&mut Hello)| {
        let (_, mut hello) = start(token());
        change(&mut hello);
        let joiner: NodeId = node(JOINER);
        welcome(&member(), joiner, hello, token().verifier(), [4; 32], 0).err()
    };
    assert_eq!(greet(|hello| hello.versions = Versions { min: 7, max: 9 }), Some(version));
    assert_eq!(greet(|hello| hello.cluster_prefix[0] ^= 1), Some(Error::ForeignCluster));
}

#[test]
fn clocks_differ_by_what_is_certain() {
    assert_eq!(skew_ms(1_000, 1_100, 1_050), 0);
    assert_eq!(skew_ms(1_000, 1_100, 1_700), 600);
    assert_eq!(skew_ms(1_000, 1_100, 400), -600);
    assert_eq!(skew_ms(0, 0, u64::MAX), i64::MAX);
    assert!(skew_ms(u64::MAX, u64::MAX, 0).unsigned_abs() > SKEW_MS);
}
