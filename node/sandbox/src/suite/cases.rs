//! The cases.

use super::{Role, Subject};
use crate::driver::{Instance, STDIN_LINES, ended};
use crate::error::Error;
use crate::lines::{LINE, LineError};
use crate::rpc::{self, Inbound, Kind, Message};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

/// A case: it panics or ends.
type Case = fn(Subject) -> BoxFuture<'static, ()>;

/// Long enough for something that must not happen to happen.
const NEVER: Duration = Duration::from_millis(400);

macro_rules! cases {
    ($($name:ident)*) => { &[$((stringify!($name), |subject| $name(subject).boxed())),*] };
}

/// Every case with its name.
pub(super) const ALL: &[(&str, Case)] = cases![
    the_driver_can_be_used
    it_starts_initializes_and_echoes
    a_payload_of_a_mebibyte_travels_both_ways
    its_exit_code_is_told
    a_crash_at_once_is_told
    a_killing_signal_is_told
    lines_of_its_log_are_kept
    a_line_too_long_ends_it_and_says_so
    garbage_ends_it_and_says_so
    asked_to_end_it_ends
    who_ignores_that_is_killed
    stopped_while_busy_its_calls_fail
    frozen_it_does_nothing_and_thawed_it_goes_on
    frozen_it_can_be_killed
    lines_it_does_not_read_are_bounded
    the_end_of_its_input_is_told
    without_a_stopper_it_is_killed
    two_run_at_once
    a_command_that_is_not_there_is_refused
    a_sweep_spares_what_this_life_started
];

async fn the_driver_can_be_used(subject: Subject) {
    let fingerprint = subject.driver.fingerprint().await;
    assert!(fingerprint.available(), "{fingerprint:?}");
}

struct Talk {
    /// Calls it.
    client: rpc::Client,
    /// What it wants.
    inbound: tokio::sync::mpsc::Receiver<Inbound>,
    /// Its end.
    exit: tokio::sync::watch::Receiver<Option<crate::Exit>>,
    /// Ends it.
    stopper: crate::Stopper,
}

fn talk(instance: Instance) -> Talk {
    let Instance { stdin, stdout, exit, stopper, .. } = instance;
    let (client, inbound) = rpc::connect(stdin, stdout, stopper.clone());
    Talk { client, inbound, exit, stopper }
}

impl Talk {
    async fn echo(subject: &Subject, agent: &str) -> Self {
        let talk = talk(subject.start(agent, Role::Echo).await);
        talk.client.initialize(agent, 1, (1 << 32) + 1).await.expect("it answers initialize");
        talk
    }

    async fn ask(&self, payload: Value) -> Result<Value, rpc::Error> {
        let (id, from) = ("m".to_owned(), "suite".to_owned());
        self.client.message(Message { id, kind: Kind::Ask, from, deadline_ms: 0, payload }).await
    }

    async fn kill(mut self) {
        self.stopper.kill();
        ended(&mut self.exit).await;
    }
}

async fn line(instance: &mut Instance) -> Bytes {
    instance.stdout.recv().await.expect("it writes a line").expect("that can be read")
}

async fn kill(mut instance: Instance) {
    instance.stopper.kill();
    instance.ended().await;
}

async fn it_starts_initializes_and_echoes(subject: Subject) {
    let talk = Talk::echo(&subject, "echo").await;
    for payload in [json!({ "a": [1, "ä\n\"", null] }), json!(null), json!("x")] {
        assert_eq!(talk.ask(payload.clone()).await, Ok(payload));
    }
    talk.kill().await;
}

async fn a_payload_of_a_mebibyte_travels_both_ways(subject: Subject) {
    let talk = Talk::echo(&subject, "large").await;
    let payload = Value::String("x".repeat((1 << 20) - 2));
    assert!(talk.ask(payload.clone()).await == Ok(payload));
    let refused = talk.ask(Value::String("x".repeat(LINE))).await;
    assert!(matches!(refused, Err(rpc::Error::TooLong { .. })), "{refused:?}");
    assert_eq!(talk.ask(json!(1)).await, Ok(json!(1)), "the refusal changes nothing");
    talk.kill().await;
}

