//! Strangers and bad input: what they may do, what they are refused, and that the node stays up.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::request_response::OutboundFailure;
use libp2p::swarm::SwarmEvent;
use symbi_net::{JoinCallError, Lane, Limits, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::raw::{say, swarm};
use crate::support::{LONG, Node, eventually, id_of, introduce, loopback, roster, within};

#[tokio::test]
async fn a_stranger_is_offered_the_join_protocol_and_nothing_else() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.echo();
    b.echo();
    introduce(&[&a, &b]).await;
    let protocols = [
        "/symbi/raft/append/1",
        "/symbi/raft/heartbeat/1",
        "/symbi/raft/snapshot/1",
        "/symbi/raft/vote/1",
        "/symbi/control/1",
        "/symbi/message/1",
        "/symbi/session/1",
        "/symbi/keepalive/1",
        "/meshsub/1.3.0",
        "/meshsub/1.2.0",
        "/meshsub/1.1.0",
        "/meshsub/1.0.0",
        "/ipfs/id/1.0.0",
    ];
    for protocol in protocols {
        let refused = say(9, a.addr(), protocol, vec![0; 16]).await;
        assert!(matches!(refused, Err(OutboundFailure::UnsupportedProtocols)), "{protocol}: {refused:?}");
    }
    let answer = say(9, a.addr(), "/symbi/join/1", vec![0, 0, 0, 3, 0, b'h', b'i']).await.unwrap();
    assert_eq!(answer, [0, 0, 0, 3, 0, b'h', b'i']);
    assert_eq!(a.call(&b, Lane::Control, b"hello").await, "Control hello");
}

#[tokio::test]
async fn a_member_is_offered_lanes_and_a_bad_frame_closes_its_connection() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.echo();
    b.echo();
    introduce(&[&a, &b]).await;
    let mut members = roster(&[&a, &b], 2);
    members.members.insert(id_of(9), symbi_net::Member { addr: ([127, 0, 0, 1], 1).into() });
    a.handle.set_roster(members);
    let ask = [&[0, 0, 0, 17, 0][..], &[0; 15], &[5]].concat();
    let frames = [
        [&ask[..], &[0, 0x20, 0, 0, 1, 2, 3]].concat(), // two mebibytes announced
        vec![0, 0, 0, 1, 1],                            // shorter than a header
    ];
    let count = frames.len() as u64;
    for frame in frames {
        eventually(|| !a.handle.connections().borrow().contains_key(&id_of(9))).await;
        // A is not done with the seed's connection before last: the table may still hold it.
        let ended = say(9, a.addr(), "/symbi/control/1", frame).await;
        assert!(!matches!(ended, Err(OutboundFailure::UnsupportedProtocols)), "{ended:?}");
    }
    eventually(|| a.handle.counters().bad_frames == count).await;
    assert_eq!(a.call(&b, Lane::Control, b"hello").await, "Control hello");
}

#[tokio::test]
async fn an_oversized_or_unreadable_join_body_closes_the_connection() {
    let mut a = Node::start(1).await;
    a.echo();
    let long = 1 + (64 << 10) + 1_u32;
    let bodies = [[&long.to_be_bytes()[..], &[0; 64]].concat(), vec![0, 0, 0, 0, 0], vec![0, 0, 0, 1, 9]];
    for body in bodies.clone() {
        let ended = say(9, a.addr(), "/symbi/join/1", body).await;
        assert!(ended.as_ref().map_or(true, Vec::is_empty), "{ended:?}");
    }
    eventually(|| a.handle.counters().bad_joins == bodies.len() as u64).await;
    let c = Node::start(3).await;
    assert_eq!(c.handle.join_call(a.addr(), Bytes::from_static(b"?"), LONG).await.unwrap(), (a.id, "?".into()));
    let own = c.handle.join_call(a.addr(), vec![0; (64 << 10) + 1].into(), LONG).await;
    assert!(matches!(own, Err(JoinCallError::Protocol(_))), "{own:?}");
    let longest = vec![5; 64 << 10];
    assert_eq!(c.handle.join_call(a.addr(), longest.clone().into(), LONG).await.unwrap().1, longest);
}

