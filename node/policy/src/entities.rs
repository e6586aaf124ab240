//! The slice of the cluster that one request needs, in Cedar's terms: its principal, its resource, what the policies name
//! themselves, and the groups of these. Nothing else.
//!
//! An agent the state does not know gets no entity: a policy that looks at it fails, and that is a refusal.

use crate::act::sealed::{Resource, Who};
use crate::set::Parsed;
use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use symbi_model::agent::{AgentName, Recorded};
use symbi_model::{NodeId, State};

/// The entity types of the schema, parsed once.
#[derive(Debug)]
pub struct Types {
    /// `Agent`.
    agent: EntityTypeName,
    /// `Cluster`.
    cluster: EntityTypeName,
    /// `Group`.
    group: EntityTypeName,
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
    /// What is known of the two, and of what the policies name.
    pub entities: Vec<Entity>,
    /// The same for people.
    pub values: Values,
    /// The records of agents that were read; none for an agent without a record.
    pub read: Vec<Read>,
    /// Whether `read` is all of the state that was.
    pub only_agents: bool,
}

/// What is told to people of a principal and a resource: a role, an attribute and a value each.
#[derive(Debug, Default)]
pub struct Values(Vec<(&'static str, &'static str, String)>);

/// A record of the state that was read.
pub type Read = (AgentName, Option<Arc<Recorded>>);

/// What somebody or something is said to be, in a case that is not the cluster's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its type and id.
    pub kind: Kind,
    /// The id.
    pub id: String,
    /// An agent's owner.
    pub owner: String,
    /// An agent's tier.
    pub tier: String,
    /// An agent's or a node's labels.
    pub labels: BTreeSet<String>,
    /// Groups that it is in, beside those of the set.
    pub groups: BTreeSet<String>,
}

/// The types that do and suffer acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An agent.
    Agent,
    /// A node.
    Node,
    /// A user.
    User,
    /// The cluster.
    Cluster,
}

/// Collects the entities of a slice.
struct Builder<'a> {
    /// The entity types.
    types: &'a Types,
    /// What the cluster knows.
    state: &'a State,
    /// The set by which is judged.
    set: &'a Parsed,
    /// The slice so far, but for its ends.
    entities: Vec<Entity>,
    /// As in [`Slice`].
    values: Values,
    /// As in [`Slice`].
    read: Vec<Read>,
    /// As in [`Slice`].
    only_agents: bool,
}

/// What an entity has.
#[derive(Default)]
struct Features<'a> {
    /// Its textual attributes.
    texts: &'a [(&'static str, &'a str)],
    /// Its labels, where its type has them.
    labels: Option<&'a BTreeSet<String>>,
    /// What it is in beside the set's groups.
    parents: Vec<EntityUid>,
}

impl Values {
    /// The value of one attribute.
    pub fn get(&self, role: &str, attribute: &str) -> Option<&str> {
        self.0.iter().find(|(whose, what, _)| (*whose, *what) == (role, attribute)).map(|(_, _, value)| value.as_str())
    }

    /// All of them, by their full names: `principal.owner` and so on.
    pub fn named(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|(role, attribute, value)| (format!("{role}.{attribute}"), value.clone()))
    }
}

impl Types {
    /// Those of the built-in schema.
    pub fn new() -> Self {
        let named = |name: &str| name.parse().expect("a plain identifier names an entity type");
        Self {
            agent: named("Agent"),
            cluster: named("Cluster"),
            group: named("Group"),
            node: named("Node"),
            user: named("User"),
        }
    }

    /// What `principal` and `resource` are in `state`, by the groups of `set`.
    pub fn slice(&self, state: &State, set: &Parsed, principal: Who<'_>, resource: Resource<'_>) -> Slice {
        let mut builder = Builder::new(self, state, set);
        let principal = builder.principal(principal);
        let resource = builder.resource(resource);
        builder.finish(principal, resource)
    }

    /// The slice of a case in which the two are what they are said to be.
    pub fn supposed(&self, set: &Parsed, principal: &Subject, resource: &Subject) -> Slice {
        let nothing = State::default();
        let mut builder = Builder::new(self, &nothing, set);
        let principal = builder.supposed("principal", principal);
        let resource = builder.supposed("resource", resource);
        builder.finish(principal, resource)
    }

    /// The name of an entity.
    pub fn uid(&self, kind: Kind, id: &str) -> EntityUid {
        let kind = match kind {
            Kind::Agent => &self.agent,
            Kind::Node => &self.node,
            Kind::User => &self.user,
            Kind::Cluster => &self.cluster,
        };
        uid(kind, id)
    }
}

impl<'a> Builder<'a> {
    fn new(types: &'a Types, state: &'a State, set: &'a Parsed) -> Self {
        let entities = Vec::with_capacity(2 + set.literals.len());
        Self { types, state, set, entities, values: Values::default(), read: Vec::new(), only_agents: true }
    }

    fn finish(mut self, principal: EntityUid, resource: EntityUid) -> Slice {
        for literal in &self.set.literals {
            if !self.entities.iter().any(|entity| entity.uid() == *literal) {
                self.literal(literal);
            }
        }
        let Self { entities, values, read, only_agents, .. } = self;
        Slice { principal, resource, entities, values, read, only_agents }
    }

    fn principal(&mut self, principal: Who<'_>) -> EntityUid {
        match principal {
            Who::Agent(name) => self.recorded_agent("principal", name),
            Who::Node { id, name } => self.recorded_node("principal", id, name),
            Who::User(name) | Who::Bearer { user: name, .. } => self.user("principal", name),
        }
    }

