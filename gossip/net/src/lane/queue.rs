//! What waits and what is open on the calling half of a lane: a queue and a window for each group.
//!
//! - Frames of one group leave in the order in which they came; groups with frames to send take turns.
//! - A group has at most [`FRAMES`] frames and [`BYTES`] bytes waiting: whoever adds one has a [`Place`] for it.
//! - A request whose caller has gone is taken out before it leaves, on lanes where that is not wanted otherwise.
//! - A group has no more requests and bytes open at the peer than its [`Window`] says. An answer returns what its request
//!   took, whoever still waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use symbi_model::GroupId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::MAX_BODY;
use super::frame::{Frame, Kind};
use super::window::{Used, Window};
use crate::CallError;

/// Frames of one group that may wait to be written.
pub(crate) const FRAMES: usize = 1024;
/// Bytes of one group that may wait to be written: a few of the longest bodies.
pub(crate) const BYTES: usize = 16 << 20;

/// Where an answer goes.
pub(crate) type Reply = oneshot::Sender<Result<Bytes, CallError>>;

/// The queues of one lane on one connection.
pub(crate) struct Queues {
    /// What each group may have open.
    window: Window,
    /// The groups that were called.
    groups: BTreeMap<GroupId, Group>,
    /// The group that sent last.
    last: GroupId,
    /// The next request's number.
    next: u64,
    /// Requests that are not answered yet, sent or not.
    open: BTreeMap<u64, Open>,
}

/// One group's queue.
struct Group {
    /// The room in it.
    room: Room,
    /// What waits, each in its place.
    frames: VecDeque<(Frame, Place)>,
    /// What is open at the peer.
    used: Used,
}

/// A request that is not answered yet.
struct Open {
    /// Its group.
    group: GroupId,
    /// How long it is.
    bytes: usize,
    /// Whether it has left the queue.
    sent: bool,
    /// Who waits for the answer; none who has given it up.
    reply: Option<Reply>,
}

/// The room in a group's queue. Clones are the same room; whoever waits for a place gets it in turn.
#[derive(Clone)]
pub(crate) struct Room {
    /// Frames that may be added.
    frames: Arc<Semaphore>,
    /// Bytes that may be added.
    bytes: Arc<Semaphore>,
}

/// A place in a group's queue; given back when it is dropped.
pub(crate) struct Place {
    /// Of one frame.
    _frame: OwnedSemaphorePermit,
    /// Of its bytes.
    bytes: OwnedSemaphorePermit,
}

impl Room {
    fn new() -> Self {
        Self { frames: Arc::new(Semaphore::new(FRAMES)), bytes: Arc::new(Semaphore::new(BYTES)) }
    }

    /// A place for a frame of `bytes`, if there is one now.
    pub(crate) fn try_place(&self, bytes: usize) -> Option<Place> {
        let frame = Arc::clone(&self.frames).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(bytes as u32).ok()?;
        Some(Place { _frame: frame, bytes })
    }

    /// Waits for a place for the longest frame; none if the lane ends first.
    pub(crate) async fn place(&self) -> Option<Place> {
        let frame = Arc::clone(&self.frames).acquire_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(MAX_BODY as u32).await.ok()?;
        Some(Place { _frame: frame, bytes })
    }

    fn close(&self) {
        self.frames.close();
        self.bytes.close();
    }
}

impl Place {
    /// Gives back what a frame of `bytes` does not need.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let more = self.bytes.num_permits().saturating_sub(bytes);
        drop(self.bytes.split(more));
    }
}

impl Queues {
    /// Empty ones, whose groups may each have `window` open.
    pub(crate) fn new(window: Window) -> Self {
        Self { window, groups: BTreeMap::new(), last: GroupId(0), next: 0, open: BTreeMap::new() }
    }

    /// The room in a group's queue.
    pub(crate) fn room(&mut self, group: GroupId) -> Room {
        self.group(group).room.clone()
    }

    fn group(&mut self, group: GroupId) -> &mut Group {
        let new = || Group { room: Room::new(), frames: VecDeque::new(), used: Used::default() };
        self.groups.entry(group).or_insert_with(new)
    }

    /// Adds a request in its place; its number.
    pub(crate) fn push(&mut self, group: GroupId, body: Bytes, place: Place, reply: Reply) -> u64 {
        debug_assert!(place.bytes.num_permits() >= body.len(), "the place is large enough");
        let id = self.next;
        self.next += 1;
        self.open.insert(id, Open { group, bytes: body.len(), sent: false, reply: Some(reply) });
        let frame = Frame { kind: Kind::Request, group, id, body };
        self.group(group).frames.push_back((frame, place));
        id
    }

