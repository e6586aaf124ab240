//! Who may do what, and how a refusal reads.

use crate::fixture::{add_agent, agent, apply_policies, cluster, from, gate, node_id, user};
use expect_test::{Expect, expect};
use std::collections::BTreeSet;
use std::thread;
use symbi_model::agent::Spec;
use symbi_model::{PolicyNumber, State};
use symbi_policy::{
    Act, Administer, AdmitNode, Ask, CreateAgent, DeleteAgent, ExportAudit, Gate, Principal, Receive, STARTER,
    StopAgent, Tell, UpdateAgent, Verdict,
};

fn starter() -> State {
    let mut state = cluster(STARTER);
    add_agent(&mut state, "a", "demo", 1, 5);
    add_agent(&mut state, "b", "demo", 2, 6);
    add_agent(&mut state, "stranger", "other", 3, 7);
    state
}

fn may<R: Act>(gate: &Gate, state: &State, request: R) -> bool {
    gate.judge(state, request).is_ok()
}

fn verdict<R: Act>(gate: &Gate, state: &State, request: R) -> Verdict {
    let id = match gate.judge(state, request) {
        Ok(permit) => permit.reference().decision,
        Err(denied) => denied.decision,
    };
    gate.verdict(&id).expect("it was just kept")
}

fn shown(verdict: &Verdict, expected: Expect) {
    let fields = verdict.to_fields().into_iter().filter(|(name, _)| name != "id");
    let lines = fields.map(|(name, value)| format!("{name}: {}\n", value.replace('\n', "\n  ")));
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn the_starter_policies_are_a_table() {
    let (gate, state) = (gate().0, starter());
    let node = || Principal::Node { id: node_id(1), name: "n1".to_owned() };
    let who: [(&str, &dyn Fn() -> Principal); 6] = [
        ("admin", &|| user("admin")),
        ("eve", &|| user("eve")),
        ("a (demo)", &|| from("a")),
        ("stranger", &|| from("stranger")),
        ("nobody", &|| from("nobody")),
        ("node n1", &node),
    ];
    let mut table = String::new();
    for (name, principal) in who {
        let new = || ("new".parse().unwrap(), "demo".to_owned());
        let b = || ("b".parse().unwrap(), "demo".to_owned());
        let answers = [
            (
                "create",
                may(
                    &gate,
                    &state,
                    CreateAgent {
                        principal: principal(),
                        spec: Spec::new(new().0, "demo", vec!["true".to_owned()]).into(),
                    },
                ),
            ),
            ("update", may(&gate, &state, UpdateAgent { principal: principal(), name: b().0, owner: b().1 })),
            ("stop", may(&gate, &state, StopAgent { principal: principal(), name: b().0, owner: b().1 })),
            ("delete", may(&gate, &state, DeleteAgent { principal: principal(), name: b().0, owner: b().1 })),
            ("ask b", may(&gate, &state, Ask { from: principal(), to: agent("b") })),
            ("tell b", may(&gate, &state, Tell { from: principal(), to: agent("b") })),
            ("receive at b", may(&gate, &state, Receive { from: principal(), to: agent("b") })),
            ("ask stranger", may(&gate, &state, Ask { from: principal(), to: agent("stranger") })),
            ("export", may(&gate, &state, ExportAudit { principal: principal() })),
            ("administer", may(&gate, &state, Administer { principal: principal(), what: "token.create" })),
        ];
        let allowed: Vec<_> = answers.iter().filter(|(_, allowed)| *allowed).map(|(what, _)| *what).collect();
        table += &format!("{name}: {}\n", allowed.join(", "));
    }
    for name in ["admin", "eve"] {
        let admitted =
            may(&gate, &state, AdmitNode { user: name.to_owned(), name: "n4".to_owned(), labels: BTreeSet::new() });
        table += &format!("{name} admits n4: {admitted}\n");
    }
    expect![[r#"
        admin: create, update, stop, delete, ask b, tell b, receive at b, ask stranger, export, administer
        eve: 
        a (demo): ask b, tell b, receive at b
        stranger: ask stranger
        nobody: 
        node n1: 
        admin admits n4: true
        eve admits n4: false
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_permit_names_its_verdict_and_gives_the_request_back() {
    let (gate, state) = (gate().0, starter());
    let request = Ask { from: from("a"), to: agent("b") };
    let permit = gate.judge(&state, request.clone()).unwrap();
    assert_eq!(permit.request(), &request);
    assert_eq!(permit.reference().policy_set.0, 1);
    let verdict = gate.verdict(&permit.reference().decision).unwrap();
    assert!(verdict.allowed);
    assert_eq!(Verdict::decode(&verdict.encode()).unwrap(), verdict);
    assert_eq!(permit.into_request(), request);
}

#[test]
fn an_allowed_verdict_shows_the_policy_and_the_values() {
    let (gate, state) = (gate().0, starter());
    shown(
        &verdict(&gate, &state, Receive { from: from("a"), to: agent("b") }),
        expect![[r#"
        decision: allowed
        reason: policy set 1 permits Agent::"a" (owner demo) to message::receive Agent::"b" (owner demo): same-owner-may-message
        action: message::receive
        principal: Agent::"a"
        resource: Agent::"b"
        principal.owner: demo
        principal.tier: process
        resource.owner: demo
        resource.tier: process
        policy set: 1
        policy same-owner-may-message: @id("same-owner-may-message")
          permit (
            principal is Agent,
            action in [Action::"message::ask", Action::"message::tell", Action::"message::receive"],
            resource is Agent
          )
          when { principal.owner == resource.owner };
        time: 1800000000000 ms
    "#]],
    );
}

#[test]
fn a_denied_verdict_shows_who_owns_what() {
    let (gate, state) = (gate().0, starter());
    shown(
        &verdict(&gate, &state, Ask { from: from("stranger"), to: agent("b") }),
        expect![[r#"
            decision: denied
            reason: no policy of set 1 permits Agent::"stranger" (owner other) to message::ask Agent::"b" (owner demo)
            action: message::ask
            principal: Agent::"stranger"
            resource: Agent::"b"
            principal.owner: other
            principal.tier: process
            resource.owner: demo
            resource.tier: process
            policy set: 1
            nearest same-owner-may-message (3 of 4 hold): 
              true   principal is Agent  [principal = Agent::"stranger"]
              true   action in [Action::"message::ask", Action::"message::tell", Action::"message::receive"]  [action = Action::"message::ask"]
              true   resource is Agent  [resource = Agent::"b"]
              false  when { principal.owner == resource.owner }  [principal.owner = "other", resource.owner = "demo"]
            nearest admin-may-do-everything (2 of 3 hold): 
              false  principal == User::"admin"  [principal = Agent::"stranger"]
              true   action
              true   resource
            nearest admins-may-do-everything (2 of 3 hold): 
              false  principal in Group::"admin"  [principal = Agent::"stranger", principal's groups = []]
              true   action
              true   resource
            time: 1800000000000 ms
        "#]],
    );
}

#[test]
fn an_administrators_act_is_recorded_alike() {
    let (gate, state) = (gate().0, starter());
    let request = |principal| Administer { principal, what: "token.create" };
    shown(
        &verdict(&gate, &state, request(user("admin"))),
        expect![[r#"
            decision: allowed
            reason: token.create needs User::"admin" or a user in Group::"admin", and this is User::"admin"
            action: token.create
            principal: User::"admin"
            resource: token.create
            policy set: 1
            policy built-in: what has no action of its own in the policies needs User::"admin" or a user in Group::"admin"
            time: 1800000000000 ms
        "#]],
    );
    shown(
        &verdict(&gate, &state, request(from("a"))),
        expect![[r#"
            decision: denied
            reason: token.create needs User::"admin" or a user in Group::"admin", and this is Agent::"a"
            action: token.create
            principal: Agent::"a"
            resource: token.create
            policy set: 1
            policy built-in: what has no action of its own in the policies needs User::"admin" or a user in Group::"admin"
            time: 1800000000000 ms
        "#]],
    );
}

#[test]
fn a_forbid_that_fails_denies() {
    let failing = r#"@id("all") permit (principal, action, resource);
        @id("overflow") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#;
    symbi_policy::check(failing).unwrap();
    let (gate, mut state) = (gate().0, starter());
    apply_policies(&mut state, 2, failing);
    shown(
        &verdict(&gate, &state, Ask { from: user("admin"), to: agent("b") }),
        expect![[r#"
            decision: denied
            reason: policy set 2 cannot be evaluated for User::"admin" to message::ask Agent::"b" (owner demo), which is a refusal: overflow: integer overflow while attempting to add the values `9223372036854775807` and `1`
            action: message::ask
            principal: User::"admin"
            resource: Agent::"b"
            principal.name: admin
            resource.owner: demo
            resource.tier: process
            policy set: 2
            error: overflow: integer overflow while attempting to add the values `9223372036854775807` and `1`
            time: 1800000000000 ms
        "#]],
    );
}

#[test]
fn a_forbid_that_holds_is_named() {
    let text = format!("{STARTER}\n@id(\"b-rests\") forbid (principal, action, resource == Agent::\"b\");");
    let (gate, mut state) = (gate().0, starter());
    apply_policies(&mut state, 2, &text);
    let denied = gate.judge(&state, Ask { from: from("a"), to: agent("b") }).unwrap_err();
    expect![[r#"policy set 2 forbids Agent::"a" (owner demo) to message::ask Agent::"b" (owner demo): b-rests"#]]
        .assert_eq(&denied.reason);
}

#[test]
fn an_agent_without_a_record_is_refused() {
    let (gate, state) = (gate().0, starter());
    let denied = gate.judge(&state, Ask { from: from("a"), to: agent("ghost") }).unwrap_err();
    expect![[r#"policy set 1 cannot be evaluated for Agent::"a" (owner demo) to message::ask Agent::"ghost" (no such agent), which is a refusal: same-owner-may-message: entity `Agent::"ghost"` does not exist"#]].assert_eq(&denied.reason);
}

#[test]
fn a_principal_the_schema_does_not_allow_is_refused_even_when_a_policy_permits_all() {
    let (gate, mut state) = (gate().0, starter());
    apply_policies(&mut state, 2, "permit (principal, action, resource);");
    let denied = gate.judge(&state, ExportAudit { principal: from("a") }).unwrap_err();
    expect![[r#"policy set 2 cannot be evaluated for Agent::"a" (owner demo) to audit::export Cluster::"symbi", which is a refusal: principal type `Agent` is not valid for `Action::"audit::export"`"#]].assert_eq(&denied.reason);
}

#[test]
fn no_policy_set_and_a_broken_one_deny() {
    let (gate, mut state) = (gate().0, starter());
    apply_policies(&mut state, 2, "permit (");
    let broken = gate.judge(&state, Ask { from: user("admin"), to: agent("b") }).unwrap_err();
    assert!(broken.reason.contains("cannot be evaluated"), "{}", broken.reason);
    let none = gate.judge(&State::default(), Ask { from: user("admin"), to: agent("b") }).unwrap_err();
    assert!(none.reason.contains("not heard of a policy set"), "{}", none.reason);
}

#[test]
fn the_current_set_decides_at_once() {
    let (gate, mut state) = (gate().0, starter());
    let request = || Ask { from: from("a"), to: agent("b") };
    assert!(may(&gate, &state, request()));
    apply_policies(&mut state, 2, "@id(\"none\") forbid (principal, action, resource);");
    let denied = gate.judge(&state, request()).unwrap_err();
    assert_eq!(denied.policy_set.0, 2);
    apply_policies(&mut state, 3, STARTER);
    assert_eq!(gate.judge(&state, request()).unwrap().reference().policy_set.0, 3);
}

#[test]
fn the_longest_chain_is_judged_and_dropped_on_a_small_stack() {
    let terms = vec!["principal.name == \"x\""; 160].join(" || ");
    let text = format!("permit (principal is User, action, resource) when {{ {terms} }};");
    let small = thread::Builder::new().stack_size(1024 * 1024);
    let judged = small.spawn(move || {
        let (gate, state) = (gate().0, cluster(&text));
        may(&gate, &state, ExportAudit { principal: user("x") })
    });
    assert!(judged.unwrap().join().unwrap());
}

#[test]
fn a_set_is_parsed_once() {
    let (gate, mut state) = (gate().0, starter());
    let request = || Ask { from: from("a"), to: agent("b") };
    assert!(may(&gate, &state, request()));
    // Under the same hash this text is never looked at again.
    state.policy_sets.get_mut(&PolicyNumber(1)).unwrap().text = "permit (".to_owned();
    assert!(may(&gate, &state, request()));
    assert!(!may(&crate::fixture::gate().0, &state, request()));
}
