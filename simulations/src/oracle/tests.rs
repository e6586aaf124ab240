//! Every oracle objects to what it is for, and to nothing else.

use crate::history::{Ban, Given, How, Key, Kind, Sent};
use crate::oracle::RUNS_OUT_AFTER;
use crate::trace::{Event, Recorder};
use std::time::Duration;
use symbi_host::{Effect, Event as Told};
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Hash};
use symbi_raft::Role;

/// What is objected to in a history whose events happen in one moment.
fn objections(history: &[(&str, Event)]) -> Vec<String> {
    let recorder = Recorder::default();
    for (host, event) in history {
        recorder.tell_at(Duration::from_secs(1), host, event.clone());
    }
    recorder.violations()
}

/// The same, a millisecond between any two events.
fn objections_in_time(history: &[(&str, Event)]) -> Vec<String> {
    let recorder = Recorder::default();
    for (at, (host, event)) in (0..).zip(history) {
        recorder.tell_at(Duration::from_millis(at), host, event.clone());
    }
    recorder.violations()
}

fn leads(term: u64) -> Event {
    Event::Role { term, role: Role::Leader, leader: None }
}

fn applied(index: u64, state: u8) -> Event {
    Event::Applied { index, state: Hash([state; 32]) }
}

fn agent() -> AgentName {
    "echo".parse().expect("a name")
}

fn passed(epoch: u64) -> Event {
    Event::Effect(Told::EffectPassed { agent: agent(), epoch: Epoch(epoch), kind: Effect::Ask })
}

fn accepted(epoch: u64) -> Event {
    Event::Effect(Told::SinkAccepted { agent: agent(), epoch: Epoch(epoch) })
}

#[test]
fn two_leaders_in_a_term() {
    assert!(objections(&[("n1", leads(1)), ("n2", leads(2)), ("n1", leads(3)), ("n1", leads(3))]).is_empty());
    assert_eq!(objections(&[("n1", leads(1)), ("n2", leads(1))]).len(), 1);
}

#[test]
fn two_states_at_an_index() {
    assert!(objections(&[("n1", applied(1, 1)), ("n2", applied(1, 1)), ("n1", applied(2, 2))]).is_empty());
    assert_eq!(objections(&[("n1", applied(1, 1)), ("n2", applied(1, 2))]).len(), 1);
    let shown = Event::Published { index: 1, state: Hash([2; 32]) };
    assert_eq!(objections(&[("n1", applied(1, 1)), ("n2", shown)]).len(), 1, "of a start or a snapshot");
    let empty = Event::Published { index: 0, state: Hash([2; 32]) };
    assert!(objections(&[("n1", applied(0, 1)), ("n2", empty)]).is_empty(), "a replica without entries");
}

#[test]
fn an_effect_that_passes_late() {
    assert!(objections(&[("n1", passed(1)), ("n1", passed(1)), ("n2", passed(2))]).is_empty());
    assert_eq!(objections(&[("n1", passed(1)), ("n2", passed(2)), ("n1", passed(1))]).len(), 1);
}

#[test]
fn a_frozen_hosts_gate_cannot_know() {
    let freeze = ("world", fault("freeze n1"));
    assert!(objections(&[freeze.clone(), ("n2", passed(2)), ("n1", passed(1))]).is_empty());
    assert_eq!(objections(&[freeze, ("n2", passed(2)), ("n3", passed(1))]).len(), 1);
}

#[test]
fn a_host_is_judged_again_when_what_it_was_granted_before_its_freeze_has_run_out() {
    let late = |after_thaw: Duration, between: &[&str]| {
        let recorder = Recorder::default();
        let second = Duration::from_secs(1);
        recorder.tell_at(second, "world", fault("freeze n1"));
        recorder.tell_at(second, "n2", passed(2));
        recorder.tell_at(second, "world", fault("thaw n1"));
        between.iter().for_each(|what| recorder.tell_at(second, "world", fault(what)));
        recorder.tell_at(second + after_thaw, "n1", passed(1));
        recorder.violations().len()
    };
    let moment = Duration::from_millis(1);
    assert_eq!(late(RUNS_OUT_AFTER - moment, &[]), 0);
    assert_eq!(late(RUNS_OUT_AFTER, &[]), 1);
    assert_eq!(late(moment, &["crash n1"]), 1, "another start has no grant from before");
    assert_eq!(late(RUNS_OUT_AFTER * 2, &["freeze n1"]), 0, "frozen again");
}