async fn its_exit_code_is_told(subject: Subject) {
    let mut instance = subject.start("code", Role::ExitsWith3).await;
    assert_eq!(*instance.exit.borrow(), None);
    instance.stdin.send("a line".into()).await.expect("it reads");
    let exit = instance.ended().await;
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    assert_eq!(exit.reason, "exited with code 3");
    assert_eq!(instance.stdout.recv().await, None);
}

async fn a_crash_at_once_is_told(subject: Subject) {
    let mut instance = subject.start("crash", Role::CrashesAtOnce).await;
    assert_eq!(instance.ended().await.code, Some(7));
    let Talk { client, mut inbound, .. } = talk(instance);
    let refused = client.initialize("crash", 1, 1).await;
    assert!(matches!(refused, Err(rpc::Error::Ended { .. })), "{refused:?}");
    assert!(inbound.recv().await.is_none());
}

async fn a_killing_signal_is_told(subject: Subject) {
    let mut instance = subject.start("killed", Role::NeverReads).await;
    instance.stopper.kill();
    let exit = instance.ended().await;
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    instance.stopper.kill();
    instance.stopper.end("too late");
    assert_eq!(*instance.exit.borrow(), Some(exit), "an end is final");
}

async fn lines_of_its_log_are_kept(subject: Subject) {
    let mut instance = subject.start("logs", Role::Logs).await;
    assert!(instance.ended().await.is_success());
    let mut lines = Vec::new();
    while let Some(line) = instance.stderr.recv().await {
        lines.push(line);
    }
    assert_eq!(lines, ["one", "", "three"]);
}

async fn a_line_too_long_ends_it_and_says_so(subject: Subject) {
    let mut instance = subject.start("long", Role::WritesTooMuch).await;
    let error = LineError::TooLong { limit: LINE };
    assert_eq!(instance.stdout.recv().await, Some(Err(error.clone())));
    assert_eq!(instance.stdout.recv().await, None);
    let exit = instance.ended().await;
    assert_eq!((exit.signal, exit.reason), (Some(9), error.to_string()));
}

async fn garbage_ends_it_and_says_so(subject: Subject) {
    let mut talk = talk(subject.start("garbage", Role::WritesGarbage).await);
    let refused = talk.client.initialize("garbage", 1, 1).await;
    assert!(matches!(refused, Err(rpc::Error::Ended { .. })), "{refused:?}");
    let Some(Inbound::Broken(reason)) = talk.inbound.recv().await else { panic!("it is not noticed") };
    assert!(reason.starts_with("not JSON") && reason.contains("Hello, world"), "{reason}");
    assert!(talk.inbound.recv().await.is_none());
    assert_eq!(ended(&mut talk.exit).await.reason, reason);
}

async fn asked_to_end_it_ends(subject: Subject) {
    let mut instance = subject.start("polite", Role::EndsWhenAsked).await;
    assert_eq!(line(&mut instance).await, "ready");
    instance.stopper.terminate();
    assert!(instance.ended().await.is_success());

    let mut instance = subject.start("plain", Role::NeverReads).await;
    assert_eq!(line(&mut instance).await, "ready");
    instance.stopper.terminate();
    assert_eq!(instance.ended().await.signal, Some(15), "who does not ask to be told is ended");
}

async fn who_ignores_that_is_killed(subject: Subject) {
    let mut instance = subject.start("stubborn", Role::IgnoresBeingAsked).await;
    assert_eq!(line(&mut instance).await, "ready");
    instance.stopper.terminate();
    assert!(timeout(NEVER, instance.ended()).await.is_err());
    instance.stopper.end("it did not end when asked to");
    let exit = instance.ended().await;
    assert_eq!((exit.signal, exit.reason.as_str()), (Some(9), "it did not end when asked to"));
}