    fn resource(&mut self, resource: Resource<'_>) -> EntityUid {
        match resource {
            Resource::Agent(name) => self.recorded_agent("resource", name),
            Resource::NewAgent(spec) => {
                self.only_agents = false;
                self.agent("resource", spec.name.as_str(), spec)
            }
            Resource::Node(id) => {
                let name = self.state.nodes.get(id).map_or_else(|| id.short(), |node| node.name.clone());
                self.recorded_node("resource", id, &name)
            }
            Resource::NewNode { name, labels } => self.node("resource", name, labels),
            Resource::Cluster => {
                let name = self.state.cluster.as_ref().map_or("", |cluster| &cluster.name);
                self.cluster("resource", name)
            }
        }
    }

    fn recorded_agent(&mut self, role: &'static str, name: &str) -> EntityUid {
        // What is no name has no record, and never will.
        let spec = name.parse::<AgentName>().ok().and_then(|name| {
            let spec = self.state.agents.get(&name).map(|agent| agent.spec.clone());
            self.read.push((name, spec.clone()));
            spec
        });
        if let Some(spec) = spec {
            return self.agent(role, name, &spec);
        }
        self.say(role, "record", "none: the cluster has no agent of this name");
        uid(&self.types.agent, name)
    }

    fn recorded_node(&mut self, role: &'static str, id: &NodeId, name: &str) -> EntityUid {
        self.only_agents = false;
        if let Some(record) = self.state.nodes.get(id) {
            return self.node(role, name, &record.profile.labels);
        }
        self.say(role, "record", "none: the cluster has no such node");
        uid(&self.types.node, name)
    }

    fn agent(&mut self, role: &'static str, name: &str, spec: &Recorded) -> EntityUid {
        let tier = spec.tier.to_string();
        let texts: &[_] = &[("owner", spec.owner.as_str()), ("tier", &tier)];
        let features = Features { texts, labels: Some(&spec.labels), parents: Vec::new() };
        self.put(role, &self.types.agent, name, features)
    }

    fn node(&mut self, role: &'static str, name: &str, labels: &BTreeSet<String>) -> EntityUid {
        self.only_agents = false;
        let cluster = self.state.cluster.as_ref().map(|cluster| uid(&self.types.cluster, &cluster.name));
        let parents = cluster.into_iter().collect();
        self.put(role, &self.types.node, name, Features { texts: &[("name", name)], labels: Some(labels), parents })
    }

    fn user(&mut self, role: &'static str, name: &str) -> EntityUid {
        self.put(role, &self.types.user, name, Features { texts: &[("name", name)], ..Features::default() })
    }

    fn cluster(&mut self, role: &'static str, name: &str) -> EntityUid {
        self.only_agents = false;
        self.put(role, &self.types.cluster, name, Features { texts: &[("name", name)], ..Features::default() })
    }

    fn supposed(&mut self, role: &'static str, subject: &Subject) -> EntityUid {
        let Subject { kind, id, owner, tier, labels, groups } = subject;
        let parents = groups.iter().map(|group| uid(&self.types.group, group)).collect();
        let (kind, texts, labels): (_, &[_], _) = match kind {
            Kind::Agent => (&self.types.agent, &[("owner", owner.as_str()), ("tier", tier)], Some(labels)),
            Kind::Node => (&self.types.node, &[("name", id.as_str())], Some(labels)),
            Kind::User => (&self.types.user, &[("name", id.as_str())], None),
            Kind::Cluster => (&self.types.cluster, &[("name", id.as_str())], None),
        };
        self.put(role, kind, id, Features { texts, labels, parents })
    }

    /// What a policy names itself, as far as the cluster knows it.
    fn literal(&mut self, literal: &EntityUid) {
        let (kind, id) = (literal.type_name(), literal.id().unescaped());
        if *kind == self.types.agent {
            self.recorded_agent("", id);
        } else if *kind == self.types.node {
            let state = self.state;
            self.only_agents = false;
            if let Some(node) = state.nodes.values().find(|node| node.name == id) {
                self.node("", id, &node.profile.labels);
            }
        } else if *kind == self.types.user {
            self.user("", id);
        } else if *kind == self.types.group {
            self.put("", &self.types.group, id, Features::default());
        } else if self.state.cluster.as_ref().is_some_and(|cluster| cluster.name == id) {
            self.cluster("", id);
        }
    }

    /// Adds an entity; with a role its values are told to people.
    fn put(&mut self, role: &'static str, kind: &EntityTypeName, name: &str, features: Features<'_>) -> EntityUid {
        let Features { texts, labels, parents } = features;
        let uid = uid(kind, name);
        let mut attributes = HashMap::with_capacity(texts.len() + 1);
        for &(attribute, value) in texts {
            attributes.insert(attribute.to_owned(), RestrictedExpression::new_string(value.to_owned()));
            self.say(role, attribute, value);
        }
        if let Some(labels) = labels {
            let values = labels.iter().map(|label| RestrictedExpression::new_string(label.clone()));
            attributes.insert("labels".to_owned(), RestrictedExpression::new_set(values));
            if !labels.is_empty() {
                let shown: Vec<&str> = labels.iter().map(String::as_str).collect();
                self.say(role, "labels", &shown.join(", "));
            }
        }
        let groups = self.set.members.groups(kind.basename(), name);
        if !groups.is_empty() {
            let shown: Vec<&str> = groups.iter().map(|group| group.id().unescaped()).collect();
            self.say(role, "groups", &shown.join(", "));
        }
        let parents: HashSet<EntityUid> = groups.iter().cloned().chain(parents).collect();
        let entity = Entity::new(uid.clone(), attributes, parents);
        self.entities.push(entity.expect("strings and sets of them evaluate to themselves"));
        uid
    }

    fn say(&mut self, role: &'static str, attribute: &'static str, value: &str) {
        if !role.is_empty() {
            self.values.0.push((role, attribute, value.to_owned()));
        }
    }
}

fn uid(kind: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
}
