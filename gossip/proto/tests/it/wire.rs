//! Every message comes back from its bytes, and no bytes bring a decoder down.

use crate::fixture::{cluster, key, node, uuid};
use crate::golden::{Coded, Visit, visit};
use proptest::prelude::*;
use symbi_model::agent::Tier;
use symbi_model::{GroupId, NodeId};
use symbi_proto::Error;
use symbi_proto::wire::{
    ControlReply, ControlRequest, FRAME_BYTES, JOIN_BYTES, JoinReply, JoinRequest, LogTail, MessageFrame, MessageReply,
    Usage, View,
};

pub fn view() -> View {
    View {
        node: node(1),
        sequence: (3 << 32) + 7,
        wall_ms: 1_000,
        applied_index: 42,
        version: "0.1.0".to_owned(),
        agents: 3,
        usage: Usage {
            memory_used_mb: 900,
            memory_total_mb: 4_000,
            cpu_used_millis: 1_500,
            cpu_total_millis: 2_000,
            disk_used_mb: 10,
            disk_total_mb: 20_000,
        },
        tiers: [Tier::Process].into(),
    }
}

/// Every decoder over the same bytes: they may take them or not, but must come back.
fn decode_all(bytes: &[u8]) {
    let _ = ControlRequest::decode(bytes);
    let _ = ControlReply::decode(bytes);
    let _ = JoinRequest::decode(bytes);
    let _ = JoinReply::decode(bytes);
    let _ = MessageFrame::decode(bytes);
    let _ = MessageReply::decode(bytes);
    let _ = View::open(cluster(), bytes);
}

fn every_message() -> Vec<Vec<u8>> {
    struct Collect(Vec<Vec<u8>>);
    impl Visit for Collect {
        fn visit<T: Coded>(&mut self, messages: Vec<T>) {
            self.0.extend(messages.iter().map(Coded::bytes));
        }
    }
    let mut all = Collect(Vec::new());
    visit(&mut all);
    all.0
}

#[test]
fn every_message_reads_back_and_no_part_of_it_does() {
    struct Read;
    impl Visit for Read {
        fn visit<T: Coded>(&mut self, messages: Vec<T>) {
            for message in messages {
                let bytes = message.bytes();
                for end in 0..bytes.len() {
                    assert!(T::read(&bytes[..end]).is_err(), "{end} bytes of {message:?}");
                }
                assert!(T::read(&[bytes.as_slice(), &[0]].concat()).is_err(), "more than {message:?}");
                assert_eq!(T::read(&bytes), Ok(message));
            }
        }
    }
    visit(&mut Read);
}

#[test]
fn every_protocol_has_its_bound() {
    assert!(matches!(JoinRequest::decode(&vec![1; JOIN_BYTES + 1]), Err(Error::Frame(_))));
    assert!(matches!(MessageFrame::decode(&vec![1; FRAME_BYTES + 1]), Err(Error::Frame(_))));
    let long = ControlRequest::Forward { group: GroupId(0), batch: vec![7; FRAME_BYTES] };
    assert!(ControlRequest::decode(&long.encode()).is_err());
    let whole = ControlRequest::Forward { group: GroupId(0), batch: vec![7; 600 * 1024] };
    assert_eq!(ControlRequest::decode(&whole.encode()), Ok(whole));
}

#[test]
fn a_view_that_cannot_be_true_says_what_of_it() {
    assert_eq!(view().implausible(), None);
    let with = |change: fn(&mut View)| {
        let mut view = view();
        change(&mut view);
        view.implausible()
    };
    assert_eq!(with(|view| view.usage.memory_used_mb = 4_001), Some("its memory"));
    assert_eq!(with(|view| view.usage.memory_total_mb = u64::MAX), Some("its memory"));
    assert_eq!(with(|view| view.usage.cpu_used_millis = 2_001), Some("its processor time"));
    assert_eq!(with(|view| view.usage.disk_total_mb = 9), Some("its disk"));
    assert_eq!(with(|view| view.agents = u32::MAX), Some("its agents"));
    assert_eq!(with(|view| view.version = "0.1.0\n".to_owned()), Some("its version"));
    assert_eq!(with(|view| view.version = "1".repeat(33)), Some("its version"));
}

#[test]
fn a_view_is_its_nodes_and_its_clusters() {
    let bytes = view().sign(cluster(), &key(1));
    assert_eq!(View::open(cluster(), &bytes), Ok(view()));
    assert_eq!(View::open(uuid(9), &bytes), Err(Error::SignatureWrong));
    assert_eq!(View::open(cluster(), &view().sign(cluster(), &key(2))), Err(Error::SignatureWrong));
    let weak = View { node: NodeId([0; 32]), ..view() };
    assert_eq!(View::open(cluster(), &weak.sign(cluster(), &key(1))), Err(Error::SignatureWrong));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(View::open(cluster(), &changed).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_a_decoder_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
        decode_all(&[&[1], bytes.as_slice()].concat());
    }

    #[test]
    fn no_changed_message_brings_a_decoder_down(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let messages = every_message();
        let mut bytes = which.get(&messages).clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        decode_all(&bytes);
        decode_all(&bytes[..cut.index(bytes.len())]);
    }
}

#[test]
fn a_length_without_its_bytes_is_refused_before_anything_is_allocated() {
    let lengths: [&[u8]; 3] =
        [&[253, 255, 255, 255, 255, 255, 255, 255, 255], &[253, 0, 0, 0, 0, 0, 1, 0, 0], &[252, 255, 255, 255, 127]];
    for length in lengths {
        for variant in 0..20 {
            for before in [0, 1, 6, 16, 20] {
                let bytes = [&[1, variant], vec![0; before].as_slice(), length, &[0; 300]].concat();
                decode_all(&bytes);
            }
        }
    }
}

#[test]
fn a_log_that_is_longer_than_a_frame_is_cut_at_its_beginning_and_says_so() {
    let line = |number: usize| format!("{number:05} {}", "x".repeat(1_000));
    let short: Vec<String> = (0..10).map(line).collect();
    assert_eq!(LogTail::of(short.clone()), LogTail { lines: short.clone(), left_out: 0 });
    assert_eq!(LogTail::of(short.clone()).told(), short);
    let long: Vec<String> = (0..5_000).map(line).collect();
    let tail = LogTail::of(long.clone());
    let kept = tail.lines.len();
    assert_eq!(tail.lines, long[5_000 - kept..], "the last ones");
    assert_eq!(tail.left_out as usize, 5_000 - kept);
    let bytes = ControlReply::Logs(Some(tail.clone())).encode().len();
    assert!(bytes <= FRAME_BYTES && bytes > FRAME_BYTES / 10 * 9, "{bytes} bytes");
    let told = tail.told();
    assert!(told[0].contains(&format!("{} older lines", 5_000 - kept)), "{}", told[0]);
    assert_eq!(told[1..], long[5_000 - kept..]);
    // Lines of nothing have a length too.
    let bytes = ControlReply::Logs(Some(LogTail::of(vec![String::new(); 2_000_000]))).encode().len();
    assert!(bytes <= FRAME_BYTES, "{bytes} bytes");
}
