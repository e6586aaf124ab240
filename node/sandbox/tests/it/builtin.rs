//! The builtin agents, over a driver with processes and over one without.

use std::sync::Arc;
use symbi_sandbox::builtin::{Builtin, ECHO, OWNER};
use symbi_sandbox::process::{Options, Process};
use symbi_sandbox::suite::{self, Role, Subject, roles};
use symbi_sandbox::{Driver, Error, Launch};

fn launch(command: &str, owner: &str) -> Launch {
    let command = vec![command.to_owned()];
    Launch { agent: "measured".to_owned(), owner: owner.to_owned(), command, ..Launch::default() }
}

/// The echo as the builtin agent, every other role as the scripted driver has it.
fn with_its_own_echo(role: Role) -> Vec<String> {
    if role == Role::Echo { vec![ECHO.to_owned()] } else { roles::named(role) }
}

#[tokio::test(start_paused = true)]
async fn the_echo_passes_the_suite() {
    let driver = Arc::new(Builtin::over(roles::scripted()));
    assert!(suite::check(&Subject { driver, command: with_its_own_echo }).await.len() >= 20);
}

#[tokio::test]
async fn what_it_starts_through_the_process_driver_passes_the_suite() {
    let directory = tempfile::tempdir().unwrap();
    let driver = Arc::new(Builtin::over(Process::new(Options::new(directory.path())).unwrap()));
    assert!(suite::check(&Subject { driver, command: roles::shell }).await.len() >= 20);
}

#[tokio::test]
async fn only_its_owner_has_it_and_only_what_there_is() {
    let driver = Builtin::over(roles::scripted());
    let refused = driver.start(launch(ECHO, "demo")).await;
    assert!(matches!(&refused, Err(Error::NotItsOwner { owner, .. }) if owner == "demo"), "{refused:?}");
    let refused = driver.start(launch("builtin:shell", OWNER)).await;
    assert!(matches!(refused, Err(Error::CommandNotFound { .. })), "{refused:?}");
    let mut instance = driver.start(launch(ECHO, OWNER)).await.unwrap();
    instance.stopper.kill();
    assert_eq!(instance.ended().await.signal, Some(9));
}
