//! Peers of another version: what they lack and what they say that is not known here costs nobody a connection.

use std::collections::BTreeMap;

use symbi_net::{CallError, Lane, Member, Options, Roster};

use crate::raw::{say_and_read, takes_only};
use crate::support::{CONTROL, LONG, Node, eventually, id_of, introduce, loopback, roster};

use bytes::Bytes;

/// A frame of a kind, with an empty body: the group and the request's number.
fn frame(kind: u8, group: u8, id: u8) -> Vec<u8> {
    [&[0, 0, 0, 17, kind][..], &[0; 7], &[group], &[0; 7], &[id]].concat()
}

#[tokio::test]
async fn frames_of_an_unknown_kind_are_answered_and_counted_and_the_lane_goes_on() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.echo();
    b.echo();
    introduce(&[&a, &b]).await;
    let mut members = roster(&[&a, &b], 2);
    members.members.insert(id_of(9), Member { addr: ([127, 0, 0, 1], 1).into() });
    a.handle.set_roster(members);
    let (request, response, unsupported) = (0, 1, 3);
    // Kinds of a later version, a group that nobody serves, answers to nothing; and then what every version knows.
    let said =
        [frame(77, 0, 1), frame(0xff, 0, 2), frame(request, 5, 3), frame(response, 0, 4), frame(unsupported, 0, 5)];
    let said = [&said.concat()[..], &frame(request, 0, 6)].concat();
    let heard = say_and_read(9, a.addr(), "/symbi/control/1", said, 4).await.expect("the connection stays");
    let answer = [&[0, 0, 0, 25, response][..], &[0; 15], &[6], b"Control "].concat();
    let frames = [frame(unsupported, 0, 1), frame(unsupported, 0, 2), frame(unsupported, 5, 3), answer];
    // They are served at once, so their order is their own.
    let count = |bytes: &[u8]| heard.windows(bytes.len()).filter(|window| *window == bytes).count();
    assert_eq!(heard.len(), frames.concat().len(), "{heard:?}");
    assert!(frames.iter().all(|frame| count(frame) == 1), "{heard:?}");
    assert_eq!((a.handle.counters().frames_unsupported, a.handle.counters().bad_frames), (5, 0));
    assert_eq!(a.call(&b, Lane::Control, b"hello").await, "Control hello");
}

#[tokio::test]
async fn a_peer_that_lacks_a_lane_is_told_apart_from_one_that_is_broken() {
    let a = Node::with(1, Options { dead_after: LONG, ..Options::new(loopback()) }).await;
    let old = id_of(9);
    let members = BTreeMap::from([(old, Member { addr: ([127, 0, 0, 1], 1).into() })]);
    a.handle.set_roster(Roster { members, ..roster(&[&a], 1) });
    let away = a.handle.call(old, (Lane::Vote, CONTROL), Bytes::new(), LONG).await;
    assert!(matches!(away, Err(CallError::Unreachable(_))), "{away:?}");
    // It takes the keepalive, so it takes us for a member, and knows no other protocol of ours.
    takes_only(9, a.addr(), "/symbi/keepalive/1");
    a.connected(old).await;
    for lane in [Lane::Append, Lane::Vote, Lane::Control] {
        let lacking = a.handle.call(old, (lane, CONTROL), Bytes::new(), LONG).await;
        assert_eq!(lacking, Err(CallError::Unsupported));
        assert!(lacking.unwrap_err().is_unsent());
    }
    eventually(|| a.handle.connections().borrow().contains_key(&old)).await;
}
