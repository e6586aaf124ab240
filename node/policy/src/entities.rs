//! The slice of the cluster that one request needs, in Cedar's terms: its principal, its resource, nothing else.
//!
//! An agent the state does not know gets no entity: a policy that looks at it fails, and that is a refusal.

use crate::act::Principal;
use crate::act::sealed::Resource;
use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use std::collections::{BTreeMap, HashMap, HashSet};
use symbi_model::State;
use symbi_model::agent::{AgentName, Tier};

/// The entity types of the schema, parsed once.
#[derive(Debug)]
pub struct Types {
    /// `Agent`.
    agent: EntityTypeName,
    /// `Cluster`.
    cluster: EntityTypeName,
    /// `Node`.
    node: EntityTypeName,
    /// `User`.
    user: EntityTypeName,
}

/// A request's entities.
#[derive(Debug)]
pub struct Slice {
    /// Who.
    pub principal: EntityUid,
    /// To what.
    pub resource: EntityUid,
    /// What is known of the two.
    pub entities: Vec<Entity>,
    /// The same for people: `principal.owner` and so on.
    pub values: BTreeMap<String, String>,
}

/// A slice in the making.
struct Draft<'a> {
    /// The entity types.
    types: &'a Types,
    /// What the cluster knows.
    state: &'a State,
    /// The entities so far.
    entities: Vec<Entity>,
    /// The values so far.
    values: BTreeMap<String, String>,
}

impl Types {
    /// Those of the built-in schema.
    pub fn new() -> Self {
        let named = |name: &str| name.parse().expect("a plain identifier names an entity type");
        Self { agent: named("Agent"), cluster: named("Cluster"), node: named("Node"), user: named("User") }
    }

    /// What `principal` and `resource` are in `state`.
    pub fn slice(&self, state: &State, principal: &Principal, resource: &Resource<'_>) -> Slice {
        let entities = Vec::with_capacity(2);
        let mut draft = Draft { types: self, state, entities, values: BTreeMap::new() };
        let principal = draft.principal(principal);
        let resource = draft.resource(resource);
        Slice { principal, resource, entities: draft.entities, values: draft.values }
    }
}

impl Draft<'_> {
    fn principal(&mut self, principal: &Principal) -> EntityUid {
        match principal {
            Principal::Agent(agent) => self.recorded_agent("principal", &agent.name),
            Principal::Node { name, .. } => self.node("principal", name),
            Principal::User(name) => self.named("principal", &self.types.user, name, &[("name", name)], false),
        }
    }

    fn resource(&mut self, resource: &Resource<'_>) -> EntityUid {
        match *resource {
            Resource::Agent(name) => self.recorded_agent("resource", name),
            Resource::NewAgent { name, owner, tier } => self.agent("resource", name.as_str(), owner, tier),
            Resource::NewNode(name) => self.node("resource", name),
            Resource::Cluster => {
                let name = self.state.cluster.as_ref().map_or("", |cluster| &cluster.name);
                self.named("resource", &self.types.cluster, name, &[("name", name)], false)
            }
        }
    }

    fn recorded_agent(&mut self, role: &str, name: &str) -> EntityUid {
        let record = name.parse::<AgentName>().ok().and_then(|name| self.state.agents.get(&name));
        if let Some(agent) = record {
            return self.agent(role, name, &agent.spec.owner, agent.spec.tier);
        }
        self.values.insert(format!("{role}.record"), "none: the cluster has no agent of this name".to_owned());
        uid(&self.types.agent, name)
    }

    fn agent(&mut self, role: &str, name: &str, owner: &str, tier: Tier) -> EntityUid {
        let tier = tier.to_string();
        self.named(role, &self.types.agent, name, &[("owner", owner), ("tier", &tier)], true)
    }

    fn node(&mut self, role: &str, name: &str) -> EntityUid {
        self.named(role, &self.types.node, name, &[("name", name)], true)
    }

    /// Adds an entity with textual attributes, and with an empty set of labels where its type has them.
    fn named(
        &mut self,
        role: &str,
        kind: &EntityTypeName,
        name: &str,
        texts: &[(&str, &str)],
        labelled: bool,
    ) -> EntityUid {
        let uid = uid(kind, name);
        let mut attributes = HashMap::with_capacity(texts.len() + 1);
        for &(attribute, value) in texts {
            attributes.insert(attribute.to_owned(), RestrictedExpression::new_string(value.to_owned()));
            self.values.insert(format!("{role}.{attribute}"), value.to_owned());
        }
        if labelled {
            attributes.insert("labels".to_owned(), RestrictedExpression::new_set([]));
        }
        let entity = Entity::new(uid.clone(), attributes, HashSet::new());
        self.entities.push(entity.expect("strings and an empty set evaluate to themselves"));
        uid
    }
}

fn uid(kind: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
}
