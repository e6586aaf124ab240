//! The sizes that it is for: 1,000 operations of a key by 8 clients, decided in well under seconds, whatever the verdict.

use crate::made::{Make, history};
use std::time::{Duration, Instant};
use symbi_history::{Error, MOST};

const CLIENTS: usize = 8;
/// Generous: on an idle machine it is some milliseconds. What it guards against takes hours.
const AT_MOST: Duration = Duration::from_secs(5);

#[test]
fn a_good_history_is_decided_at_once() {
    for values in [None, Some(2), Some(3), Some(10)] {
        for (seed, unknown) in [(1, 0), (2, 2), (3, 10), (4, 50)] {
            let make = Make { clients: CLIENTS, operations: MOST, unknown, values };
            let (history, _) = history(seed, make, None);
            let began = Instant::now();
            let checked = history.check().unwrap_or_else(|error| panic!("{make:?}: {error}"));
            println!("{make:?}: {checked:?} in {:?}", began.elapsed());
            assert!(began.elapsed() < AT_MOST, "{make:?}: {checked:?} took {:?}", began.elapsed());
            assert!(checked.reads > MOST / 5 && checked.writes > MOST / 5, "{checked:?}");
        }
    }
}

#[test]
fn a_bad_history_is_decided_at_once() {
    for unknown in [0, 2, 10] {
        let make = Make { clients: CLIENTS, operations: MOST, unknown, values: None };
        let (_, reads) = history(7, make, None);
        for read in [reads / 2, reads - 1] {
            // The value of the first write, which was overwritten long ago.
            let first = (1..).map(|number: usize| Some(number.to_string())).take(MOST);
            let stale = first.into_iter().find(|value| history(7, make, Some((0, value.clone()))).0.check().is_ok());
            let (history, _) =
                history(7, make, Some((read, stale.expect("a value that the first read could have seen"))));
            let began = Instant::now();
            let error = history.check().expect_err("a stale read");
            assert!(matches!(error, Error::NotLinearizable(_)), "{error}");
            assert!(began.elapsed() < AT_MOST, "{make:?}, read {read}: {:?}", began.elapsed());
        }
    }
}