async fn stopped_while_busy_its_calls_fail(subject: Subject) {
    let talk = Talk::echo(&subject, "busy").await;
    let (ended, ()) = tokio::join!(talk.ask(json!("hang")), async {
        assert_eq!(talk.ask(json!("after")).await, Ok(json!("after")), "the first one is with it now");
        talk.stopper.kill();
    });
    assert!(matches!(ended, Err(rpc::Error::Ended { .. })), "{ended:?}");
    let refused = talk.ask(json!(1)).await;
    assert!(matches!(refused, Err(rpc::Error::Ended { .. })), "{refused:?}");
    talk.kill().await;
}

async fn frozen_it_does_nothing_and_thawed_it_goes_on(subject: Subject) {
    let talk = Talk::echo(&subject, "frozen").await;
    talk.stopper.freeze();
    let mut asked = Box::pin(talk.ask(json!("frozen")));
    assert!(timeout(NEVER, &mut asked).await.is_err());
    assert_eq!(*talk.exit.borrow(), None);
    talk.stopper.thaw();
    assert_eq!((&mut asked).await, Ok(json!("frozen")));
    drop(asked);
    talk.kill().await;
}

async fn frozen_it_can_be_killed(subject: Subject) {
    let mut instance = subject.start("ice", Role::NeverReads).await;
    instance.stopper.freeze();
    assert!(timeout(NEVER, instance.ended()).await.is_err());
    instance.stopper.kill();
    assert_eq!(instance.ended().await.signal, Some(9));
}

async fn lines_it_does_not_read_are_bounded(subject: Subject) {
    let mut instance = subject.start("deaf", Role::NeverReads).await;
    assert_eq!(line(&mut instance).await, "ready");
    let long = Bytes::from(vec![b'x'; LINE]);
    let mut sent = 0;
    while timeout(NEVER, instance.stdin.send(long.clone())).await.is_ok() {
        sent += 1;
        assert!(sent <= STDIN_LINES + 1, "more than the channel and one in hand");
    }
    assert!(matches!(instance.stdin.try_send(long), Err(TrySendError::Full(_))));
    kill(instance).await;
}

async fn the_end_of_its_input_is_told(subject: Subject) {
    let Instance { stdin, mut stdout, mut exit, stopper, .. } = subject.start("eof", Role::Echo).await;
    drop(stdin);
    assert_eq!(stdout.recv().await, None);
    assert!(ended(&mut exit).await.is_success());
    drop(stopper);
}

async fn without_a_stopper_it_is_killed(subject: Subject) {
    let Instance { stdin, mut exit, stopper, .. } = subject.start("loose", Role::NeverReads).await;
    let other = stopper.clone();
    drop(stopper);
    assert!(timeout(NEVER, ended(&mut exit)).await.is_err(), "a clone is enough");
    drop(other);
    assert_eq!(ended(&mut exit).await.signal, Some(9));
    drop(stdin);
}

async fn two_run_at_once(subject: Subject) {
    let (first, second) = tokio::join!(Talk::echo(&subject, "first"), Talk::echo(&subject, "second"));
    let (one, two) = tokio::join!(first.ask(json!(1)), second.ask(json!(2)));
    assert_eq!((one, two), (Ok(json!(1)), Ok(json!(2))));
    first.kill().await;
    assert_eq!(second.ask(json!(3)).await, Ok(json!(3)), "the other one's end is not its own");
    second.kill().await;
}

async fn a_command_that_is_not_there_is_refused(subject: Subject) {
    let command = vec!["no-such-program-anywhere".to_owned()];
    let refused = subject.driver.start(subject.launch("absent", command)).await;
    assert!(matches!(refused, Err(Error::CommandNotFound { .. })), "{refused:?}");
    let refused = subject.driver.start(subject.launch("absent", Vec::new())).await;
    assert!(matches!(refused, Err(Error::CommandEmpty)), "{refused:?}");
}

async fn a_sweep_spares_what_this_life_started(subject: Subject) {
    let talk = Talk::echo(&subject, "spared").await;
    assert_eq!(subject.driver.sweep().await.expect("it sweeps"), 0);
    assert_eq!(talk.ask(json!(1)).await, Ok(json!(1)));
    talk.kill().await;
}