#[tokio::test]
async fn join_calls_in_a_row_share_a_connection() {
    let one = Limits { per_peer: 1, ..Limits::default() };
    let mut a = Node::with(1, Options { limits: one, ..Options::new(loopback()) }).await;
    a.echo();
    let c = Node::start(3).await;
    let both = tokio::join!(
        c.handle.join_call(a.addr(), Bytes::from_static(b"1"), LONG),
        c.handle.join_call(a.addr(), Bytes::from_static(b"2"), LONG),
    );
    assert_eq!((both.0.unwrap().1, both.1.unwrap().1), ("1".into(), "2".into()));
    for _ in 0..10 {
        assert_eq!(c.handle.join_call(a.addr(), Bytes::from_static(b"3"), LONG).await.unwrap().1, "3");
    }
    assert_eq!(a.handle.counters().connections_refused, 0);
}

#[tokio::test]
async fn a_join_call_is_answered_though_the_caller_becomes_a_member_meanwhile() {
    let (mut a, c) = (Node::start(1).await, Node::start(3).await);
    let call = c.handle.join_call(a.addr(), Bytes::from_static(b"enrol me"), LONG);
    let serve = async {
        let join = a.inbox.joins.recv().await.unwrap();
        assert_eq!(join.from, c.id);
        a.handle.set_roster(roster(&[&a, &c], 2));
        // A knows C now and dials it; C, without a roster, does not know A.
        c.handle.set_roster(roster(&[&a, &c], 2));
        a.connected(c.id).await;
        join.reply.send(Bytes::from_static(b"welcome")).unwrap();
    };
    let (answer, ()) = within(async { tokio::join!(call, serve) }).await;
    assert_eq!(answer.unwrap().1, "welcome");
    let again = c.handle.join_call(a.addr(), Bytes::from_static(b"how far am I?"), LONG);
    let serve = async { a.inbox.joins.recv().await.unwrap().reply.send(Bytes::from_static(b"caught up")).unwrap() };
    let (answer, ()) = within(async { tokio::join!(again, serve) }).await;
    assert_eq!(answer.unwrap().1, "caught up");
}

#[tokio::test]
async fn a_join_call_says_what_it_met() {
    let a = Node::start(1).await;
    let call = |addr, deadline| a.handle.join_call(addr, Bytes::new(), deadline);

    let free = TcpListener::bind(loopback()).await.unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    assert!(matches!(call(addr, LONG).await, Err(JoinCallError::Dial(reason)) if reason.contains("refused")));

    let other = TcpListener::bind(loopback()).await.unwrap();
    let addr = other.local_addr().unwrap();
    let http = async {
        let (mut stream, _) = other.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    };
    let (met, _) = within(async { tokio::join!(call(addr, LONG), http) }).await;
    assert!(matches!(met, Err(JoinCallError::Dial(_))), "{met:?}");

    let silent = TcpListener::bind(loopback()).await.unwrap();
    let met = call(silent.local_addr().unwrap(), Duration::from_millis(200)).await;
    assert_eq!(met, Err(JoinCallError::TimedOut));

    let mut libp2p = swarm(9, "/other/1");
    libp2p.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let port = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = libp2p.select_next_some().await {
            break address.to_string().rsplit('/').next().unwrap().parse::<u16>().unwrap();
        }
    };
    tokio::spawn(async move { while libp2p.next().await.is_some() {} });
    let met = call(([127, 0, 0, 1], port).into(), LONG).await;
    assert!(matches!(met, Err(JoinCallError::Protocol(_))), "{met:?}");

    let met = call(a.addr(), LONG).await;
    assert!(matches!(&met, Err(JoinCallError::Dial(reason)) if reason.contains("itself")), "{met:?}");
}

