//! The process driver: the suite, and what only processes can fail at.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use symbi_sandbox::driver::Home;
use symbi_sandbox::process::{Options, Process};
use symbi_sandbox::suite::{self, Subject, roles};
use symbi_sandbox::{Driver, Error, Instance, Launch};

fn driver(directory: &Path) -> Process {
    Process::new(Options::new(directory)).unwrap()
}

fn shell(agent: &str, script: &str) -> Launch {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let (agent, id) = (agent.to_owned(), "1".to_owned());
    Launch { agent, id, epoch: 3, incarnation: 7, command, ..Launch::default() }
}

async fn start(driver: &Process, launch: Launch) -> Instance {
    driver.start(launch).await.unwrap()
}

async fn output(instance: &mut Instance) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = instance.stdout.recv().await {
        lines.push(String::from_utf8(line.unwrap().to_vec()).unwrap());
    }
    lines
}

/// Whether a process of that pid runs; one that has ended and only waits to be reaped does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| !"ZX".contains(state))
}

fn pid_files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory.join("pids")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn passes_the_suite() {
    let directory = tempfile::tempdir().unwrap();
    let subject = Subject { driver: Arc::new(driver(directory.path())), command: roles::shell };
    assert!(suite::check(&subject).await.len() >= 20);
    assert!(pid_files(directory.path()).is_empty());
}

#[tokio::test]
async fn its_environment_is_small_and_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let env =
        BTreeMap::from([("COLOUR".to_owned(), "a b=c".to_owned()), ("SYMBI_AGENT".to_owned(), "other".to_owned())]);
    let mut instance = start(&driver, Launch { env, ..shell("tidy", "pwd; env | sort") }).await;
    let lines = output(&mut instance).await;
    assert!(lines[0].ends_with("/agents/tidy.1"), "{lines:?}");
    let names: Vec<_> = lines[1..].iter().map(|line| line.split('=').next().unwrap()).collect();
    let expected =
        ["COLOUR", "HOME", "LANG", "PATH", "PWD", "SYMBI_AGENT", "SYMBI_EPOCH", "SYMBI_INCARNATION", "SYMBI_RUN"];
    assert_eq!(names, expected);
    for line in ["COLOUR=a b=c", "SYMBI_AGENT=tidy", "SYMBI_EPOCH=3", "SYMBI_INCARNATION=7"] {
        assert!(lines.iter().any(|seen| seen == line), "{line}: {lines:?}");
    }
    assert!(instance.ended().await.is_success());
}

#[tokio::test]
async fn it_may_gain_no_privileges_leads_its_group_and_has_no_files_of_ours() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let secret = std::fs::File::create(directory.path().join("secret")).unwrap();
    let script = "grep NoNewPrivs /proc/self/status; cut -d' ' -f5 /proc/$$/stat; echo $$; ls -l /proc/$$/fd";
    let mut instance = start(&driver, shell("plain", script)).await;
    let lines = output(&mut instance).await;
    assert_eq!(lines[0], "NoNewPrivs:\t1");
    assert_eq!(lines[1], lines[2]);
    assert!(lines.len() > 6 && !lines.iter().any(|line| line.ends_with("/secret")), "{lines:?}");
    drop(secret);
}

#[tokio::test]
async fn its_memory_is_limited_unless_the_limit_is_zero() {
    const HOARD: &str = "import sys; x = bytearray(96 << 20); print(len(x))";
    const THREADS: &str = "import threading, time
threading.stack_size(512 << 10)
ts = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]; print('fine')";
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    for (agent, memory_mb, script, seen) in [
        ("hoarder", 64, HOARD, Vec::new()),
        ("free-hoarder", 0, HOARD, vec![(96 << 20).to_string()]),
        ("threads", 64, THREADS, vec!["fine".to_owned()]),
    ] {
        let command = ["python3", "-c", script].map(str::to_owned).to_vec();
        let mut instance = start(&driver, Launch { memory_mb, command, ..shell(agent, "") }).await;
        assert_eq!(output(&mut instance).await, seen, "{agent}");
        assert_eq!(instance.ended().await.is_success(), !seen.is_empty(), "{agent}");
    }
}

