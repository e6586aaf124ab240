//! Who is connected, and how many may be.
//!
//! A connection over TCP is anonymous until it has shown a token. Anonymous ones are few and end soon, so that whoever only
//! connects takes nothing from those who have a token: when all their places are taken, a new one takes the place of the
//! oldest that is not being answered just then. Those that have shown a token, and those on the unix socket, are many, and are
//! never closed for another. A user has no more of them than are left free by all, since what it asks may take an hour: whoever comes
//! next finds room.
//!
//! Invariant: a connection is counted once, as what it is now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// How many connections of each kind may be open at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Over TCP, without a token so far.
    pub anonymous: usize,
    /// Over TCP, with a token; and as many on the unix socket.
    pub authenticated: usize,
}

/// All places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The open connections.
#[derive(Clone)]
pub struct Connections {
    /// How many there may be.
    limits: Limits,
    /// Those that are open.
    open: Arc<Mutex<Open>>,
}

/// The open connections, by kind.
#[derive(Default)]
struct Open {
    /// The number of the next connection.
    next: u64,
    /// Those without a token so far, the oldest first.
    anonymous: BTreeMap<u64, Anonymous>,
    /// How many have shown one.
    authenticated: usize,
    /// How many of these are each user's.
    users: BTreeMap<Arc<str>, usize>,
    /// How many are on the unix socket.
    local: usize,
}

/// A connection without a token so far.
#[derive(Default)]
struct Anonymous {
    /// How many of its requests are being answered.
    answering: usize,
    /// Cancelled when another takes its place.
    displaced: CancellationToken,
}

/// What a connection is counted as.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Over TCP, without a token so far.
    Anonymous,
    /// Over TCP, with a token of this user.
    Authenticated(Arc<str>),
    /// On the unix socket.
    Local,
}

/// One connection's place, given back on drop.
pub struct Place {
    /// Where it is counted.
    connections: Connections,
    /// Its number.
    number: u64,
    /// What it is counted as.
    kind: Mutex<Kind>,
    /// Cancelled when another takes its place.
    displaced: CancellationToken,
}

/// A request that is being answered.
pub struct Answering<'place>(&'place Place);

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: Arc::default() }
    }

    /// A place for a connection over TCP; if need be, that of an older one.
    ///
    /// # Errors
    /// When every anonymous connection is being answered.
    pub fn anonymous(&self) -> Result<Place, Full> {
        let mut open = self.open();
        if open.anonymous.len() >= self.limits.anonymous {
            let idle = open.anonymous.iter().find(|(_, connection)| connection.answering == 0);
            let oldest = *idle.ok_or(Full)?.0;
            if let Some(connection) = open.anonymous.remove(&oldest) {
                connection.displaced.cancel();
            }
        }
        let number = open.number();
        let displaced = CancellationToken::new();
        open.anonymous.insert(number, Anonymous { answering: 0, displaced: displaced.clone() });
        drop(open);
        Ok(self.place(number, Kind::Anonymous, displaced))
    }

    /// A place for a connection on the unix socket.
    ///
    /// # Errors
    /// When there are too many.
    pub fn local(&self) -> Result<Place, Full> {
        let mut open = self.open();
        if open.local >= self.limits.authenticated {
            return Err(Full);
        }
        open.local += 1;
        let number = open.number();
        drop(open);
        Ok(self.place(number, Kind::Local, CancellationToken::new()))
    }

    fn place(&self, number: u64, kind: Kind, displaced: CancellationToken) -> Place {
        Place { connections: self.clone(), number, kind: Mutex::new(kind), displaced }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn leave(&mut self, user: &Arc<str>) {
        self.authenticated -= 1;
        if let Some(own) = self.users.get_mut(user) {
            *own -= 1;
            if *own == 0 {
                self.users.remove(user);
            }
        }
    }
}