#[test]
fn a_replica_that_falls_back() {
    let opened = |saved| Event::Opened { saved };
    let shows = |index| Event::Published { index, state: Hash([0; 32]) };
    let at = |index| Event::Applied { index, state: Hash([0; 32]) };
    let history = |events: &[Event]| {
        let found = objections(&here(events));
        assert!(found.iter().all(|found| found.contains("progress:")), "{found:?}");
        found.len()
    };
    let start = || opened(Some(5));
    assert_eq!(history(&[opened(None), shows(0), at(0), at(1), at(2), shows(2), shows(2), at(4)]), 0);
    assert_eq!(history(&[opened(None), at(0), at(0)]), 1, "twice");
    assert_eq!(history(&[start(), shows(5), at(6), at(7), shows(7), opened(Some(5)), at(6)]), 0, "not synced");
    assert_eq!(history(&[start(), shows(90), at(91)]), 0, "a snapshot");
    assert_eq!(history(&[start(), at(7), at(6)]), 1);
    assert_eq!(history(&[start(), at(7), at(7)]), 1, "twice");
    assert_eq!(history(&[start(), at(5)]), 1, "it has that on its disk");
    assert_eq!(history(&[start(), shows(4)]), 1, "it begins with less than its disk has");
    assert_eq!(history(&[start(), shows(90), at(90)]), 1, "it is in the snapshot");
    assert_eq!(history(&[start(), shows(9), shows(8)]), 1);
    assert_eq!(history(&[start(), opened(Some(4))]), 1, "the disk has lost what it had");
    assert_eq!(history(&[start(), opened(None)]), 1, "the disk has lost what it had");
    assert!(objections(&[("n1", at(7)), ("n2", at(6))]).is_empty(), "another host");
}

#[test]
fn an_effect_that_is_accepted_late() {
    // Another sink may not have heard of the later instance.
    assert!(objections(&[("n2", accepted(2)), ("n1", accepted(1)), ("n1", accepted(2))]).is_empty());
    assert_eq!(objections(&[("n2", accepted(2)), ("n2", accepted(1))]).len(), 1);
}

#[test]
fn whatever_a_client_calls_wrong() {
    assert_eq!(objections(&[("n2", Event::Wrong("an answer to nothing".to_owned()))]).len(), 1);
}

fn key(number: u64) -> Key {
    Key { stream: "n1.1.tells".to_owned(), number }
}

fn sent(number: u64) -> Event {
    let (from, to) = ("user:admin".to_owned(), "echo".to_owned());
    Event::Sent(Sent { key: key(number), kind: Kind::Tell, from, to, forbidden: false, here: false, within: None })
}

fn given(number: u64, incarnation: u64) -> Event {
    let (from, agent) = ("user:admin".to_owned(), "echo".to_owned());
    Event::Given(Given { key: key(number), kind: Kind::Tell, from, agent, life: (1, incarnation) })
}

fn ended(number: u64, how: How) -> Event {
    Event::Ended { key: key(number), kind: Kind::Ask, how }
}

fn answers(number: u64, digest: &str) -> Event {
    Event::Answers { key: key(number), digest: digest.to_owned() }
}

/// A history of one host.
fn here(events: &[Event]) -> Vec<(&'static str, Event)> {
    events.iter().map(|event| ("n1", event.clone())).collect()
}

#[test]
fn a_message_that_nobody_sent_or_to_somebody_else() {
    assert!(objections(&here(&[sent(1), given(1, 1)])).is_empty());
    assert_eq!(objections(&here(&[given(1, 1)])).len(), 1, "nobody has sent it");
    assert_eq!(objections(&here(&[sent(1), sent(1)])).len(), 1, "sent twice");
    let Event::Given(told) = given(1, 1) else { unreachable!() };
    let changes: [fn(&mut Given); 3] = [
        |given| given.agent = "other".to_owned(),
        |given| given.from = "echo".to_owned(),
        |given| given.kind = Kind::Ask,
    ];
    for change in changes {
        let mut given = told.clone();
        change(&mut given);
        assert_eq!(objections(&here(&[sent(1), Event::Given(given.clone())])).len(), 1, "{given:?}");
    }
}

#[test]
fn a_message_that_is_given_twice() {
    let found = objections(&here(&[sent(1), given(1, 1), given(1, 2)]));
    assert!(found.len() == 1 && found[0].contains("once:"), "{found:?}");
}