#[tokio::test]
async fn an_agent_finds_its_files_again_and_another_of_its_name_does_not() {
    const LOOK: &str = "ls; touch mine";
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let look = async |id: &str, incarnation: u64| {
        let launch = Launch { id: id.to_owned(), incarnation, ..shell("a", LOOK) };
        output(&mut start(&driver, launch).await).await
    };
    assert_eq!(look("1", 1).await, [""; 0]);
    assert_eq!(look("1", 2).await, ["mine"]);
    assert_eq!(look("2", 3).await, [""; 0]);
    let home = |id: &str| Home { agent: "a".to_owned(), id: id.to_owned() };
    let mut homes = driver.homes().await.unwrap();
    homes.sort();
    assert_eq!(homes, [home("1"), home("2")]);
    driver.remove_home(home("1")).await.unwrap();
    assert_eq!(driver.homes().await.unwrap(), [home("2")]);
    assert_eq!(look("1", 4).await, [""; 0], "nothing of it was left");
}

#[tokio::test]
async fn a_signal_of_its_own_making_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let exit = start(&driver, shell("faulty", "kill -SEGV $$")).await.ended().await;
    assert_eq!((exit.code, exit.signal, exit.reason.as_str()), (None, Some(11), "ended by signal 11 (SIGSEGV)"));
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let script = "sleep 600 & echo $!; setsid sleep 601 >/dev/null 2>&1 & sleep 0.1; exit 4";
    let mut instance = start(&driver, shell("messy", script)).await;
    let child = instance.stdout.recv().await.unwrap().unwrap();
    assert_eq!(instance.ended().await.code, Some(4), "the code is its own, and not that of what it left");
    assert!(!runs(std::str::from_utf8(&child).unwrap()));
    let mark = directory.path().canonicalize().unwrap().display().to_string();
    assert_eq!(marked(&mark), Vec::<String>::new());
    assert!(pid_files(directory.path()).is_empty());
}

/// Pids of the processes with that text in their environment.
fn marked(mark: &str) -> Vec<String> {
    let pids = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let own = std::process::id().to_string();
    let marked = |pid: &String| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        *pid != own && String::from_utf8_lossy(&environment).contains(&format!("SYMBI_RUN={mark}/")) && runs(pid)
    };
    pids.filter(marked).collect()
}

#[tokio::test]
async fn the_same_run_is_not_started_twice_and_the_next_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let mut first = start(&driver, shell("one", "read -r line")).await;
    let refused = driver.start(shell("one", "exit 0")).await;
    assert!(matches!(refused, Err(Error::AlreadyRunning { .. })), "{refused:?}");
    let mut next = start(&driver, Launch { incarnation: 8, ..shell("one", "exit 0") }).await;
    assert!(next.ended().await.is_success());
    first.stopper.kill();
    first.ended().await;
    assert!(start(&driver, shell("one", "exit 0")).await.ended().await.is_success());
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let bare = Options { path: directory.path().display().to_string(), ..Options::new(directory.path()) };
    let bare = Process::new(bare).unwrap();
    let missing = bare.fingerprint().await.missing;
    assert_eq!(missing[0], "setpriv is not installed; it is in Debian's package util-linux");
    assert_eq!(missing.len(), 3);
    let refused = bare.start(shell("a", "exit 0")).await.unwrap_err();
    assert_eq!(refused.to_string(), missing[0]);

    let driver = driver(directory.path());
    let cases = [
        (vec!["/no/such/file"], "there is no executable \"/no/such/file\""),
        (vec!["/etc/passwd"], "there is no executable \"/etc/passwd\""),
        (vec!["a\0b"], "cannot be part of a command"),
    ];
    for (command, reason) in cases {
        let command = command.into_iter().map(str::to_owned).collect();
        let refused = driver.start(Launch { command, ..shell("a", "") }).await.unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
    for name in ["", ".", "../b", "a/b", ".a", "ü"] {
        for launch in [shell(name, "exit 0"), Launch { id: name.to_owned(), ..shell("a", "exit 0") }] {
            let refused = driver.start(launch).await;
            assert!(matches!(refused, Err(Error::BadName { .. })), "{name:?}: {refused:?}");
        }
    }
    assert!(pid_files(directory.path()).is_empty());
}

#[tokio::test]
async fn the_end_of_the_driver_is_the_end_of_its_processes() {
    let directory = tempfile::tempdir().unwrap();
    let driver = driver(directory.path());
    let mut instance = start(&driver, shell("child", "echo ready; exec sleep 600")).await;
    assert_eq!(instance.stdout.recv().await.unwrap().unwrap(), "ready");
    drop(driver);
    assert_eq!(instance.ended().await.signal, Some(9));
}