#[tokio::test]
async fn strangers_are_few() {
    let few = Limits { strangers: 2, ..Limits::default() };
    let mut a = Node::with(1, Options { limits: few, ..Options::new(loopback()) }).await;
    a.echo();
    let strangers = [Node::start(3).await, Node::start(4).await, Node::start(5).await];
    for stranger in &strangers[..2] {
        stranger.handle.join_call(a.addr(), Bytes::new(), LONG).await.unwrap();
    }
    let third = strangers[2].handle.join_call(a.addr(), Bytes::new(), LONG).await;
    assert!(matches!(third, Err(JoinCallError::Dial(_))), "{third:?}");
    assert_eq!(a.handle.counters().connections_refused, 1);
    strangers[0].handle.shutdown().await;
    within(async { while strangers[2].handle.join_call(a.addr(), Bytes::new(), LONG).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_stranger_that_never_stops_asking_gives_its_place_up_in_time() {
    let limits = Limits { strangers: 1, stranger_lifetime: Duration::from_millis(300), ..Limits::default() };
    let mut a = Node::with(1, Options { limits, ..Options::new(loopback()) }).await;
    a.echo();
    let (busy, other, addr) = (Node::start(3).await, Node::start(4).await, a.addr());
    busy.handle.join_call(addr, Bytes::new(), LONG).await.unwrap();
    let asking = tokio::spawn(async move {
        loop {
            let _ = busy.handle.join_call(addr, Bytes::new(), LONG).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let refused = other.handle.join_call(addr, Bytes::new(), LONG).await;
    assert!(matches!(refused, Err(JoinCallError::Dial(_))), "{refused:?}");
    within(async { while other.handle.join_call(addr, Bytes::new(), LONG).await.is_err() {} }).await;
    assert!(a.handle.counters().strangers_expired > 0);
    asking.abort();
}

#[tokio::test]
async fn whoever_listens_at_an_address_is_identified_while_it_asks_something_and_nothing_is_left_of_it() {
    let (mut a, c) = (Node::start(1).await, Node::start(3).await);
    let addr = c.addr();
    let call = c.handle.join_call(a.addr(), Bytes::from_static(b"enrol me"), LONG);
    let serve = async {
        let join = a.inbox.joins.recv().await.unwrap();
        assert_eq!(a.handle.identify(addr, LONG).await, Ok(c.id));
        assert_eq!(a.handle.identify(addr, LONG).await, Ok(c.id), "and again");
        join.reply.send(Bytes::from_static(b"welcome")).unwrap();
    };
    let (answer, ()) = within(async { tokio::join!(call, serve) }).await;
    assert_eq!(answer.unwrap().1, "welcome");
    let again = c.handle.join_call(a.addr(), Bytes::from_static(b"more"), LONG);
    let serve = async { a.inbox.joins.recv().await.unwrap().reply.send(Bytes::from_static(b"yes")).unwrap() };
    let (answer, ()) = within(async { tokio::join!(again, serve) }).await;
    assert_eq!(answer.unwrap().1, "yes");
    // The address of somebody else, and of nobody.
    let d = Node::start(4).await;
    assert_eq!(a.handle.identify(d.addr(), LONG).await, Ok(d.id));
    d.handle.shutdown().await;
    let gone = a.handle.identify(d.addr(), LONG).await;
    assert!(matches!(gone, Err(JoinCallError::Dial(_))), "{gone:?}");
    let silent = TcpListener::bind(loopback()).await.unwrap();
    let met = a.handle.identify(silent.local_addr().unwrap(), Duration::from_millis(200)).await;
    assert_eq!(met, Err(JoinCallError::TimedOut));
}

#[tokio::test]
async fn garbage_on_the_port_is_counted_and_closed() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.echo();
    b.echo();
    introduce(&[&a, &b]).await;
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff garbage"]
    {
        let mut stream = TcpStream::connect(a.addr()).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
    }
    eventually(|| a.handle.counters().handshakes_failed >= 3).await;
    assert_eq!(b.call(&a, Lane::Message, b"hello").await, "Message hello");
}

#[tokio::test]
async fn join_calls_that_nobody_reads_are_refused_beyond_a_bound() {
    let (a, c) = (Node::start(1).await, Node::start(3).await);
    let calls = (0..40).map(|_| c.handle.join_call(a.addr(), Bytes::new(), LONG));
    let first = futures::future::select_all(calls.map(Box::pin));
    let (outcome, _, _) = within(first).await;
    assert!(matches!(outcome, Err(JoinCallError::Dial(_))), "{outcome:?}");
}