#[test]
fn tells_out_of_order() {
    let sent = [sent(1), sent(2), sent(3)];
    let history = |given: &[Event]| objections(&here(&[&sent, given].concat()));
    assert!(history(&[given(1, 1), given(3, 1)]).is_empty(), "one may be lost");
    assert!(history(&[given(3, 1), given(2, 2)]).is_empty(), "another start of the receiver");
    let found = history(&[given(2, 1), given(1, 1)]);
    assert!(found.len() == 1 && found[0].contains("order:"), "{found:?}");
}

#[test]
fn endings_that_are_not_true() {
    let history = |events: &[Event]| objections(&here(&[&[sent(1)], events].concat()));
    let never = [How::Denied { no_leader: false }, How::NotDelivered, How::TooLate { delivered: false }];
    for how in never {
        assert!(history(&[ended(1, how.clone())]).is_empty());
        assert_eq!(history(&[ended(1, how.clone()), given(1, 1)]).len(), 1, "{how} and then given");
        assert_eq!(history(&[given(1, 1), ended(1, how.clone())]).len(), 1, "given and then {how}");
    }
    for how in [How::Unknown, How::Delivered] {
        assert!(history(&[given(1, 1), ended(1, how.clone())]).is_empty());
        assert!(history(&[ended(1, how), given(1, 1)]).is_empty());
    }
    let answered = || ended(1, How::Answered("a".to_owned()));
    assert!(history(&[given(1, 1), answers(1, "a"), answered()]).is_empty());
    assert_eq!(history(&[given(1, 1), answers(1, "b"), answered()]).len(), 1, "another answer");
    assert_eq!(history(&[given(1, 1), answered()]).len(), 1, "nobody's answer");
    assert_eq!(history(&[ended(1, How::Unknown), ended(1, How::NotDelivered)]).len(), 1, "two endings");
}

#[test]
fn what_is_called_delivered_and_is_not() {
    let late = || ended(1, How::TooLate { delivered: true });
    let history = |events: &[Event]| {
        let found = objections_in_time(&here(events));
        assert!(found.iter().all(|found| found.contains("endings:")), "{found:?}");
        found.len()
    };
    assert_eq!(history(&[sent(1), given(1, 1), late(), sent(2)]), 0);
    assert_eq!(history(&[sent(1), late(), sent(2)]), 1, "it never was");
    assert_eq!(history(&[sent(1), late(), given(1, 1)]), 1, "it was, but later");
    assert!(objections(&here(&[sent(1), late(), given(1, 1)])).is_empty(), "in the same moment");
}

#[test]
fn a_time_that_is_up_too_early() {
    let Event::Sent(told) = sent(1) else { unreachable!() };
    let within = |ms| Event::Sent(Sent { within: Some(Duration::from_millis(ms)), ..told.clone() });
    for delivered in [false, true] {
        let given = if delivered { given(1, 1) } else { sent(2) };
        let history =
            |ms| objections_in_time(&here(&[within(ms), given.clone(), ended(1, How::TooLate { delivered })]));
        assert!(history(2).is_empty());
        assert_eq!(history(3).len(), 1, "a millisecond is left");
    }
}

fn ban(to: &str) -> Event {
    Event::Policies { number: 2, ban: Some(Ban { to: to.to_owned(), at_receiver: true }) }
}

fn fault(text: &str) -> Event {
    Event::Fault(text.to_owned())
}

fn denied(no_leader: bool) -> Event {
    ended(1, How::Denied { no_leader })
}

/// How many denials are objected to in a history of several hosts, and nothing else is.
fn baseless(history: &[(&str, Event)]) -> usize {
    let found = objections_in_time(&[history, &[("n1", sent(9))]].concat());
    assert!(found.iter().all(|found| found.contains("denials:")), "{found:?}");
    found.len()
}

#[test]
fn denials_without_a_reason() {
    let lifted = || Event::Policies { number: 3, ban: None };
    let history = |events: &[Event]| baseless(&here(events));
    assert_eq!(history(&[sent(1), denied(false)]), 1, "nothing forbids it");
    assert_eq!(history(&[sent(1), denied(true)]), 0, "its node knew of no leader");
    assert_eq!(history(&[ban("echo"), sent(1), denied(false)]), 0);
    assert_eq!(history(&[sent(1), ban("echo"), denied(false)]), 0, "forbidden on its way");
    assert_eq!(history(&[ban("echo"), sent(1), lifted(), denied(false)]), 0, "permitted again on its way back");
    assert_eq!(history(&[ban("echo"), lifted(), sent(1), denied(false)]), 1, "permitted again before");
    assert_eq!(history(&[ban("other"), sent(1), denied(false)]), 1, "another receiver is forbidden");
    assert_eq!(history(&[sent(1), denied(false), ban("echo")]), 1, "forbidden later");
    assert!(objections(&here(&[sent(1), denied(false), ban("echo")])).is_empty(), "forbidden in the same moment");
}