impl Place {
    /// Whether it has shown no token, where one is needed.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        *self.kind() == Kind::Anonymous
    }

    /// Takes note that it has shown a token of this user.
    ///
    /// # Errors
    /// When there are too many that have, or too many of this user; and when its place was taken a moment ago.
    pub fn authenticate(&self, user: &str) -> Result<(), Full> {
        let mut kind = self.kind();
        if *kind != Kind::Anonymous {
            return Ok(());
        }
        let mut open = self.connections.open();
        let free = self.connections.limits.authenticated.saturating_sub(open.authenticated);
        let own = open.users.get(user).copied().unwrap_or(0);
        if own >= free || !open.anonymous.contains_key(&self.number) {
            return Err(Full);
        }
        let user: Arc<str> = user.into();
        open.anonymous.remove(&self.number);
        open.authenticated += 1;
        *open.users.entry(user.clone()).or_default() += 1;
        *kind = Kind::Authenticated(user);
        Ok(())
    }

    /// Keeps its place while a request of it is being answered.
    #[must_use]
    pub fn answering(&self) -> Answering<'_> {
        if let Some(connection) = self.connections.open().anonymous.get_mut(&self.number) {
            connection.answering += 1;
        }
        Answering(self)
    }

    /// Whether a request of it is being answered, as long as it is anonymous.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.connections.open().anonymous.get(&self.number).is_some_and(|connection| connection.answering > 0)
    }

    /// Ends when another connection has taken its place.
    pub async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    fn kind(&self) -> MutexGuard<'_, Kind> {
        self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.connections.open().anonymous.get_mut(&self.0.number) {
            connection.answering -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let kind = self.kind().clone();
        let mut open = self.connections.open();
        match kind {
            Kind::Anonymous => drop(open.anonymous.remove(&self.number)),
            Kind::Authenticated(user) => open.leave(&user),
            Kind::Local => open.local -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connections, Full, Limits};

    fn two() -> Connections {
        Connections::new(Limits { anonymous: 2, authenticated: 2 })
    }

    #[tokio::test]
    async fn a_new_connection_takes_the_place_of_the_oldest_that_is_not_answered() {
        let connections = two();
        let (first, second) = (connections.anonymous().unwrap(), connections.anonymous().unwrap());
        let answering = first.answering();
        let third = connections.anonymous().unwrap();
        second.displaced().await;
        assert_eq!(second.authenticate("a"), Err(Full), "its place is another's");
        let _also = third.answering();
        assert_eq!(connections.anonymous().err(), Some(Full), "both are being answered");
        drop(answering);
        let _fourth = connections.anonymous().unwrap();
        first.displaced().await;
    }

    #[test]
    fn what_has_shown_a_token_is_counted_apart_and_keeps_its_place() {
        let connections = two();
        let known: Vec<_> = (0..2).map(|_| connections.anonymous().unwrap()).collect();
        for (place, user) in known.iter().zip(["a", "b"]) {
            assert!(place.is_anonymous());
            assert_eq!((place.authenticate(user), place.authenticate(user)), (Ok(()), Ok(())));
            assert!(!place.is_anonymous());
        }
        let others: Vec<_> = (0..3).map(|_| connections.anonymous().unwrap()).collect();
        assert_eq!(others[2].authenticate("c"), Err(Full));
        assert_eq!((known[0].displaced.is_cancelled(), others[0].displaced.is_cancelled()), (false, true));
        drop(known);
        assert_eq!(others[2].authenticate("c"), Ok(()));
    }

    #[test]
    fn a_user_has_no_more_places_than_are_left_free() {
        let connections = Connections::new(Limits { anonymous: 2, authenticated: 6 });
        let take = |user| {
            let place = connections.anonymous().unwrap();
            place.authenticate(user).map(|()| place)
        };
        let mut held: Vec<_> = (0..3).map(|_| take("a").expect("half of them")).collect();
        assert_eq!(take("a").err(), Some(Full));
        held.extend([take("b").expect("others find room"), take("c").expect("others find room")]);
        assert_eq!(take("b").err(), Some(Full), "one is left free");
        held.drain(..2);
        assert!(take("b").is_ok());
    }

    #[test]
    fn the_unix_socket_has_places_of_its_own() {
        let connections = two();
        let held: Vec<_> = (0..2).map(|_| connections.local().unwrap()).collect();
        assert_eq!(connections.local().err(), Some(Full));
        assert!(connections.anonymous().unwrap().authenticate("a").is_ok());
        drop(held);
        assert!(connections.local().is_ok());
    }
}
