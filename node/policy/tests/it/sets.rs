//! What sets may speak of beside names: groups, labels, context; who may be locked out by one; and when none is judged by.

use crate::fixture::{add_agent, add_node, agent, apply_policies, apply_set, cluster, from, label, node_id, user};
use expect_test::expect;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use symbi_model::agent::{Resources, Spec};
use symbi_model::policy::NO_ENTITIES;
use symbi_model::{PolicyNumber, State};
use symbi_policy::{
    Administer, AdmitNode, ApplyPolicies, Ask, Candidate, Clocks, CreateAgent, ExportAudit, Gate, Options, RemoveNode,
    STARTER, Tell,
};

fn gate() -> Gate {
    crate::fixture::gate().0
}

fn state(text: &str) -> State {
    let mut state = cluster(text);
    add_agent(&mut state, "a", "demo", 1, 5);
    add_agent(&mut state, "b", "demo", 2, 6);
    state
}

fn ask(gate: &Gate, state: &State, to: &str) -> bool {
    gate.judge(state, Ask { from: from("a"), to: agent(to) }).is_ok()
}

const GROUPS: &str = r#"[
    {"uid": {"type": "Agent", "id": "a"}, "parents": [{"type": "Group", "id": "night"}]},
    {"uid": {"type": "Group", "id": "night"}, "parents": [{"type": "Group", "id": "ops"}]}
]"#;

