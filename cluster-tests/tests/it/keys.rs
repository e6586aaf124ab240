//! A write with its own key is done once, whichever nodes it is sent to; and its answer tells where to read it.

use hyper::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use symbi_api::client::Error;
use symbi_api::keys::uuid_v7;
use symbi_cluster_tests::Cluster;

use crate::durability::ledger;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn put(cluster: &Cluster, at: usize, key: &str, value: &str) -> Result<Value, Error> {
    let headers = [("idempotency-key", key.to_owned())];
    let body = json!({ "value": value });
    cluster.nodes[at].client().send(Method::PUT, "/api/v1/agents/ledger/annotations/k", Some(&body), &headers).await
}

fn code(refused: Result<Value, Error>) -> String {
    match refused {
        Err(Error::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_for_one_write_on_any_node_and_its_index_finds_it_everywhere() {
    let cluster = Cluster::three().await;
    let before = ledger(&cluster).await;
    let client = uuid_v7(now_ms());
    for round in 1..=3 {
        let (key, value) = (format!("{client}:{round}"), format!("value {round}"));
        for at in 0..3 {
            let written = put(&cluster, at, &key, &value).await.unwrap();
            let index = written["index"].as_u64().expect("the index of the write");
            for other in 0..3 {
                let path = format!("/api/v1/agents/ledger?at={index}");
                let found = cluster.nodes[other].get(&path).await.unwrap();
                assert_eq!(found["annotations"]["k"], value, "round {round}, sent to {at}, read on {other}");
                assert_eq!(found["version"], before + round, "each round is one write");
            }
        }
    }
    assert_eq!(code(put(&cluster, 0, &format!("{client}:3"), "another").await), "KEY_REUSED");
    assert_eq!(code(put(&cluster, 1, &format!("{client}:2"), "value 2").await), "KEY_TOO_OLD");
    let hour = 60 * 60 * 1000;
    assert_eq!(code(put(&cluster, 2, &uuid_v7(now_ms() - hour).to_string(), "x").await), "KEY_TOO_OLD");
    assert_eq!(code(put(&cluster, 0, &uuid_v7(now_ms() + hour).to_string(), "x").await), "KEY_FROM_FUTURE");
    assert_eq!(code(put(&cluster, 1, "6f1c5a1e-2b7e-4c7a-9d53-0f2a6b1c9d10", "x").await), "BAD_REQUEST");
    let local = cluster.nodes[2].get("/api/v1/agents/ledger?consistency=local").await.unwrap();
    assert_eq!((&local["annotations"]["k"], &local["version"]), (&json!("value 3"), &json!(before + 3)));
}