#[test]
fn denials_by_policies_of_a_node_that_is_no_more() {
    let sent = ("n1", sent(1));
    let (by_n1, by_n2) = (("n1", ban("echo")), ("n2", ban("echo")));
    let crashed = ("world", fault("crash n2"));
    let removed = ("world", fault("removed n2"));
    let told = |before: &[&(&'static str, Event)]| {
        let denied = ("n1", denied(false));
        baseless(&before.iter().copied().chain([&denied]).cloned().collect::<Vec<_>>())
    };
    assert_eq!(told(&[&by_n2, &sent]), 0, "another node's");
    for gone in [&crashed, &removed] {
        assert_eq!(told(&[&by_n2, gone, &sent]), 1, "gone before it was sent");
        assert_eq!(told(&[&by_n2, &sent, gone]), 0, "gone since");
        assert_eq!(told(&[&by_n1, &by_n2, gone, &sent]), 0, "the sender's own node forbids it, too");
    }
    assert_eq!(told(&[&by_n2, &crashed, &by_n2, &sent]), 0, "started again with the same policies");
    assert_eq!(told(&[&by_n2, &crashed, &sent, &by_n2]), 0, "started again on its way");
    assert_eq!(told(&[&removed, &by_n2, &sent]), 1, "started again, and nothing comes to it");
    assert_eq!(told(&[&removed, &sent, &by_n2]), 1, "started again on its way, and nothing comes to it");
    let own = ("world", fault("removed n1"));
    assert_eq!(told(&[&own, &by_n1, &sent]), 0, "its own messages");
}

#[test]
fn outcomes_that_are_called_unknown_though_somebody_knew() {
    let unknown = || ended(1, How::Unknown);
    let held = || fault("hold n2");
    let Event::Sent(told) = sent(1) else { unreachable!() };
    let forbidden = || Event::Sent(Sent { forbidden: true, ..told.clone() });
    let near = || Event::Sent(Sent { here: true, ..told.clone() });
    let history = |events: &[Event]| {
        let found = objections(&here(events));
        assert!(found.iter().all(|found| found.contains("unknown:")), "{found:?}");
        found.len()
    };
    assert_eq!(history(&[sent(1), unknown()]), 0, "it may have been lost on its way");
    assert_eq!(history(&[sent(1), given(1, 1), unknown()]), 0, "its answer may have been lost");
    assert_eq!(history(&[forbidden(), unknown()]), 1, "it never left");
    assert_eq!(history(&[near(), unknown()]), 1, "nothing was between the two");
    assert_eq!(history(&[near(), given(1, 1), unknown()]), 0, "its receiver has ended since");
    assert_eq!(history(&[Event::Calm, sent(1), unknown()]), 1, "nothing was wrong");
    assert_eq!(history(&[Event::Calm, sent(1), given(1, 1), unknown()]), 1, "nothing was wrong");
    assert_eq!(history(&[Event::Calm, sent(1), ended(1, How::NotDelivered)]), 0, "somebody knew");
    assert_eq!(history(&[Event::Calm, held(), sent(1), unknown()]), 0, "something was");
    assert_eq!(history(&[Event::Calm, sent(1), held(), unknown()]), 0, "something was since");
    assert_eq!(history(&[held(), sent(1), Event::Calm, unknown()]), 0, "something was when it was sent");
}

#[test]
fn a_sender_that_is_told_nothing() {
    let history = |events: &[Event]| objections(&here(events));
    assert!(history(&[sent(1), ended(1, How::Unknown), fault("end")]).is_empty());
    let found = history(&[sent(1), sent(2), ended(1, How::Unknown), fault("end")]);
    assert!(found.len() == 1 && found[0].contains("untold:"), "{found:?}");
    assert!(history(&[sent(1), fault("crash n1"), fault("end")]).is_empty(), "it has crashed");
    assert_eq!(history(&[sent(1), fault("crash n2"), fault("end")]).len(), 1, "another one has");
    assert_eq!(history(&[fault("crash n1"), sent(1), fault("end")]).len(), 1, "it had crashed before");
    let agents = objections(&[("n2", sent(1)), ("n2", fault("end"))]);
    assert!(agents.is_empty(), "an agent may have ended: {agents:?}");
}

#[test]
fn whatever_of_a_removed_node_is_accepted() {
    let removed = ("world", fault("removed n1"));
    let acked = || Event::Acked { write: "w".to_owned(), index: 9 };
    for event in [leads(3), acked(), passed(1)] {
        assert!(objections(&[("n1", event.clone()), removed.clone()]).is_empty(), "{event} before");
        assert!(objections(&[removed.clone(), ("n2", event.clone())]).is_empty(), "{event} of another");
        let found = objections(&[removed.clone(), ("n1", event)]);
        assert!(found.len() == 1 && found[0].contains("removed:"), "{found:?}");
    }
    assert!(objections(&[("n1", sent(1)), removed.clone(), ("n2", given(1, 1))]).is_empty(), "sent before");
    assert_eq!(objections(&[removed.clone(), ("n1", sent(1)), ("n2", given(1, 1))]).len(), 1, "sent after");
    assert_eq!(objections(&[removed, ("n2", sent(1)), ("n1", given(1, 1))]).len(), 1, "given to an agent of it");
}

#[test]
fn what_the_policies_forbid() {
    let policies = |ban| Event::Policies { number: 2, ban };
    let ban = |at_receiver| Some(Ban { to: "echo".to_owned(), at_receiver });
    let Event::Sent(told) = sent(1) else { unreachable!() };
    let forbidden = Event::Sent(Sent { forbidden: true, ..told });
    assert_eq!(objections(&here(&[forbidden, given(1, 1)])).len(), 1, "the sender's node knew");
    assert_eq!(objections(&here(&[policies(ban(true)), sent(1), given(1, 1)])).len(), 1, "the receiver's node knew");
    assert!(objections(&here(&[sent(1), policies(ban(true)), given(1, 1)])).is_empty(), "it was under way");
    assert!(objections(&here(&[policies(ban(true)), sent(1), policies(None), given(1, 1)])).is_empty(), "lifted");
    assert!(objections(&here(&[policies(ban(false)), sent(1), given(1, 1)])).is_empty(), "judged where it was sent");
    let elsewhere = [("n2", policies(ban(true))), ("n1", sent(1)), ("n1", given(1, 1))];
    assert!(objections(&elsewhere).is_empty(), "another node's policies");
}

#[test]
fn a_nonce_that_comes_twice() {
    let sealed = |key, nonce| Event::Sealed { key: [key; 8], nonce };
    assert!(objections(&here(&[sealed(1, 0), sealed(1, 1), sealed(2, 0)])).is_empty());
    assert_eq!(objections(&here(&[sealed(1, 0), sealed(2, 0), sealed(1, 0)])).len(), 1);
}

#[test]
fn a_ledger_that_has_less_than_is_anchored() {
    let lost = Event::Effect(Told::LedgerLost { anchored: 9, kept: 8 });
    assert_eq!(objections(&here(&[lost])).len(), 1);
}

#[test]
fn a_ledger_that_is_taken_for_anchored_and_is_not() {
    let taken = |entries| Event::Effect(Told::LedgerAnchored { entries });
    let audited = |anchors: &[u64]| Event::Audited { anchors: anchors.iter().copied().collect(), unanchored: None };
    assert!(objections(&here(&[taken(4), taken(9), audited(&[4, 7, 9])])).is_empty());
    assert!(objections(&[("n1", taken(4)), ("n2", audited(&[5]))]).is_empty(), "another node's ledger");
    assert_eq!(objections(&here(&[taken(4), taken(9), audited(&[4, 10])])).len(), 1);
}

#[test]
fn a_ledger_on_which_nobody_agrees() {
    let audited = |unanchored| Event::Audited { anchors: [4].into(), unanchored };
    assert!(objections(&here(&[audited(None)])).is_empty());
    assert_eq!(objections(&here(&[audited(Some(9))])).len(), 1);
}

#[test]
fn what_clients_saw_in_no_order() {
    let call = |client: &str, writes: Option<&str>| Event::Called {
        client: client.to_owned(),
        key: "k".to_owned(),
        writes: writes.map(str::to_owned),
    };
    let write = |client: &str, value| [call(client, Some(value)), Event::Wrote { client: client.to_owned() }];
    let read = |client: &str, value: Option<&str>| {
        [call(client, None), Event::Saw { client: client.to_owned(), value: value.map(str::to_owned) }]
    };
    let judged = |events: &[Event]| objections(&here(&[events, &[fault("end")]].concat()));
    let written = [write("a", "1"), write("a", "2")].concat();
    assert!(judged(&[written.clone(), read("b", Some("2")).to_vec()].concat()).is_empty());
    for stale in [Some("1"), None, Some("3")] {
        let found = judged(&[written.clone(), read("b", stale).to_vec()].concat());
        assert!(found.len() == 1 && found[0].contains("linearizable: key k"), "{stale:?}: {found:?}");
    }
    // A crashed client's write, and one that was given up for another: either may come later, or never.
    let unknown =
        [vec![call("a", Some("1")), call("a", Some("2")), call("c", Some("3"))], read("b", None).to_vec()].concat();
    for late in ["1", "2", "3"] {
        assert!(judged(&[unknown.clone(), read("b", Some(late)).to_vec()].concat()).is_empty(), "{late}");
    }
    let back = [read("b", Some("1")), read("b", None)].concat();
    assert_eq!(judged(&[unknown, back].concat()).len(), 1);
    assert_eq!(objections(&here(&[Event::Wrote { client: "a".to_owned() }])).len(), 1, "it had called nothing");
    let found =
        objections(&here(&[written, read("b", None).to_vec(), vec![Event::Wrong("a panic".to_owned())]].concat()));
    assert_eq!(found.len(), 2, "something else does not hold: it is judged at once");
}

fn signed(size: u64, digest: u8) -> Event {
    Event::Signed { size, digest: Hash([digest; 32]), lacks: None }
}

fn witnessed(digest: u8, by: &[&str]) -> Event {
    Event::Witnessed { size: 5, digest: Hash([digest; 32]), by: by.iter().map(|host| (*host).to_owned()).collect() }
}

fn follow(named: Option<u8>) -> Event {
    let hosts = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
    let named = named.map(|named| Hash([named; 32]));
    Event::Follow { voters: hosts(&["n1", "n2"]), ruling: hosts(&["n1", "n2", "n3"]), named }
}

#[test]
fn a_second_history_that_is_signed_whatever_was_put_back() {
    let history = [("n1", signed(5, 1)), ("n2", signed(5, 1)), ("n1", signed(9, 2)), ("n1", signed(5, 1))];
    assert!(objections(&history).is_empty(), "the same once more is no other");
    assert_eq!(objections(&[("n1", signed(5, 1)), ("n1", signed(5, 2))]).len(), 1);
    assert_eq!(objections(&[("n1", signed(5, 1)), ("n2", signed(5, 2))]).len(), 1, "and of another node");
    assert_eq!(objections(&[("n1", signed(9, 1)), ("n1", signed(5, 2))]).len(), 1, "fewer than before");
    let put_back = [("n1", signed(5, 1)), ("n1", applied(1, 1)), ("n1", Event::PutBack), ("n1", applied(1, 2))];
    assert!(objections(&put_back).is_empty(), "what was applied is forgotten");
    assert_eq!(objections(&[&put_back[..], &[("n1", signed(5, 2))]].concat()).len(), 1, "what was signed is not");
}

#[test]
fn a_signature_over_what_its_node_lacks() {
    let blind = Event::Signed { size: 5, digest: Hash([1; 32]), lacks: Some((2, 3)) };
    assert_eq!(objections(&[("n1", blind.clone())]).len(), 1);
    assert_eq!(objections(&[("n1", blind), ("n2", witnessed(1, &["n1"]))]).len(), 1, "it is made all the same");
}

#[test]
fn a_signature_that_its_node_has_not_made() {
    let both = [("n1", signed(5, 1)), ("n2", signed(5, 1)), ("n3", witnessed(1, &["n1", "n2"]))];
    assert!(objections(&both).is_empty());
    assert_eq!(objections(&[("n1", signed(5, 1)), ("n1", witnessed(1, &["n1", "n2"]))]).len(), 1);
    assert_eq!(objections(&[&both[..], &[("n3", witnessed(2, &["n1"]))]].concat()).len(), 1, "of another history");
}

#[test]
fn voters_whom_nobody_let_in() {
    let two = [("n1", signed(5, 1)), ("n3", signed(5, 1))];
    assert!(objections(&[&two[..], &[("n2", follow(Some(1)))]].concat()).is_empty());
    assert_eq!(objections(&[&two[..1], &[("n2", follow(Some(1)))]].concat()).len(), 1, "one of three");
    assert_eq!(objections(&[&two[..], &[("n2", follow(None))]].concat()).len(), 1, "nobody is named");
}
