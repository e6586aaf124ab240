//! What `node`, `cluster` and `why agent` print of what a node answers, as golden text.

use crate::answers::{against, http, node_that_says};
use crate::colour::on_a_terminal;
use crate::program::Place;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn shown(answer: &Value, arguments: &[&str], expect: Expect) {
    let ran = against(&http("200 OK", &answer.to_string()), arguments);
    expect.assert_eq(&ran.shown());
}

/// A leader that has said what it uses, a voter that has not, and a learner that is down.
fn nodes() -> Value {
    let node = |name: &str, role: &str, state: &str| {
        json!({
            "name": name, "id": "00", "role": role, "state": state, "addr": "10.0.0.1:7400", "agents": 0,
            "memory_mb": 1000, "reserved_mb": 0, "leader": false, "version": null, "round_trip_us": null,
            "heard_ms": null, "max_agents": 10000, "cpu_millis": 4000, "reserved_millis": 0,
            "labels": [format!("node={name}")], "sandbox": ["process"], "usage": null, "views_refused": 0
        })
    };
    let mut nodes = [node("n1", "voter", "ready"), node("n2", "voter", "ready"), node("n3", "learner", "down")];
    nodes[0]["leader"] = json!(true);
    nodes[0]["version"] = json!("0.1.0");
    nodes[0]["heard_ms"] = json!(0);
    nodes[0]["agents"] = json!(412);
    nodes[0]["labels"] = json!(["gpu", "node=n1", "zone=a"]);
    nodes[0]["usage"] = json!({
        "memory_used_mb": 1640, "memory_total_mb": 4000, "cpu_used_millis": 1240, "cpu_total_millis": 4000,
        "disk_used_mb": 10, "disk_total_mb": 100
    });
    nodes[1]["round_trip_us"] = json!(412);
    nodes[1]["heard_ms"] = json!(230);
    nodes[2]["heard_ms"] = json!(125_000);
    json!(nodes)
}