    /// Whether a frame may be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        self.groups.values().any(|group| group.is_ready(&self.window))
    }

    /// Takes the next frame, of the group whose turn it is among those that may send.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let window = self.window;
        let after = self.groups.range(self.last..).filter(|(id, _)| **id > self.last).chain(&self.groups);
        let next = after.filter(|(_, group)| group.is_ready(&window)).map(|(id, _)| *id).next()?;
        self.last = next;
        let group = self.group(next);
        let (frame, _) = group.frames.pop_front()?;
        group.used.add(frame.body.len());
        debug_assert!(group.used.fits(&window), "no more is open than may be");
        if let Some(open) = self.open.get_mut(&frame.id) {
            open.sent = true;
        }
        Some(frame)
    }

    /// Takes note of the answer to a request; where it goes, if somebody still waits.
    pub(crate) fn answered(&mut self, id: u64) -> Option<Reply> {
        if !self.open.get(&id)?.sent {
            return None;
        }
        let open = self.open.remove(&id)?;
        self.group(open.group).used.remove(open.bytes);
        open.reply
    }

    /// Takes note that nobody waits for the answer any more. What has not left yet is taken out, unless it `still_leaves`.
    pub(crate) fn give_up(&mut self, id: u64, still_leaves: bool) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.reply = None;
        if open.sent || still_leaves {
            return;
        }
        let group = open.group;
        self.open.remove(&id);
        let frames = &mut self.group(group).frames;
        // Numbers rise from front to back.
        if let Ok(at) = frames.binary_search_by_key(&id, |(frame, _)| frame.id) {
            frames.remove(at);
        }
    }

    /// Empties everything, because the substream has ended: those who wait, and whether what they asked has left.
    pub(crate) fn fail(&mut self) -> Vec<(Reply, bool)> {
        for group in self.groups.values_mut() {
            group.frames.clear();
            group.used = Used::default();
        }
        let open = std::mem::take(&mut self.open).into_values();
        open.filter_map(|open| Some((open.reply?, open.sent))).collect()
    }

    /// Ends it: nobody gets a place any more. Those who wait, and whether what they asked has left.
    pub(crate) fn close(&mut self) -> Vec<(Reply, bool)> {
        self.groups.values().for_each(|group| group.room.close());
        self.fail()
    }
}

impl Group {
    fn is_ready(&self, window: &Window) -> bool {
        self.frames.front().is_some_and(|(frame, _)| self.used.has_room(window, frame.body.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { requests: 2, bytes: 100 };

    fn push(queues: &mut Queues, group: u64, bytes: usize) -> u64 {
        let place = queues.room(GroupId(group)).try_place(bytes).expect("room");
        queues.push(GroupId(group), vec![0; bytes].into(), place, oneshot::channel().0)
    }

    fn popped(queues: &mut Queues) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| queues.pop()).map(|frame| (frame.group.0, frame.id)).collect()
    }

    #[test]
    fn groups_take_turns_and_each_stops_at_its_own_window() {
        let mut queues = Queues::new(WINDOW);
        for group in [7, 7, 7, 1, 1, 4] {
            push(&mut queues, group, 1);
        }
        assert_eq!(popped(&mut queues), [(1, 3), (4, 5), (7, 0), (1, 4), (7, 1)]);
        assert!(!queues.is_ready(), "group 7 has two open");
        queues.answered(0);
        assert!(queues.is_ready());
        assert_eq!(popped(&mut queues), [(7, 2)]);
    }

    #[test]
    fn bytes_count_too_and_come_back_though_nobody_waits() {
        let mut queues = Queues::new(WINDOW);
        let (first, second) = (push(&mut queues, 0, 90), push(&mut queues, 0, 20));
        assert_eq!(popped(&mut queues), [(0, first)]);
        queues.give_up(first, false);
        assert!(!queues.is_ready());
        assert!(queues.answered(first).is_none());
        assert_eq!(popped(&mut queues), [(0, second)]);
    }

    #[test]
    fn what_nobody_waits_for_leaves_no_more_and_gives_its_place_back() {
        let mut queues = Queues::new(WINDOW);
        let ids: Vec<u64> = (0..FRAMES).map(|_| push(&mut queues, 0, 60)).collect();
        assert_eq!(popped(&mut queues), [(0, ids[0])]);
        for id in &ids[..FRAMES - 2] {
            queues.give_up(*id, false);
        }
        queues.give_up(ids[FRAMES - 2], true);
        assert_eq!(queues.room(GroupId(0)).frames.available_permits(), FRAMES - 2);
        assert!(queues.answered(ids[0]).is_none(), "it had left, and returns what it took");
        assert_eq!(popped(&mut queues), [(0, ids[FRAMES - 2])], "the others are gone");
        queues.answered(ids[FRAMES - 2]);
        assert_eq!(popped(&mut queues), [(0, ids[FRAMES - 1])]);
        assert_eq!(queues.open.len(), 1);
    }

    #[test]
    fn an_answer_to_what_was_not_sent_or_twice_returns_nothing() {
        let mut queues = Queues::new(WINDOW);
        let ids: Vec<u64> = (0..3).map(|_| push(&mut queues, 0, 1)).collect();
        assert!(queues.answered(ids[0]).is_none(), "it has not left");
        assert_eq!(popped(&mut queues).len(), 2);
        assert!(queues.answered(ids[0]).is_some() && queues.answered(ids[0]).is_none());
        assert_eq!(popped(&mut queues), [(0, ids[2])]);
        assert!(!queues.is_ready());
    }

    #[test]
    fn a_full_queue_has_no_room_until_a_frame_leaves_and_another_group_has() {
        let mut queues = Queues::new(WINDOW);
        for _ in 0..FRAMES {
            push(&mut queues, 0, 1);
        }
        assert!(queues.room(GroupId(0)).try_place(1).is_none());
        assert!(queues.room(GroupId(1)).try_place(1).is_some());
        assert_eq!(popped(&mut queues).len(), 2);
        assert!(queues.room(GroupId(0)).try_place(1).is_some());
        assert_eq!(queues.fail().len(), FRAMES);
        assert_eq!(queues.room(GroupId(0)).frames.available_permits(), FRAMES);
        assert_eq!(queues.room(GroupId(0)).bytes.available_permits(), BYTES);
    }
}
