//! The parts that the suite's programs play, in shell and as futures.

use crate::builtin;
use crate::lines::LINE;
use crate::scripted::{Io, Scripted};
use std::future::pending;

/// What a program of the suite does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers each message with its own payload, and never answers the payload `"hang"`.
    Echo,
    /// Reads a line and exits with 3.
    ExitsWith3,
    /// Exits with 7 without having read anything.
    CrashesAtOnce,
    /// Writes `one`, an empty line and `three` to its log, and exits with 0.
    Logs,
    /// Writes a line of one byte too many and waits.
    WritesTooMuch,
    /// Writes a line that is no JSON and waits.
    WritesGarbage,
    /// Writes `ready`, reads nothing and waits.
    NeverReads,
    /// Writes `ready`, and exits with 0 when asked to end.
    EndsWhenAsked,
    /// Writes `ready`, and does not care about being asked to end.
    IgnoresBeingAsked,
}

/// An agent in shell. It relies on the order of members in what is written to it.
const ECHO: &str = r#"
while IFS= read -r line; do
    id=${line#*\"id\":}; id=${id%%,*}
    method=${line#*\"method\":\"}; method=${method%%\"*}
    payload=${line#*\"payload\":}; payload=${payload%??}
    [ "$method" = initialize ] && payload=null
    [ "$payload" = '"hang"' ] && continue
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$payload"
done
"#;

/// A role as a command for a POSIX shell.
pub fn shell(role: Role) -> Vec<String> {
    let script = match role {
        Role::Echo => ECHO.to_owned(),
        Role::ExitsWith3 => "read -r line; exit 3".to_owned(),
        Role::CrashesAtOnce => "exit 7".to_owned(),
        Role::Logs => r"printf 'one\n\nthree\n' >&2".to_owned(),
        Role::WritesTooMuch => {
            format!("dd if=/dev/zero bs={} count=1 2>/dev/null | tr '\\0' x; echo; exec sleep 600", LINE + 1)
        }
        Role::WritesGarbage => "echo Hello, world; exec sleep 600".to_owned(),
        Role::NeverReads => "echo ready; exec sleep 600".to_owned(),
        Role::EndsWhenAsked => "trap 'exit 0' TERM; echo ready; while :; do sleep 600 & wait; done".to_owned(),
        Role::IgnoresBeingAsked => "trap '' TERM; echo ready; while :; do sleep 600; done".to_owned(),
    };
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

/// A role as a command for [`scripted`].
pub fn named(role: Role) -> Vec<String> {
    vec![format!("{role:?}")]
}

/// A driver that plays every role.
pub fn scripted() -> Scripted {
    let name = |role: Role| format!("{role:?}");
    Scripted::new()
        .program(name(Role::Echo), builtin::echo)
        .program(name(Role::ExitsWith3), |mut io| async move {
            io.stdin.recv().await;
            3
        })
        .program(name(Role::CrashesAtOnce), |_| async { 7 })
        .program(name(Role::Logs), |mut io| async move {
            ["one", "", "three"].into_iter().for_each(|line| io.log(line));
            0
        })
        .program(name(Role::WritesTooMuch), |io| say(io, "x".repeat(LINE + 1)))
        .program(name(Role::WritesGarbage), |io| say(io, "Hello, world".to_owned()))
        .program(name(Role::NeverReads), |io| say(io, "ready".to_owned()))
        .program(name(Role::EndsWhenAsked), |io| async move {
            let asked = io.on_terminate();
            io.stdout.write("ready").await;
            asked.cancelled().await;
            0
        })
        .program(name(Role::IgnoresBeingAsked), |io| async move {
            let _asked = io.on_terminate();
            say(io, "ready".to_owned()).await
        })
}

async fn say(io: Io, line: String) -> i32 {
    io.stdout.write(line).await;
    pending().await
}