#[test]
fn the_nodes() {
    shown(
        &nodes(),
        &["node", "ls"],
        expect![[r#"
            NODE  ROLE          STATE  ADDR           VER    RTT    CPU  MEM  AGENTS  SANDBOX  LAST  LABELS
            n1    voter,leader  ready  10.0.0.1:7400  0.1.0  -      31%  41%  412     process  now   gpu,zone=a
            n2    voter         ready  10.0.0.1:7400  -      0.5ms  -    -    0       process  0.2s  -
            n3    learner       down   10.0.0.1:7400  -      -      -    -    0       process  2m    -
            exit 0
        "#]],
    );
}

#[test]
fn the_nodes_as_json_are_what_the_node_says() {
    let ran = against(&http("200 OK", &nodes().to_string()), &["node", "ls", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), nodes());
}

fn status() -> Value {
    json!({
        "cluster": { "id": "0192", "name": "prod", "anchor": "aa".repeat(32), "pin": "bb".repeat(32) },
        "leader": "n1", "term": 7, "commit_index": 91204, "applied_index": 91203, "age_ms": 20,
        "nodes": nodes(), "policy_set": 18,
        "audit": {
            "records": 55913, "head": "0123456789abcdef".repeat(4), "missing": [[0, 4711]], "witnessed": 55909, "conflicts": 0,
        },
        "healthy": false, "problems": ["n3 is down"],
        "quorum": { "voters": 2, "heard": 2, "survives": 0 }, "node": "n1", "version": "0.1.0"
    })
}

#[test]
fn the_status_of_a_cluster_that_is_not_well() {
    shown(
        &status(),
        &["cluster", "status"],
        expect![[r#"
            CLUSTER prod  id 0192  UNHEALTHY  leader n1 (term 7)  commit 91204  audit head 55913 0123456789ab
            QUORUM  2/2 voters, survives 0 failures   policies v18   version 0.1.0
            HERE    applied 91203  leader heard now  anchor aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            WITNESS to record 55909  pin bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
            AUDIT   of log entries 0 to 4711 is not on this node yet: it is being fetched
            PROBLEM n3 is down

            NODE  ROLE          STATE  ADDR           VER    RTT    CPU  MEM  AGENTS  SANDBOX  LAST
            n1 *  voter,leader  ready  10.0.0.1:7400  0.1.0  -      31%  41%  412     process  now
            n2    voter         ready  10.0.0.1:7400  -      0.5ms  -    -    0       process  0.2s
            n3    learner       down   10.0.0.1:7400  -      -      -    -    0       process  2m
            exit 0
        "#]],
    );
}

#[test]
fn the_status_of_a_cluster_that_is_well_and_of_one_without_a_majority() {
    let head = |change: fn(&mut Value)| {
        let mut status = status();
        status["nodes"] = json!([]);
        status["problems"] = json!([]);
        change(&mut status);
        let ran = against(&http("200 OK", &status.to_string()), &["cluster", "status"]);
        ran.out.lines().take(2).collect::<Vec<_>>().join("\n")
    };
    let well = head(|status| {
        status["healthy"] = json!(true);
        status["quorum"] = json!({ "voters": 3, "heard": 3, "survives": 1 });
    });
    assert!(well.contains("  HEALTHY  ") && well.contains("QUORUM  3/3 voters, survives 1 failure   "), "{well}");
    let lost = head(|status| {
        status["leader"] = Value::Null;
        status["quorum"] = json!({ "voters": 5, "heard": 2, "survives": null });
    });
    assert!(lost.contains("  UNHEALTHY  leader - ") && lost.contains("QUORUM  2/5 voters, no majority"), "{lost}");
    let five = head(|status| status["quorum"] = json!({ "voters": 5, "heard": 5, "survives": 2 }));
    assert!(five.contains("survives 2 failures"), "{five}");
}

#[test]
fn why_an_agent_is_where_it_is_has_a_line_for_each_node() {
    let why = json!({
        "agent": "a", "node": "n1", "epoch": 7, "state": "running", "detail": "",
        "why": "on n1 since index 31 under epoch 7: of the nodes that could take it, spread takes the one with the most room left",
        "nodes": [
            { "node": "n1", "reason": "holds it" },
            { "node": "n2", "reason": "would take it: 4096 MiB and 4000 millicores free, 0 of 10000 agents" },
            { "node": "n3", "reason": "it has no label gpu" },
        ]
    });
    shown(
        &why,
        &["why", "agent", "a"],
        expect![[r#"
            agent   a
            node    n1
            epoch   7
            state   running
            detail
            why     on n1 since index 31 under epoch 7: of the nodes that could take it, spread takes the one with the most room left

            NODE  REASON
            n1    holds it
            n2    would take it: 4096 MiB and 4000 millicores free, 0 of 10000 agents
            n3    it has no label gpu
            exit 0
        "#]],
    );
}

#[test]
fn a_removal_is_confirmed_and_refused_with_its_exit_code() {
    let ran = Place::new().run(&["node", "remove", "n3", "--addr", "127.0.0.1:1"]);
    expect![[r#"
        error[UNCONFIRMED]: node n3 was not removed
          why: a removal is for good, and there is no terminal to ask on
          fix: symbi-node node remove n3 --yes
          undo: nothing was changed
        exit 2
    "#]]
    .assert_eq(&ran.shown());
    let ran = against(&http("200 OK", r#"{"index": 91}"#), &["node", "remove", "n3", "--yes"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "{\n  \"index\": 91\n}\n"));
    for (code, exit) in [("NODE_IN_USE", 7), ("QUORUM_AT_RISK", 7), ("NOT_FOUND", 3), ("DENIED", 4)] {
        let body = format!(r#"{{"error": "in words", "code": "{code}", "details": {{}}}}"#);
        let status = if exit == 3 { "404 Not Found" } else { "409 Conflict" };
        let ran = against(&http(status, &body), &["node", "remove", "n3", "--yes"]);
        assert_eq!(ran.code, exit, "{code}: {}", ran.err);
        assert!(ran.err.contains("fix: "), "{}", ran.err);
    }
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_before_a_removal() {
    for (typed, is_done) in [("y\n", true), ("YES\n", true), ("n\n", false), ("\n", false), ("yess\n", false)] {
        let (addr, node) = node_that_says(&http("200 OK", r#"{"index": 91}"#));
        let words = format!("node remove n3 --addr {addr}");
        let (text, code) = on_a_terminal(&words, &[("NO_COLOR", "1")], typed);
        assert!(text.contains("remove node n3 for good? Its key is never used again. [y/N] "), "{text}");
        if is_done {
            assert!(code == 0 && text.contains("\"index\": 91"), "{typed:?}: {code}, {text}");
            assert!(node.join().unwrap().starts_with("DELETE /api/v1/nodes/n3 "), "{typed:?}");
        } else {
            assert!(code == 2 && text.contains("error[UNCONFIRMED]: node n3 was not removed"), "{typed:?}: {text}");
            assert!(!node.is_finished(), "{typed:?}: nobody was asked for anything");
        }
    }
}

#[test]
fn too_many_labels() {
    let labels: Vec<String> = (0..64).map(|number| format!("--label=l{number}")).collect();
    let mut arguments = vec!["start", "--data-dir", "d"];
    arguments.extend(labels.iter().map(String::as_str));
    let place = Place::new();
    expect![[r#"
        error[LABELS]: 64 labels are too many
          why: a node has at most 63 beside its name
          fix: give it fewer
        exit 2
    "#]]
    .assert_eq(&place.run(&arguments).shown());
    assert!(!place.path().join("d").exists());
}
