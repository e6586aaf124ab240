//! What is made of sightings: how far a message has come, and what is proved of it.

use super::{by_message, message};
use symbi_model::ledger::{Fate, Kind};
use symbi_model::{DecisionId, Epoch, MessageId, NodeId, State};
use symbi_proto::wire::ledger::{Anchored, Sighting};
use uuid::Uuid;

const NOW_MS: u64 = 10_000;

fn seen(node: u8, what: &str, kind: Option<Kind>, fate: Option<Fate>) -> Sighting {
    let decision = DecisionId { node: [node; 4], id: Uuid::from_u128(u128::from(node)) };
    Sighting {
        message: MessageId(Uuid::from_u128(1)),
        node: NodeId([node; 32]),
        line: 7,
        time_ms: 5_000 + u64::from(node),
        what: what.to_owned(),
        kind,
        sender: "a".to_owned(),
        sender_epoch: Epoch(1),
        receiver: "b".to_owned(),
        receiver_epoch: Epoch(2),
        user: String::new(),
        on_behalf: None,
        session: Some([5; 16]),
        batch: Some(0),
        sequence: Some(3),
        bytes: 9,
        deadline_ms: 20_000,
        sent_by: (what == "sent").then_some(decision),
        received_by: (what == "received").then_some(decision),
        fate,
        anchor: None,
    }
}

fn anchored(sighting: Sighting) -> Sighting {
    Sighting { anchor: Some(Anchored { entries: 9, index: 40, position: 2 }), ..sighting }
}

fn found(seen: &[Sighting], now_ms: u64) -> (String, String) {
    let message = message(&State::default(), seen, Vec::new(), now_ms);
    (message.status, message.state)
}

#[test]
fn a_status_is_what_the_furthest_line_says() {
    let (ask, tell) = (Some(Kind::Ask), Some(Kind::Tell));
    let sent = || seen(1, "sent", ask, Some(Fate::Sent));
    let received = |fate| seen(2, "received", ask, Some(fate));
    let ended = |fate| seen(1, "ended", None, Some(fate));
    let status = |seen: &[Sighting]| found(seen, NOW_MS).0;
    assert_eq!(status(&[sent()]), "pending");
    assert_eq!(found(&[sent()], 20_001).0, "expired");
    assert_eq!(status(&[sent(), received(Fate::Taken)]), "delivered");
    assert_eq!(found(&[sent(), received(Fate::Taken)], 20_001).0, "delivered");
    assert_eq!(status(&[sent(), ended(Fate::Taken)]), "delivered");
    assert_eq!(status(&[sent(), ended(Fate::Unknown)]), "pending");
    assert_eq!(status(&[sent(), received(Fate::Denied)]), "failed");
    assert_eq!(status(&[sent(), ended(Fate::Refused)]), "failed");
    assert_eq!(status(&[sent(), received(Fate::Taken), ended(Fate::Expired)]), "expired");
    let answer = seen(2, "sent", Some(Kind::Answer), Some(Fate::Sent));
    assert_eq!(status(&[sent(), received(Fate::Taken), answer]), "processed");
    assert_eq!(status(&[seen(1, "denied", None, None)]), "failed");
    assert_eq!(status(&[seen(1, "local", tell, Some(Fate::Taken))]), "delivered");
}

#[test]
fn a_state_says_what_is_proved_and_no_more() {
    let (sent, received) =
        (seen(1, "sent", Some(Kind::Tell), Some(Fate::Sent)), seen(2, "received", Some(Kind::Tell), Some(Fate::Taken)));
    let state = |seen: &[Sighting]| found(seen, NOW_MS).1;
    assert_eq!(state(std::slice::from_ref(&sent)), "recorded");
    assert_eq!(state(&[anchored(sent.clone())]), "recorded");
    let unsigned = Sighting { batch: None, ..received.clone() };
    assert_eq!(state(&[sent.clone(), anchored(unsigned)]), "authenticated");
    assert_eq!(state(&[sent.clone(), received.clone()]), "attested");
    assert_eq!(state(&[anchored(sent.clone()), received.clone()]), "attested");
    assert_eq!(state(&[anchored(sent), anchored(received)]), "anchored");
    let local = seen(1, "local", Some(Kind::Tell), Some(Fate::Taken));
    assert_eq!(state(std::slice::from_ref(&local)), "recorded");
    assert_eq!(state(&[anchored(local)]), "anchored");
}

#[test]
fn both_sides_are_put_together() {
    let sent = anchored(seen(1, "sent", Some(Kind::Ask), Some(Fate::Sent)));
    let received = seen(2, "received", Some(Kind::Ask), Some(Fate::Taken));
    let answer = seen(2, "sent", Some(Kind::Answer), Some(Fate::Sent));
    let found = message(&State::default(), &[received, answer, sent], vec!["n3".to_owned()], NOW_MS);
    assert_eq!((found.kind.as_str(), found.sender.as_str(), found.receiver.as_str()), ("ask", "a", "b"));
    assert_eq!((found.sender_node.as_str(), found.receiver_node.as_str()), ("01010101", "02020202"));
    assert_eq!((found.sender_epoch, found.receiver_epoch, found.batch, found.sequence), (1, 2, Some(0), Some(3)));
    assert!(found.sent_by.starts_with("01010101-") && found.received_by.starts_with("02020202-"), "{found:?}");
    let lines: Vec<_> = found.lines.iter().map(|line| (line.what.as_str(), line.record.as_str())).collect();
    assert_eq!(lines, [("sent", "40.2"), ("received", ""), ("answer sent", "")]);
    assert_eq!(found.unreachable, ["n3"]);
}

#[test]
fn sightings_are_told_apart_by_message() {
    let one = seen(1, "sent", None, None);
    let other = Sighting { message: MessageId(Uuid::from_u128(2)), ..one.clone() };
    let messages = by_message(vec![one.clone(), other, one]);
    assert_eq!(messages.values().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}
