//! Clients that work in a closed loop, each with one thing under way, and what is counted of it.
//!
//! Each client does one thing uncounted first, so that what is set up once, such as a session, is not measured; then all
//! begin together. A failure is counted by its name and followed by a pause, so that a cluster which refuses everything
//! is not also run down.

use super::Figures;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Histograms that clients share, so that they seldom wait for each other.
const SHARDS: usize = 8;
/// The longest time that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(120);
/// The most different names of errors; what is beyond counts as `other`.
const NAMES: usize = 16;
/// How long a client waits after a failure.
const PAUSE: Duration = Duration::from_millis(10);

/// How one thing went: how long it took, or the name of the error.
pub type Turn = Result<Duration, String>;

/// What was counted.
pub struct Tally {
    /// Parts of it; a client counts in one of them.
    shards: [Mutex<Shard>; SHARDS],
}

/// A part of what was counted.
struct Shard {
    /// How long things took, ns.
    times: Histogram<u64>,
    /// How many failed, by why.
    errors: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        let times = || Histogram::new_with_bounds(1, longest, 3).expect("three digits of two minutes in ns");
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard { times: times(), errors: BTreeMap::new() })) }
    }
}

impl Tally {
    /// Counts one thing of a client's.
    pub fn count(&self, client: usize, turn: &Turn) {
        let mut shard = self.shards[client % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        match turn {
            Ok(took) => shard.times.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1)),
            Err(name) => *shard.errors.entry(name.clone()).or_default() += 1,
        }
    }

    /// The figures of what took `elapsed` in all.
    #[must_use]
    pub fn figures(&self, elapsed: Duration) -> Figures {
        let (mut times, mut errors) = (None::<Histogram<u64>>, BTreeMap::new());
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut times {
                Some(all) => all.add(&shard.times).expect("all shards have the same bounds"),
                None => times = Some(shard.times.clone()),
            }
            for (name, count) in &shard.errors {
                let known = errors.len() < NAMES || errors.contains_key(name);
                let name = if known { name.as_str() } else { "other" };
                *errors.entry(name.to_owned()).or_insert(0) += count;
            }
        }
        let times = times.expect("there are shards");
        let at = |quantile: f64| Duration::from_nanos(times.value_at_quantile(quantile));
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        Figures { operations: times.len(), elapsed, p50, p99, max, errors }
    }
}

/// Has `clients` clients do `turn` (told which client it is, and how many things that has done before) over and over for
/// `length`; what was begun then is still ended.
pub async fn measure<F, W>(clients: usize, length: Duration, turn: F) -> Figures
where
    F: Fn(usize, u64) -> W + Clone + Send + 'static,
    W: Future<Output = Turn> + Send,
{
    let (tally, ready) = (Arc::new(Tally::default()), Arc::new(Barrier::new(clients + 1)));
    let mut working = JoinSet::new();
    for client in 0..clients {
        let (tally, ready, turn) = (Arc::clone(&tally), Arc::clone(&ready), turn.clone());
        working.spawn(async move {
            let _ = turn(client, 0).await;
            ready.wait().await;
            let (began, mut done) = (Instant::now(), 0);
            while began.elapsed() < length {
                done += 1;
                let went = turn(client, done).await;
                tally.count(client, &went);
                if went.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
    }
    ready.wait().await;
    let began = Instant::now();
    while working.join_next().await.is_some() {}
    tally.figures(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_clients_do_is_counted_and_what_fails_is_named() {
        let figures = measure(3, Duration::from_millis(60), |client, done| async move {
            tokio::task::yield_now().await;
            let failed = client == 2 || done == 1;
            if failed { Err(format!("client {client}")) } else { Ok(Duration::from_micros(100)) }
        })
        .await;
        assert!(figures.operations > 0 && figures.elapsed >= Duration::from_millis(60), "{figures:?}");
        assert_eq!(figures.errors.keys().collect::<Vec<_>>(), ["client 0", "client 1", "client 2"]);
        assert_eq!(figures.errors["client 0"], 1);
        assert!(figures.errors["client 2"] > 1);
        for time in [figures.p50, figures.p99, figures.max] {
            assert!((99..=101).contains(&time.as_micros()), "{time:?}");
        }
    }

    #[test]
    fn quantiles_are_those_of_all_clients_and_names_are_bounded() {
        let tally = Tally::default();
        for time in 1..=1000 {
            tally.count(time, &Ok(Duration::from_micros(time as u64)));
        }
        for name in 0..40 {
            tally.count(0, &Err(format!("error {name:02}")));
        }
        let figures = tally.figures(Duration::from_secs(1));
        let near = |time: Duration, us: u128| time.as_micros().abs_diff(us) <= us / 500;
        assert!(near(figures.p50, 500) && near(figures.p99, 990) && near(figures.max, 1000), "{figures:?}");
        assert_eq!((figures.errors.len(), figures.errors["other"]), (NAMES + 1, 24));
    }
}
