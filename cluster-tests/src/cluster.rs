//! Several nodes of one cluster.

use crate::agents::Program;
use crate::{Node, SOON, eventually};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A cluster; its nodes are named `n1`, `n2`, … and `n1` bootstrapped it.
pub struct Cluster {
    /// The nodes, by their number less one.
    pub nodes: Vec<Node>,
    /// A join token of many uses.
    pub join_token: String,
    /// Where everything is; after the nodes, so that they are gone before it is removed.
    dir: TempDir,
}

/// What a failed test leaves is kept, to be looked at.
impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("--- the nodes' directories are kept in {}", self.dir.path().display());
        }
    }
}

impl Cluster {
    /// A cluster of one, serving.
    pub async fn one() -> Self {
        Self::one_in(|_| ()).await
    }

    /// A cluster of one, serving, whose directory was seen to before anything was in it: the first node's is `n1` in it.
    pub async fn one_in(prepare: impl FnOnce(&Path)) -> Self {
        // A unix socket's path ends at 107 bytes: TMPDIR may be too long.
        let dir = tempfile::Builder::new().prefix("symbi").tempdir_in("/tmp").expect("a directory in /tmp");
        prepare(dir.path());
        let mut first = Node::new(dir.path(), "n1", &dir.path().join("n1/admin.token"));
        first.start(&[]);
        first.ready().await;
        let made = first.cli(&["token", "create", "--uses", "100", "-o", "json"]).await.exits(0);
        let join_token = made.json()["token"].as_str().expect("the token's text").to_owned();
        Self { nodes: vec![first], join_token, dir }
    }

    /// A cluster of three voters.
    pub async fn three() -> Self {
        let mut cluster = Self::one().await;
        for _ in 0..2 {
            cluster.join().await;
        }
        for node in &cluster.nodes {
            node.sees_voters(3).await;
        }
        cluster
    }

    /// One node more, joined and serving; answers its place.
    pub async fn join(&mut self) -> usize {
        let mut node = self.newcomer();
        let (seed, token) = (self.nodes[0].listen.to_string(), self.join_token.clone());
        node.start(&["--join", &seed, "--token", &token]);
        node.ready().await;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A node that could be the next one, not started and not of this cluster yet.
    #[must_use]
    pub fn newcomer(&self) -> Node {
        self.stranger(&format!("n{}", self.nodes.len() + 1))
    }

    /// A node of that name, not started, with a directory beside the others.
    #[must_use]
    pub fn stranger(&self, name: &str) -> Node {
        Node::new(self.dir.path(), name, &self.dir.path().join("n1/admin.token"))
    }

    /// A path beside the nodes' directories.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of it all.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The place of the node that leads, once one of the running nodes has confirmed with a majority that it does.
    pub async fn leader(&self) -> usize {
        let among: Vec<usize> = (0..self.nodes.len()).collect();
        self.leader_among(&among).await
    }

    /// The place of the node that leads, one of `among`, as all of these say.
    pub async fn leader_among(&self, among: &[usize]) -> usize {
        eventually("a leader on which the nodes agree", SOON, async || {
            let mut names = Vec::new();
            for place in among {
                let status = self.nodes[*place].status().await?;
                names.push(status["leader"].as_str().context("no leader")?.to_owned());
            }
            let leads = among.iter().find(|place| self.nodes[**place].name == names[0]);
            ensure!(names.iter().all(|name| *name == names[0]), "they say {names:?}");
            leads.copied().with_context(|| format!("{} is not among them", names[0]))
        })
        .await
    }

    /// Waits until every node has the same audit head and index, and answers the head.
    pub async fn same_head(&self) -> String {
        eventually("all hold the same audit head", SOON, async || {
            let mut heads = Vec::new();
            for node in &self.nodes {
                let status = node.status().await?;
                heads.push((status["applied_index"].clone(), status["audit"]["head"].clone()));
            }
            ensure!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
            heads[0].1.as_str().map(str::to_owned).context("no head")
        })
        .await
    }

    /// Every node verifies its own chain.
    ///
    /// # Panics
    /// When one's does not hold.
    pub async fn chains_hold(&self) {
        for node in &self.nodes {
            // One whose client has gone away may still be under way.
            let what = format!("{} checks its chain", node.name);
            let verified = eventually(&what, SOON, async || Ok(node.get("/api/v1/audit/verify").await?)).await;
            assert!(verified["ok"] == true, "{}: {verified:#}", node.name);
        }
    }

    /// Writes a file beside the nodes and answers its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("a file in the temporary directory");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes an agent's specification beside the nodes and answers its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn spec(&self, name: &str, owner: &str, program: &Program, restart: &str) -> String {
        let text = format!(
            "name = {name:?}\nowner = {owner:?}\n[program]\ncommand = {:?}\n[resources]\nmemory_mb = 128\ncpu_millis = 50\n\
             [restart]\npolicy = {restart:?}\n",
            program.command()
        );
        self.write(&format!("{name}.toml"), text)
    }

    /// Runs an agent that echoes, and waits until it does.
    pub async fn run_echo(&self, name: &str, owner: &str) {
        let spec = self.spec(name, owner, &Program::Echo, "always");
        let _ = self.nodes[0].cli(&["agent", "run", &spec, "--wait"]).await.exits(0);
    }

    /// What node number `at` shows of an agent.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn agent(&self, at: usize, name: &str) -> anyhow::Result<Value> {
        Ok(self.nodes[at].get(&format!("/api/v1/agents/{name}")).await?)
    }
}