fn sleeper(mark: Option<String>) -> Child {
    let mut sleep = Command::new("sleep");
    sleep.arg("600").process_group(0).envs(mark.map(|mark| ("SYMBI_RUN", mark))).stdin(Stdio::null());
    sleep.spawn().unwrap()
}

fn stat_start(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap()
}

/// Pid files of an earlier life: one names a process that still runs, one a pid that is somebody else's by now, one a
/// process of an earlier boot, one was never written to its end.
#[tokio::test]
async fn a_sweep_ends_orphans_and_spares_whoever_has_their_pid_now() {
    let directory = tempfile::tempdir().unwrap();
    let run_dir = directory.path().canonicalize().unwrap();
    let driver = driver(directory.path());
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let (mut orphan, mut marked) = (sleeper(None), sleeper(Some(format!("{}/x@1.1", run_dir.display()))));
    let (mut reused, mut rebooted) = (sleeper(None), sleeper(None));
    let mut elsewhere = sleeper(Some(format!("{}-2/x@1.1", run_dir.display())));
    let write = |name: &str, text: String| std::fs::write(run_dir.join("pids").join(name), text).unwrap();
    write("a@1.1.pid", format!("{} {} {boot}", orphan.id(), stat_start(orphan.id())));
    write("b@1.1.pid", format!("{} {} {boot}", reused.id(), stat_start(reused.id()) - 1));
    write("c@1.1.pid", format!("{} {} another-boot\n", rebooted.id(), stat_start(rebooted.id())));
    write("d@1.1.pid", format!("{}", rebooted.id()));

    let mut instance = start(&driver, shell("new", "exit 0")).await;
    assert!(instance.ended().await.is_success());
    assert_eq!(driver.sweep().await.unwrap(), 0, "the first start has swept");
    assert!(orphan.try_wait().unwrap().is_some() && marked.try_wait().unwrap().is_some());
    for spared in [&mut reused, &mut rebooted, &mut elsewhere] {
        assert!(spared.try_wait().unwrap().is_none());
        spared.kill().unwrap();
        spared.wait().unwrap();
    }
    assert!(pid_files(directory.path()).is_empty());
}

const EARLIER_LIFE: &str = "SYMBI_TEST_EARLIER_LIFE";

/// Not a test of its own: the life that the next one kills. It starts an agent with a child and waits for its death.
#[tokio::test]
async fn earlier_life() {
    let Ok(directory) = std::env::var(EARLIER_LIFE) else { return };
    let driver = driver(Path::new(&directory));
    let mut instance = start(&driver, shell("agent", "sleep 600 & echo $$ $!; wait")).await;
    let pids = instance.stdout.recv().await.unwrap().unwrap();
    std::fs::write(Path::new(&directory).join("pids.tmp"), &pids).unwrap();
    std::fs::rename(Path::new(&directory).join("pids.tmp"), Path::new(&directory).join("started")).unwrap();
    println!("started");
    instance.ended().await;
}

#[tokio::test]
async fn a_killed_life_leaves_no_agent_and_its_sweep_no_child_of_one() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let directory = tempfile::tempdir().unwrap();
    let mut life = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::earlier_life", "--nocapture"])
        .env(EARLIER_LIFE, directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(life.stdout.take().unwrap()).lines();
    while lines.next_line().await.unwrap().expect("it starts an agent") != "started" {}
    let pids = std::fs::read_to_string(directory.path().join("started")).unwrap();
    let (agent, child) = pids.trim().split_once(' ').unwrap();
    assert!(runs(agent) && runs(child));
    life.kill().await.unwrap();

    let swept = driver(directory.path()).sweep().await.unwrap();
    assert!((1..=2).contains(&swept), "the child, and the agent if the kernel has not been faster: {swept}");
    assert!(!runs(agent) && !runs(child));
    assert!(pid_files(directory.path()).is_empty());
}

#[tokio::test]
async fn more_starts_at_once_than_can_wait_for_the_thread_wait_their_turn() {
    const MANY: usize = 1_100;
    let directory = tempfile::tempdir().unwrap();
    let driver = Arc::new(driver(directory.path()));
    let mut starts = tokio::task::JoinSet::new();
    for number in 0..MANY {
        let driver = Arc::clone(&driver);
        starts.spawn(async move {
            let mut instance = driver.start(shell(&format!("a{number}"), "exit 3")).await?;
            Ok::<_, Error>(instance.ended().await.code)
        });
    }
    let codes: Vec<_> = starts.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(codes, vec![Some(3); MANY]);
}
