//! Golden scripts of the leader's grants: what happens to the core on the left, what it wants done below it.

use super::{Answer, Effect, Event, Leader, Standing, Verdict};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::planted::{self, Defect};

/// A defect is planted in the whole process: scripts run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a script, one event a line:
/// `at MS` · `lead TERM FIRST_INDEX NODE…` (also `NODE:down`, `NODE:joining`) · `nodes NODE…` · `ask NODE` · `tick` ·
/// `confirm TERM READ_INDEX` or `confirm none` (the last round) · `settle NODE down|up INDEX|refused-INDEX|unknown` ·
/// `pass SECONDS NODE…`: each second a tick, and the named nodes ask and their rounds are confirmed with index 50; only other
/// effects than their grants are shown.
struct Script {
    /// The core.
    leader: Option<Leader>,
    /// The time.
    now: Duration,
    /// Who asked, by request.
    requests: Vec<String>,
    /// The last round begun.
    round: u64,
    /// What happened.
    trace: String,
}

fn run(script: &str) -> String {
    let mut run = Script { leader: None, now: Duration::ZERO, requests: Vec::new(), round: 0, trace: String::new() };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        writeln!(run.trace, "{:<5} {line}", run.now.as_millis()).expect("a string");
        run.line(&words);
    }
    run.trace
}

fn check(script: &str, expected: &Expect) {
    let _alone = alone();
    expected.assert_eq(&run(script));
}

fn id(name: &str) -> NodeId {
    NodeId([name.as_bytes()[0]; 32])
}

fn name(id: NodeId) -> char {
    char::from(id.0[0])
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn standings(words: &[&str]) -> BTreeMap<NodeId, Standing> {
    let standing = |word: &&str| {
        let (name, mark) = word.split_once(':').unwrap_or((word, ""));
        (id(name), Standing { member: mark != "joining", down: mark == "down" })
    };
    words.iter().map(standing).collect()
}

impl Script {
    fn line(&mut self, words: &[&str]) {
        match *words {
            ["at", ms] => self.now = Duration::from_millis(number(ms)),
            ["lead", term, first, ref nodes @ ..] => {
                self.leader = Some(Leader::new(number(term), number(first), standings(nodes), self.now));
            }
            ["pass", seconds, ref nodes @ ..] => self.pass(number(seconds), nodes),
            _ => {
                let event = self.event(words);
                for effect in self.feed(event) {
                    self.show(&effect);
                }
            }
        }
    }

    fn event(&mut self, words: &[&str]) -> Event {
        match *words {
            ["nodes", ref nodes @ ..] => Event::Nodes(standings(nodes)),
            ["ask", node] => self.ask(node),
            ["tick"] => Event::Tick,
            ["confirm", "none"] => Event::Confirmed { round: self.round, result: None },
            ["confirm", term, index] => {
                Event::Confirmed { round: self.round, result: Some((number(term), number(index))) }
            }
            ["settle", node, verdict, outcome] => {
                let verdict = if verdict == "down" { Verdict::Down } else { Verdict::Up };
                let outcome = match outcome.strip_prefix("refused-") {
                    _ if outcome == "unknown" => None,
                    Some(index) => Some((number(index), false)),
                    None => Some((number(outcome), true)),
                };
                Event::Settled { node: id(node), verdict, outcome }
            }
            _ => panic!("no such event: {words:?}"),
        }
    }

    fn ask(&mut self, node: &str) -> Event {
        self.requests.push(node.to_owned());
        Event::Asked { request: self.requests.len() as u64, node: id(node) }
    }

    fn feed(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.leader.as_mut().expect("a `lead` comes first").handle(event, self.now);
        for effect in &effects {
            if let Effect::Confirm { round } = effect {
                self.round = *round;
            }
        }
        effects
    }

    fn pass(&mut self, seconds: u64, nodes: &[&str]) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            let mut effects = self.feed(Event::Tick);
            for node in nodes {
                let ask = self.ask(node);
                effects.extend(self.feed(ask));
            }
            while let Some(effect) = (!effects.is_empty()).then(|| effects.remove(0)) {
                match effect {
                    Effect::Confirm { round } => {
                        let term = self.leader.as_ref().expect("a leader").term();
                        effects.extend(self.feed(Event::Confirmed { round, result: Some((term, 50)) }));
                    }
                    Effect::Answer { answer: Answer::Granted { .. }, .. } => {}
                    other => self.show(&other),
                }
            }
        }
    }

    fn show(&mut self, effect: &Effect) {
        let text = match effect {
            Effect::Confirm { round } => format!("begin round {round}"),
            Effect::Answer { request, answer } => {
                let node = &self.requests[usize::try_from(*request).expect("few") - 1];
                match answer {
                    Answer::Granted { term, read_index } => {
                        format!("grant {node}: term {term}, read index {read_index}")
                    }
                    Answer::NotLeading => format!("refuse {node}: not leading"),
                    Answer::Down => format!("refuse {node}: down"),
                }
            }
            Effect::Propose { node, verdict } => format!("propose {verdict:?} {}", name(*node)),
        };
        writeln!(self.trace, "{:<5}     -> {text}", self.now.as_millis()).expect("a string");
    }
}

