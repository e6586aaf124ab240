//! The chain as it is tailed, exported and verified.

use crate::stage::{Answer, Stage};
use std::sync::Arc;

/// The ids of the records in an answer.
fn ids(answer: &Answer) -> Vec<&str> {
    let lines = answer.body.as_array().unwrap_or_else(|| panic!("{answer:?}"));
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

/// Records one change more.
async fn record(stage: &Stage, name: &str) {
    let spec = format!(r#"{{"name": "{name}", "owner": "o", "program": {{"command": ["true"]}}}}"#);
    assert_eq!(stage.post("/api/v1/agents", &spec).await.status, 200);
}

#[tokio::test]
async fn what_comes_behind_a_record_is_answered_as_soon_as_it_is_there() {
    let stage = Arc::new(Stage::new());
    record(&stage, "a").await;
    record(&stage, "b").await;
    assert_eq!(ids(&stage.get("/api/v1/audit?after=1.0").await), ["2.0", "3.0"]);
    assert_eq!(ids(&stage.get("/api/v1/audit?after=2.0&wait=10").await), ["3.0"], "it does not wait for more");
    assert_eq!(ids(&stage.get("/api/v1/audit?after=0.0").await), ["1.0", "2.0", "3.0"]);
    assert!(ids(&stage.get("/api/v1/audit?after=3.0").await).is_empty(), "nothing is awaited unless that is said");
    assert!(ids(&stage.get("/api/v1/audit?after=3.0&wait=0").await).is_empty());

    let (asker, mut reads) = (Arc::clone(&stage), stage.chain_reads.clone());
    let before = *reads.borrow();
    let waiting = tokio::spawn(async move { asker.get("/api/v1/audit?after=3.0&wait=10").await });
    reads.wait_for(|reads| *reads > before).await.unwrap();
    record(&stage, "c").await;
    assert_eq!(ids(&waiting.await.unwrap()), ["4.0"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_record_that_does_not_come_hears_so() {
    let stage = Stage::new();
    let began = tokio::time::Instant::now();
    let answer = stage.get("/api/v1/audit?after=1.0&wait=7").await;
    assert!(ids(&answer).is_empty());
    assert_eq!(began.elapsed().as_secs(), 7, "of the stage's own time");
}

#[tokio::test]
async fn what_cannot_be_tailed_is_refused_with_what_would_be() {
    let stage = Stage::new();
    for after in ["", "1", "a.b", "1.", ".1", "1.0.0", "-1.0", "+1.0", "1.4294967295", "99999999999999999999.0"] {
        let answer = stage.get(&format!("/api/v1/audit?after={}", symbi_api::client::segment(after))).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{after:?}");
        assert!(answer.says().contains("an id is INDEX.POSITION"), "{after:?}: {}", answer.says());
    }
    for wait in ["", "11", "-1", "1.5", "long", "10s"] {
        let answer = stage.get(&format!("/api/v1/audit?after=1.0&wait={wait}")).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{wait:?}");
        assert!(answer.says().contains("whole seconds, 10 at most; ask again"), "{wait:?}: {}", answer.says());
    }
    for (query, says) in [
        ("wait=1", "name that record too"),
        ("last=2&wait=1", "name that record too"),
        ("after=1.0&last=2", "give one of the three"),
        ("after=1.0&from=2", "give one of the three"),
    ] {
        let answer = stage.get(&format!("/api/v1/audit?{query}")).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{query}");
        assert!(answer.says().contains(says), "{query}: {}", answer.says());
    }
    // Who shows no token is not told how to ask.
    let request = axum::http::Request::builder().uri("/api/v1/audit?after=x").header("host", "127.0.0.1:8080");
    let answer = stage.send(symbi_api::auth::Listener::Tcp, request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.error(), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn the_tail_is_the_end_of_the_chain() {
    let stage = Stage::new();
    for name in ["a", "b", "c"] {
        record(&stage, name).await;
    }
    assert_eq!(ids(&stage.get("/api/v1/audit").await), ["1.0", "2.0", "3.0", "4.0"]);
    assert_eq!(ids(&stage.get("/api/v1/audit?last=2").await), ["3.0", "4.0"]);
    assert_eq!(ids(&stage.get("/api/v1/audit?from=2").await), ["2.0", "3.0", "4.0"]);
    let last = stage.get("/api/v1/audit?last=1").await;
    let record = &last.body[0];
    assert_eq!((&record["kind"], &record["actor"]), (&"agent.create".into(), &"user:admin".into()));
    assert_eq!((&record["subject"], &record["outcome"]), (&"agent:c".into(), &"DONE".into()));
    let decision = record["decision"].as_str().unwrap();
    let why = stage.get(&format!("/api/v1/decisions/{decision}")).await;
    assert_eq!((&why.body["verdict"], &why.body["action"]), (&"allow".into(), &"agent::create".into()));
}

#[tokio::test]
async fn what_was_permitted_is_in_the_chain_when_its_verdict_is_kept_no_more() {
    let stage = Stage::new();
    let spec = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#;
    assert_eq!(stage.post("/api/v1/agents", spec).await.status, 200);
    let decision = stage.get("/api/v1/audit?last=1").await.body[0]["decision"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/decisions/{decision}");
    assert_eq!(stage.get(&path).await.body["worked_out"], serde_json::Value::Null);
    for n in 0..70 {
        let path = format!("/api/v1/agents/a/annotations/k{}", n % 10);
        assert_eq!(stage.admin("PUT", &path, &[], r#"{"value": "v"}"#).await.status, 200);
    }
    let why = stage.get(&path).await.body;
    assert_eq!((&why["verdict"], &why["policy_set"]), (&"allow".into(), &1.into()), "{why:#}");
    assert_eq!((&why["principal"], &why["resource"]), (&"user:admin".into(), &"agent:a".into()));
    assert!(why["worked_out"].as_str().unwrap().starts_with("audit record 2.0 says what was permitted"), "{why:#}");
    let other = if decision.ends_with('0') { "1" } else { "0" };
    let unknown = format!("/api/v1/decisions/{}{other}", &decision[..44]);
    assert_eq!(stage.get(&unknown).await.error(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn the_last_thousand_are_the_last_ones() {
    let stage = Stage::new();
    stage.post("/api/v1/agents", r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#).await;
    for n in 0..1_100 {
        let path = format!("/api/v1/agents/a/annotations/k{}", n % 10);
        assert_eq!(stage.admin("PUT", &path, &[], r#"{"value": "v"}"#).await.status, 200);
    }
    let tail = stage.get("/api/v1/audit?last=5000").await;
    let lines = tail.body.as_array().unwrap();
    assert_eq!((lines.len(), &lines[999]["id"]), (1000, &"1102.0".into()));
}

#[tokio::test]
async fn a_bundle_holds_against_the_clusters_anchor_and_no_other() {
    let stage = Stage::new();
    stage.post("/api/v1/agents", r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#).await;
    let bundle = stage.get("/api/v1/audit/bundle").await.bytes;
    let status = stage.get("/api/v1/cluster").await;
    let anchor = status.body["cluster"]["anchor"].as_str().unwrap();
    let report = symbi_audit::verify(&bundle[..], Some(anchor)).unwrap();
    assert_eq!((report.records, report.head.to_string().as_str()), (2, status.body["audit"]["head"].as_str().unwrap()));
    assert!(symbi_audit::verify(&bundle[..], Some(&"00".repeat(32))).is_err());
    let changed = String::from_utf8(bundle).unwrap().replace("agent:a", "agent:b");
    assert!(symbi_audit::verify(changed.as_bytes(), Some(anchor)).is_err());
    let own = stage.get("/api/v1/audit/verify").await;
    assert_eq!((&own.body["ok"], &own.body["records"]), (&true.into(), &2.into()), "{}", own.body);
}

/// A node that took a snapshot and has not fetched yet what it skipped gives no shorter chain for the whole one.
#[tokio::test]
async fn what_is_not_here_yet_is_said_to_be_missing() {
    let stage = Stage::new();
    let decision =
        stage.post("/api/v1/agents", r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#).await;
    assert_eq!(decision.status, 200);
    for key in ["k1", "k2", "k3"] {
        let path = format!("/api/v1/agents/a/annotations/{key}");
        assert_eq!(stage.admin("PUT", &path, &[], r#"{"value": "v"}"#).await.status, 200);
    }
    stage.view.send_modify(|view| view.missing = vec![(1, 3)]);
    for path in ["/api/v1/audit/bundle", "/api/v1/audit/verify", "/api/v1/audit?from=2", "/api/v1/audit?last=5"] {
        let refused = stage.get(path).await;
        assert_eq!(refused.error(), (503, "INCOMPLETE"), "{path}");
        assert!(refused.says().contains("log entries 1 to 3 "), "{}", refused.says());
        assert_eq!(refused.body["details"], serde_json::json!({ "from": 1, "to": 3 }), "{path}");
    }
    let tail = stage.get("/api/v1/audit?from=4").await;
    assert_eq!(tail.body.as_array().map(Vec::len), Some(2), "{}", tail.body);
    assert_eq!(stage.get("/api/v1/cluster").await.body["audit"]["missing"], serde_json::json!([[1, 3]]));
    // A decision that is nowhere may be in what is missing.
    let unknown =
        format!("/api/v1/decisions/{}", symbi_model::DecisionId { node: [7; 4], id: uuid::Uuid::from_u128(1) });
    let code = stage.get(&unknown).await;
    assert!(matches!(code.error(), (404, "NOT_FOUND") | (503, "INCOMPLETE")), "{}", code.body);
    // Nor is what lies before it the end.
    stage.view.send_modify(|view| view.missing = vec![(3, 3)]);
    for query in ["/bundle", "/verify", "?from=2", "?last=5", "?after=2.0"] {
        assert_eq!(stage.get(&format!("/api/v1/audit{query}")).await.error(), (503, "INCOMPLETE"), "{query}");
    }
    let before = stage.get("/api/v1/audit?after=1.0").await;
    assert_eq!(before.body.as_array().map(Vec::len), Some(1), "whoever goes on is told what is here: {}", before.body);
    stage.view.send_modify(|view| view.missing.clear());
    assert_eq!(stage.get("/api/v1/audit/verify").await.body["ok"], true);
}
