//! Random histories: the checker agrees with the definition, and finds nothing in what a register could have done.

use crate::brute_force::{Small, is_linearizable};
use crate::made::{Make, history};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::time::Duration;
use symbi_history::{Error, History};

/// The cases of each property.
const CASES: u32 = 4_000;

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
}

fn small() -> impl Strategy<Value = Small> {
    let returned = prop_oneof![3 => (1..8_u8).prop_map(Some), 1 => Just(None)];
    (0..16_u8, returned, any::<bool>(), 0..3_u8).prop_map(|(called, length, writes, value)| Small {
        called,
        returned: length.map(|length| called + length),
        writes,
        value,
    })
}

fn name(value: u8) -> Option<String> {
    (value != 0).then(|| value.to_string())
}

/// Records it: what happens at once is recorded calls first.
fn record(operations: &[Small]) -> History {
    let mut history = History::default();
    let mut tickets = vec![None; operations.len()];
    for now in 0..=u8::MAX {
        let at = Duration::from_secs(now.into());
        for (ticket, one) in tickets.iter_mut().zip(operations).filter(|(_, one)| one.called == now) {
            *ticket = Some(match one.writes {
                true => history.write("c", "k", name(one.value), at),
                false => history.read("c", "k", at),
            });
        }
        for (ticket, one) in tickets.iter().zip(operations).filter(|(_, one)| one.returned == Some(now)) {
            let ticket = ticket.as_ref().expect("called before it returns");
            match one.writes {
                true => history.wrote(ticket, at),
                false => history.saw(ticket, name(one.value), at),
            }
        }
    }
    history
}

#[test]
fn it_agrees_with_the_definition_on_small_histories() {
    let (good, bad) = (Cell::new(0), Cell::new(0));
    let verdicts = runner().run(&prop::collection::vec(small(), 1..7), |operations| {
        let expected = is_linearizable(&operations);
        let found = record(&operations).check();
        prop_assert_eq!(found.is_ok(), expected, "{:?}", found);
        if let Err(error) = found {
            prop_assert!(matches!(error, Error::NotLinearizable(_)), "{}", error);
        }
        let count = if expected { &good } else { &bad };
        count.set(count.get() + 1);
        Ok(())
    });
    verdicts.unwrap();
    let (good, bad) = (good.get(), bad.get());
    println!("{good} linearizable, {bad} not");
    assert!(good > CASES / 10 && bad > CASES / 10, "one verdict is rare: {good} and {bad}");
}

#[test]
fn a_core_contradicts_itself_by_the_definition() {
    let verdicts = runner().run(&prop::collection::vec(small(), 3..7), |operations| {
        let history = record(&operations);
        let Err(Error::NotLinearizable(contradiction)) = history.check() else { return Ok(()) };
        let core: Vec<_> = contradiction.core.iter().map(|number| contradiction.operations[*number].clone()).collect();
        prop_assert!(!is_linearizable(&core.iter().map(shrunk).collect::<Vec<_>>()), "{}", contradiction);
        Ok(())
    });
    verdicts.unwrap();
}

/// An operation of a core, for the definition.
fn shrunk(operation: &symbi_history::Operation) -> Small {
    use symbi_history::Action;
    let number = |value: &symbi_history::Value| value.as_ref().map_or(0, |text| text.parse().expect("a small value"));
    let order = |moment: symbi_history::Moment| u8::try_from(moment.order).expect("a small history");
    let (writes, value) = match &operation.action {
        Action::Read(seen) => (false, seen.as_ref().map_or(0, |(value, _)| number(value))),
        Action::Write(value, _) => (true, number(value)),
    };
    Small { called: order(operation.called), returned: operation.returned().map(order), writes, value }
}

#[test]
fn what_a_register_did_is_linearizable() {
    let made = (any::<u64>(), 1..9_usize, 1..200_usize, 0..60_u32, prop::option::of(2..6_usize));
    let verdicts = runner().run(&made, |(seed, clients, operations, unknown, values)| {
        let (history, _) = history(seed, Make { clients, operations, unknown, values }, None);
        prop_assert!(history.check().is_ok(), "{:?}", history.check());
        Ok(())
    });
    verdicts.unwrap();
}
