//! What a user asked for: as a whole ([`Spec`]), and as the cluster keeps it ([`Recorded`]).

use super::{ANSWER_WITHIN_MS, AgentName, Resources, Restart, Strategy, Tier};
use crate::document::{self, Document, Form};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a user asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name.
    pub name: AgentName,
    /// Whose it is: agents of one owner may message each other under the starter policies.
    pub owner: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables added to the program's otherwise small environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How many messages it is given before it has answered the first, at least 1.
    pub max_in_flight: u16,
    /// For how long it may leave messages unanswered, and answer nothing, before it counts as unresponsive, ms.
    /// A document says it only where it is not [`ANSWER_WITHIN_MS`].
    #[serde(default = "answer_within_ms", skip_serializing_if = "is_usual")]
    pub answer_within_ms: u64,
    /// What is reserved for it.
    pub resources: Resources,
    /// What isolates it.
    pub tier: Tier,
    /// When it is started again.
    pub restart: Restart,
    /// Words that policies may look at, such as `team=x`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Labels that its node must have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub require: BTreeSet<String>,
    /// Which of the nodes that could take it is given it.
    pub strategy: Strategy,
    /// A higher one is placed first.
    pub priority: u16,
}

/// A spec as it is in commands and in the state: its document, and beside it what `apply`, placement and policies read of it. They
/// parse nothing: whoever proposed it made both of one spec, and whoever runs it holds them against each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The agent's name.
    pub name: AgentName,
    /// Whose it is.
    pub owner: String,
    /// What is reserved for it.
    pub resources: Resources,
    /// What isolates it.
    pub tier: Tier,
    /// Words that policies may look at.
    pub labels: BTreeSet<String>,
    /// Labels that its node must have.
    pub require: BTreeSet<String>,
    /// Which of the nodes that could take it is given it.
    pub strategy: Strategy,
    /// A higher one is placed first.
    pub priority: u16,
    /// All of the spec. What a later version says in it is kept as it is.
    pub document: Document,
}

impl Form for Spec {
    const NAME: &'static str = "spec";

    fn version(&self) -> u16 {
        1
    }
}

impl Spec {
    /// A process of `owner`'s that reserves nothing, whatever its node, and is started again whenever it ends.
    #[must_use]
    pub fn new(name: AgentName, owner: &str, command: Vec<String>) -> Self {
        Self {
            name,
            owner: owner.to_owned(),
            command,
            env: BTreeMap::new(),
            max_in_flight: 1,
            answer_within_ms: ANSWER_WITHIN_MS,
            resources: Resources::default(),
            tier: Tier::Process,
            restart: Restart::Always,
            labels: BTreeSet::new(),
            require: BTreeSet::new(),
            strategy: Strategy::default(),
            priority: 0,
        }
    }
}

impl Recorded {
    /// The spec that it is of.
    ///
    /// # Errors
    /// When its document is of a later version, or not one of a spec; or when what stands beside it is of another spec.
    pub fn read(&self) -> Result<Spec, document::Error> {
        let spec: Spec = self.document.read()?;
        let same = Self { document: self.document.clone(), ..Self::beside(&spec) };
        if same == *self { Ok(spec) } else { Err(document::Error::Beside { form: Spec::NAME }) }
    }

    /// The spec, as far as this program knows what is in it: to be shown, never to be run.
    ///
    /// # Errors
    /// When its document is not one of a spec.
    pub fn skim(&self) -> Result<Spec, document::Error> {
        self.document.skim()
    }

    fn beside(spec: &Spec) -> Self {
        Self {
            name: spec.name.clone(),
            owner: spec.owner.clone(),
            resources: spec.resources,
            tier: spec.tier,
            labels: spec.labels.clone(),
            require: spec.require.clone(),
            strategy: spec.strategy,
            priority: spec.priority,
            document: Document::default(),
        }
    }
}

impl From<&Spec> for Recorded {
    fn from(spec: &Spec) -> Self {
        Self { document: Document::of(spec), ..Self::beside(spec) }
    }
}

impl From<Spec> for Recorded {
    fn from(spec: Spec) -> Self {
        Self::from(&spec)
    }
}

impl From<Spec> for Arc<Recorded> {
    fn from(spec: Spec) -> Self {
        Self::new(spec.into())
    }
}

fn answer_within_ms() -> u64 {
    ANSWER_WITHIN_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_usual(answer_within_ms: &u64) -> bool {
    *answer_within_ms == ANSWER_WITHIN_MS
}