#[test]
fn groups_count_whether_the_scope_or_a_condition_asks_for_them() {
    let gate = gate();
    for (text, allowed) in [
        (r#"permit (principal in Group::"night", action, resource);"#, true),
        (r#"permit (principal in Group::"ops", action, resource);"#, true),
        (r#"permit (principal in Group::"day", action, resource);"#, false),
        (r#"permit (principal, action, resource) when { principal in Group::"ops" };"#, true),
        (r#"permit (principal, action, resource) when { resource in Group::"ops" };"#, false),
        // Neither of the two that are judged: it is there since the policy names it.
        (r#"permit (principal, action, resource) when { Group::"night" in Group::"ops" };"#, true),
        (r#"permit (principal is Agent, action, resource) when { Agent::"b".owner == principal.owner };"#, true),
    ] {
        Candidate::check(text, GROUPS).unwrap();
        let mut state = state(STARTER);
        apply_set(&mut state, 2, text, GROUPS);
        assert_eq!(ask(&gate, &state, "b"), allowed, "{text}");
    }
}

#[test]
fn labels_of_agents_and_nodes_are_seen() {
    let (gate, mut state) = (
        gate(),
        state(
            r#"
        permit (principal, action, resource is Agent) when { resource.labels.contains("team=x") };
        permit (principal, action, resource is Node) when { resource.labels.contains("zone=a") };"#,
        ),
    );
    assert!(!ask(&gate, &state, "b"));
    label(&mut state, "b", &["team=x", "tier=gold"]);
    assert!(ask(&gate, &state, "b"));
    let admit = |labels: &[&str]| AdmitNode {
        user: "eve".to_owned(),
        name: "n4".to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    assert!(gate.judge(&state, admit(&["zone=a"])).is_ok());
    assert!(gate.judge(&state, admit(&["zone=b"])).is_err());
    let remove = || RemoveNode { principal: user("eve"), node: node_id(3) };
    let denied = gate.judge(&state, remove()).unwrap_err();
    assert!(denied.reason.contains("(no such node)"), "{}", denied.reason);
    add_node(&mut state, 3, vec![4; 65]);
    assert!(gate.judge(&state, remove()).is_err());
    state.nodes.get_mut(&node_id(3)).unwrap().profile.labels = BTreeSet::from(["zone=a".to_owned()]);
    assert!(gate.judge(&state, remove()).is_ok());
}

#[test]
fn the_context_of_a_new_agent_is_what_it_reserves() {
    let text = r#"permit (principal, action == Action::"agent::create", resource)
        when { context.memory_mb <= 512 && context.cpu_millis <= 1000 && context.priority == 0 };"#;
    let (gate, state) = (gate(), state(text));
    let create = |memory_mb, priority| {
        let spec = Spec::new("new".parse().unwrap(), "demo", vec!["true".to_owned()]);
        let spec = Spec { resources: Resources { memory_mb, cpu_millis: 100 }, priority, ..spec };
        gate.judge(&state, CreateAgent { principal: user("eve"), spec: spec.into() })
    };
    assert!(create(512, 0).is_ok());
    assert!(create(512, 1).is_err());
    let denied = create(513, 0).unwrap_err();
    let verdict = gate.verdict(&denied.decision).unwrap();
    assert_eq!(verdict.context["context.memory_mb"], "513");
    let clauses: Vec<String> = verdict.nearest[0].clauses.iter().map(|clause| clause.in_words()).collect();
    expect![[r#"
        true   principal
        true   action == Action::"agent::create"  [action = Action::"agent::create"]
        true   resource
        false  when { context.memory_mb <= 512 }  [context.memory_mb = 513]
        true   when { context.cpu_millis <= 1000 }  [context.cpu_millis = 100]
        true   when { context.priority == 0 }  [context.priority = 0]"#]]
    .assert_eq(&clauses.join("\n"));
}

#[test]
fn a_denial_names_what_came_nearest_and_why_not() {
    let text = r#"
        @id("far") permit (principal is User, action == Action::"agent::stop", resource) when { principal.name == "z" };
        @id("near") permit (principal in Group::"ops", action in [Action::"message::ask", Action::"message::tell"], resource)
        when { principal has owner && principal.owner == "demo" }
        unless { resource.labels.contains("quiet") || resource.tier == "microvm" };
        @id("broken") permit (principal is Agent, action, resource) when { resource.owner == "x" } when { Agent::"gone".owner == "x" };
        @id("never") forbid (principal, action, resource) when { principal is User };"#;
    let (gate, mut state) = (gate(), state(text));
    apply_set(&mut state, 2, text, GROUPS);
    label(&mut state, "b", &["quiet"]);
    let denied = gate.judge(&state, Ask { from: from("a"), to: agent("b") }).unwrap_err();
    let verdict = gate.verdict(&denied.decision).unwrap();
    let mut shown = String::new();
    for nearest in &verdict.nearest {
        shown += &format!("{}: {} of {}\n", nearest.policy, nearest.held(), nearest.clauses.len());
        shown.extend(nearest.clauses.iter().map(|clause| format!("  {}\n", clause.in_words())));
    }
    expect![[r#"
        near: 6 of 7
          true   principal in Group::"ops"  [principal = Agent::"a", principal's groups = [Group::"night", Group::"ops"]]
          true   action in [Action::"message::ask", Action::"message::tell"]  [action = Action::"message::ask"]
          true   resource
          true   when { principal has owner }  [principal = Agent::"a"]
          true   when { principal.owner == "demo" }  [principal.owner = "demo"]
          false  unless { resource.labels.contains("quiet") }  [resource.labels = ["quiet"]]
          true   unless { resource.tier == "microvm" }  [resource.tier = "process"]
        broken: 3 of 5
          true   principal is Agent  [principal = Agent::"a"]
          true   action
          true   resource
          false  when { resource.owner == "x" }  [resource.owner = "demo"]
          error  when { Agent::"gone".owner == "x" }  [entity `Agent::"gone"` does not exist]
        far: 1 of 4
          false  principal is User  [principal = Agent::"a"]
          false  action == Action::"agent::stop"  [action = Action::"message::ask"]
          true   resource
          error  when { principal.name == "z" }  [`Agent::"a"` does not have the attribute `name`; principal.name = not there]
    "#]].assert_eq(&shown);
}

#[test]
fn whoever_a_set_would_lock_out_cannot_apply_it() {
    let (gate, state) = (gate(), state(STARTER));
    let keeps_open = |text: &str, name: &str| {
        let candidate = Candidate::check(text, NO_ENTITIES).unwrap();
        gate.keeps_open(&state, &candidate, &ApplyPolicies { principal: user(name) })
    };
    assert_eq!(keeps_open(STARTER, "admin").as_deref(), Ok("admin"));
    let nobody = keeps_open("", "admin").unwrap_err();
    expect![[r#"the new policies would lock you out: no policy of set 2 permits User::"admin" to policy::apply Cluster::"symbi""#]]
        .assert_eq(&nobody.to_string());
    assert!(keeps_open(STARTER, "eve").is_err());
    let forbids = format!("{STARTER}\nforbid (principal, action == Action::\"policy::apply\", resource);");
    assert!(keeps_open(&forbids, "admin").is_err());
    let fails = format!("{STARTER}\nforbid (principal, action, resource) when {{ 9223372036854775807 + 1 == 0 }};");
    assert!(keeps_open(&fails, "admin").unwrap_err().to_string().contains("cannot be evaluated"));
}

#[test]
fn without_a_leader_for_ten_seconds_nothing_is_permitted_that_policies_decide() {
    let now_ms = Arc::new(AtomicU64::new(500_000));
    let read = now_ms.clone();
    let boottime = Arc::new(move || Duration::from_millis(read.load(Ordering::Relaxed)));
    let gate = Gate::new(Options::new(node_id(1)), Clocks { wall_ms: Arc::new(|| crate::fixture::NOW_MS), boottime });
    let state = state(STARTER);
    let export = || {
        gate.judge(&state, ExportAudit { principal: user("admin") })
            .map_err(|denied| (denied.leaderless, denied.reason))
    };
    let leaderless = |reason: &str| Err((true, reason.to_owned()));
    let permitted = |judged: Result<symbi_policy::Permit<ExportAudit>, _>| judged.map(|_| ());
    assert_eq!(
        permitted(export()),
        leaderless("this node has heard no leader since it started, so it permits nothing")
    );
    gate.heard(Duration::from_millis(499_000));
    // What is kept of a message is no way around it.
    assert!(ask(&gate, &state, "b") && ask(&gate, &state, "b") && export().is_ok());
    now_ms.store(508_999, Ordering::Relaxed);
    assert!(export().is_ok() && ask(&gate, &state, "b"));
    now_ms.store(509_000, Ordering::Relaxed);
    let reason = "this node has heard no leader for 10 s, so it permits nothing: its policies may be old";
    assert_eq!(permitted(export()), leaderless(reason));
    assert!(!ask(&gate, &state, "b"));
    assert!(gate.judge(&state, Administer { principal: user("admin"), what: "token create" }).is_ok());
    // An answer that was long on its way says less than one that came before it.
    gate.heard(Duration::from_millis(498_000));
    assert!(export().is_err());
    gate.heard(Duration::from_millis(509_000));
    assert!(export().is_ok() && ask(&gate, &state, "b"), "it comes back by itself");
}

#[test]
fn a_message_like_one_before_it_is_judged_anew_once_anything_has_changed() {
    let gate = gate();
    let same_owner = r#"permit (principal, action, resource) when { principal.owner == resource.owner };"#;
    let mut state = state(same_owner);
    for _ in 0..3 {
        assert!(ask(&gate, &state, "b"));
    }
    assert!(gate.judge(&state, Tell { from: from("b"), to: agent("a") }).is_ok());
    // Somebody of the same name who is no agent.
    assert!(gate.judge(&state, Ask { from: user("a"), to: agent("b") }).is_err());
    let before = state.clone();
    add_agent(&mut state, "b", "mallory", 2, 7);
    assert!(!ask(&gate, &state, "b"), "the receiver is another one now");
    assert!(ask(&gate, &before, "b"), "a state of before is judged as it is");
    state.agents.remove(&"b".parse::<symbi_model::agent::AgentName>().unwrap());
    assert!(!ask(&gate, &state, "b"));
    assert!(!ask(&gate, &state, "c"), "there is none of that name");
    add_agent(&mut state, "c", "demo", 2, 8);
    assert!(ask(&gate, &state, "c"), "and now there is");
    apply_policies(&mut state, 2, "");
    assert!(!ask(&gate, &state, "c"));
    apply_policies(&mut state, 3, same_owner);
    let permit = gate.judge(&state, Ask { from: from("a"), to: agent("c") }).unwrap();
    assert_eq!(permit.reference().policy_set, PolicyNumber(3));
    let verdict = gate.verdict(&permit.reference().decision).unwrap();
    assert!(verdict.reason.starts_with("policy set 3 permits"), "{}", verdict.reason);
}

#[test]
fn what_a_policy_names_itself_is_read_anew_too() {
    let gate = gate();
    let mut state = state(r#"permit (principal, action, resource) when { Agent::"gate".labels.contains("open") };"#);
    add_agent(&mut state, "gate", "demo", 1, 9);
    assert!(!ask(&gate, &state, "b") && !ask(&gate, &state, "b"));
    label(&mut state, "gate", &["open"]);
    assert!(ask(&gate, &state, "b") && ask(&gate, &state, "b"));
    label(&mut state, "gate", &[]);
    assert!(!ask(&gate, &state, "b"));
}

#[test]
fn every_error_of_a_set_has_its_place() {
    let text = "permit (principal, action, resource) when { principal.nme == \"x\" };\n@id(\"a\") permit (principal, action == Action::\"x\", resource);\n  @id(\"a\") forbid (principal, action, resource);";
    let invalid = Candidate::check(text, "[\n {}]").unwrap_err();
    let places: Vec<(usize, usize)> = invalid.policies.iter().map(|error| (error.line, error.column)).collect();
    assert!(places.is_sorted() && places.iter().any(|place| place.0 == 1), "{places:?}");
    assert!(places.iter().any(|place| place.0 == 2) && places.contains(&(3, 3)), "{invalid}");
    assert!(invalid.entities.unwrap().to_string().starts_with("line 2, column 2: missing field `uid`"));
}
