//! Log time after a cluster was off for long. A batch takes it a day on at most, so that nobody takes it to the year 9999 with one;
//! so its leader proposes as many batches of nothing as it takes, before anybody's key is judged by it.

use super::in_flight::ATTEMPT;
use crate::clock::WallMs;
use ed25519_dalek::SigningKey;
use symbi_model::entry::STRIDE_MS;
use symbi_model::{Batch, codec};
use tokio::time::timeout;

/// Proposes until log time is within a day of this leader's clock; false if it leads no more, nothing is committed, or what is
/// committed moves it no further, as a removed node's does not: then another must lead.
pub async fn catch_up(raft: &symbi_raft::Handle, key: &SigningKey, wall_ms: &WallMs) -> bool {
    let state = raft.state();
    let mut before_ms = None;
    loop {
        let (cluster, log_ms) = {
            let state = state.borrow();
            (state.cluster.as_ref().map(|cluster| cluster.id), state.counters.log_time_ms)
        };
        let now_ms = wall_ms();
        let Some(cluster) = cluster.filter(|_| now_ms > log_ms.saturating_add(STRIDE_MS)) else { return true };
        if before_ms.replace(log_ms) == Some(log_ms) {
            return false;
        }
        let batch = Batch::sign(cluster, raft.group(), key, now_ms, None, Vec::new());
        let proposed = timeout(ATTEMPT, raft.propose(codec::encode_batch(&batch))).await;
        if !matches!(proposed, Ok(Ok(_))) {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::catch_up;
    use crate::clock::WallMs;
    use ed25519_dalek::SigningKey;
    use std::sync::Arc;
    use std::time::Duration;
    use symbi_model::agent::Resources;
    use symbi_model::command::Genesis;
    use symbi_model::entry::STRIDE_MS;
    use symbi_model::node::Profile;
    use symbi_model::secret::Secret;
    use symbi_model::{Batch, ClusterId, Hash, NodeId, codec, gate};
    use symbi_raft::memory::Mesh;
    use symbi_store::memory::{Disk, Memory};

    const MADE_MS: u64 = 1_700_000_000_000;

    fn genesis(key: &SigningKey) -> Vec<u8> {
        let node = NodeId(key.verifying_key().to_bytes());
        let genesis = Genesis {
            cluster: ClusterId(uuid::Uuid::from_bytes([9; 16])),
            name: "c".to_owned(),
            domain: "c.test".to_owned(),
            node,
            node_name: "n1".to_owned(),
            profile: Profile::plain("127.0.0.1:1".parse().unwrap(), vec![4; 65], Resources::default()),
            gate: gate::CURRENT,
            admin_token: Hash([9; 32]),
            policies: "permit(principal, action, resource);".to_owned(),
            secret: Secret([7; 32]),
        };
        codec::encode_batch(&Batch::genesis(genesis, [0; 16], key, MADE_MS))
    }

    async fn replica(key: &SigningKey) -> symbi_raft::Handle {
        let (mesh, engine) = (Mesh::new(Duration::ZERO), Memory::open(Disk::new()).unwrap());
        let options = symbi_raft::Options::new(NodeId(key.verifying_key().to_bytes()));
        symbi_raft::start(options.clone(), Arc::new(engine), mesh.link(options.node)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_month_as_many_batches_of_nothing_bring_log_time_near_the_clock() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let raft = replica(&key).await;
        let now_ms = MADE_MS + 30 * STRIDE_MS + 1;
        let clock: WallMs = Arc::new(move || now_ms);
        assert!(catch_up(&raft, &key, &clock).await, "there is no cluster yet");
        raft.bootstrap(genesis(&key).into()).await.unwrap();
        let records = || raft.state().borrow().counters.audit_records;
        let before = records();
        assert!(catch_up(&raft, &key, &clock).await);
        assert_eq!(records() - before, 30, "a day each");
        let log_ms = raft.state().borrow().counters.log_time_ms;
        assert_eq!(log_ms, MADE_MS + 30 * STRIDE_MS);
        assert!(catch_up(&raft, &key, &clock).await && records() - before == 30, "it is near enough");
    }

    /// One whose batches are refused must not fill the log with them.
    #[tokio::test(start_paused = true)]
    async fn who_moves_log_time_no_further_gives_up_at_once() {
        let (key, stranger) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let raft = replica(&key).await;
        raft.bootstrap(genesis(&key).into()).await.unwrap();
        let records = || raft.state().borrow().counters.audit_records;
        let before = records();
        let clock: WallMs = Arc::new(|| MADE_MS + 30 * STRIDE_MS);
        assert!(!catch_up(&raft, &stranger, &clock).await);
        assert_eq!(records() - before, 1);
    }
}