#[test]
fn a_grant_answers_after_a_round_begun_after_the_request() {
    let script = "
        lead 3 17 a b c
        ask a
        ask b
        at 5
        ask c
        confirm 3 20
        confirm 3 21";
    check(
        script,
        &expect![[r#"
        0     lead 3 17 a b c
        0     ask a
        0         -> begin round 1
        0     ask b
        0     at 5
        5     ask c
        5     confirm 3 20
        5         -> grant a: term 3, read index 20
        5         -> begin round 2
        5     confirm 3 21
        5         -> grant b: term 3, read index 21
        5         -> grant c: term 3, read index 21
    "#]],
    );
}

#[test]
fn the_read_index_is_never_below_the_first_entry_of_the_term() {
    check(
        "
        lead 3 17 a
        ask a
        confirm 3 12",
        &expect![[r#"
            0     lead 3 17 a
            0     ask a
            0         -> begin round 1
            0     confirm 3 12
            0         -> grant a: term 3, read index 17
        "#]],
    );
}

#[test]
fn a_deposed_leader_grants_nothing() {
    check(
        "
        lead 3 17 a b
        ask a
        confirm none
        ask b
        at 1000
        tick
        confirm 4 30",
        &expect![[r#"
            0     lead 3 17 a b
            0     ask a
            0         -> begin round 1
            0     confirm none
            0         -> refuse a: not leading
            0     ask b
            0         -> begin round 2
            0     at 1000
            1000  tick
            1000  confirm 4 30
            1000      -> refuse b: not leading
            1000      -> begin round 3
        "#]],
    );
}

#[test]
fn a_stranger_is_refused_and_a_joiner_is_not_declared_down_for_silence() {
    check(
        "
        lead 3 17 a j:joining
        ask x
        ask j
        confirm 3 20
        confirm 3 20
        pass 12 a
        nodes a j
        pass 9 a
        pass 1 a",
        &expect![[r#"
            0     lead 3 17 a j:joining
            0     ask x
            0         -> refuse x: down
            0         -> begin round 1
            0     ask j
            0     confirm 3 20
            0         -> begin round 2
            0     confirm 3 20
            0         -> grant j: term 3, read index 20
            0     pass 12 a
            12000 nodes a j
            12000 pass 9 a
            21000 pass 1 a
            22000     -> propose Down j
        "#]],
    );
}

#[test]
fn an_idle_leader_keeps_proving_that_it_leads() {
    check(
        "
        lead 3 17 a
        tick
        confirm 3 20
        at 900
        tick
        at 1000
        tick",
        &expect![[r#"
            0     lead 3 17 a
            0     tick
            0         -> begin round 1
            0     confirm 3 20
            0     at 900
            900   tick
            900   at 1000
            1000  tick
            1000      -> begin round 2
        "#]],
    );
}

/// The script that finds the defect `CondemnBeforePlace`.
const FALL: &str = "
        lead 3 17 a b c
        pass 2 a b c
        pass 9 a b
        pass 1 a b
        ask c
        confirm 3 50
        settle c down 60
        at 12500
        ask c
        settle c up 62
        ask c
        confirm 3 61
        pass 9 a b
        pass 1 a b";

fn fall() -> Expect {
    expect![[r#"
        0     lead 3 17 a b c
        0     pass 2 a b c
        2000  pass 9 a b
        11000 pass 1 a b
        12000     -> propose Down c
        12000 ask c
        12000     -> refuse c: down
        12000 confirm 3 50
        12000 settle c down 60
        12000 at 12500
        12500 ask c
        12500     -> propose Up c
        12500     -> refuse c: down
        12500 settle c up 62
        12500 ask c
        12500     -> begin round 25
        12500 confirm 3 61
        12500     -> grant c: term 3, read index 62
        12500 pass 9 a b
        21500 pass 1 a b
        22500     -> propose Down c
    "#]]
}

#[test]
fn a_silent_node_is_declared_down_and_granted_nothing_until_that_has_an_outcome() {
    check(FALL, &fall());
}

#[test]
fn the_defect_that_grants_to_a_node_declared_down_is_found_by_the_script() {
    let _alone = alone();
    planted::plant(Some(Defect::CondemnBeforePlace));
    assert!(planted::active(Defect::CondemnBeforePlace), "the tests are built without planted defects");
    let trace = run(FALL);
    planted::plant(None);
    assert_ne!(trace, fall().data(), "the script does not see the defect");
    let fall = trace.find("propose Down c").expect("c is declared down");
    let settled = trace.find("settle c down 60").expect("and that has an outcome");
    assert!(trace[fall..settled].contains("grant c"), "{trace}");
}

#[test]
fn a_fall_whose_fate_is_unknown_is_proposed_again_and_grants_nothing_meanwhile() {
    check(
        "
        lead 3 17 a b
        pass 10 a
        pass 1 a
        settle b down unknown
        ask b
        pass 1 a
        settle b down refused-70
        ask b
        confirm 3 50
        confirm 3 50",
        &expect![[r#"
            0     lead 3 17 a b
            0     pass 10 a
            10000 pass 1 a
            11000     -> propose Down b
            11000 settle b down unknown
            11000 ask b
            11000     -> refuse b: down
            11000 pass 1 a
            12000     -> propose Down b
            12000 settle b down refused-70
            12000 ask b
            12000     -> begin round 25
            12000 confirm 3 50
            12000     -> grant b: term 3, read index 70
            12000 confirm 3 50
        "#]],
    );
}

#[test]
fn a_node_that_was_down_before_comes_up_when_it_asks() {
    check(
        "
        lead 3 17 a b:down
        pass 20 a
        ask b
        settle b up unknown
        ask b
        ask b
        settle b up 80
        ask b
        confirm 3 50",
        &expect![[r#"
            0     lead 3 17 a b:down
            0     pass 20 a
            20000 ask b
            20000     -> propose Up b
            20000     -> refuse b: down
            20000 settle b up unknown
            20000 ask b
            20000     -> propose Up b
            20000     -> refuse b: down
            20000 ask b
            20000     -> refuse b: down
            20000 settle b up 80
            20000 ask b
            20000     -> begin round 41
            20000 confirm 3 50
            20000     -> grant b: term 3, read index 80
        "#]],
    );
}

#[test]
fn a_new_leaders_clock_starts_with_its_first_confirmed_round() {
    check(
        "
        lead 3 17 a b
        tick
        at 9000
        confirm 3 20
        confirm 3 20
        pass 9 a
        pass 1 a",
        &expect![[r#"
            0     lead 3 17 a b
            0     tick
            0         -> begin round 1
            0     at 9000
            9000  confirm 3 20
            9000      -> begin round 2
            9000  confirm 3 20
            9000  pass 9 a
            18000 pass 1 a
            19000     -> propose Down b
        "#]],
    );
}

#[test]
fn a_leader_that_slept_or_was_cut_off_declares_nobody_down_for_it() {
    check(
        "
        lead 3 17 a b
        pass 2 a b
        at 30000
        tick
        confirm 3 50
        pass 9 a
        pass 1 a",
        &expect![[r#"
            0     lead 3 17 a b
            0     pass 2 a b
            2000  at 30000
            30000 tick
            30000     -> begin round 5
            30000 confirm 3 50
            30000 pass 9 a
            39000 pass 1 a
            40000     -> propose Down b
        "#]],
    );
}
