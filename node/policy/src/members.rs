//! Who is in which group: a policy set's entities, read from Cedar's JSON.
//!
//! They say memberships and nothing else. What attributes a user, an agent or a node has, the cluster knows itself, and
//! an entity that brought its own would let policies judge by what nobody vouches for.
//!
//! Invariants:
//! - no group is in itself, directly or through others;
//! - nobody is in more than [`MAX_GROUPS`] groups, directly or through others.

use crate::invalid::{PolicyError, Position};
use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::policy::TEXT_BYTES;

/// The most groups that anybody is in.
pub const MAX_GROUPS: usize = 64;

/// The types that may be in groups.
const TYPES: [&str; 4] = ["Agent", "Group", "Node", "User"];

/// The memberships of one set.
#[derive(Debug, Default)]
pub struct Members {
    /// For each that is named, every group it is in, directly or through others.
    groups: BTreeMap<Name, Vec<EntityUid>>,
    /// For each that is named, the groups it was put in, for people.
    direct: BTreeMap<Name, BTreeSet<Name>>,
}

/// A type and an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The type, such as `Group`.
    #[serde(rename = "type")]
    kind: String,
    /// The id.
    id: String,
}

/// A name, bare or in Cedar's escape.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    /// `{"__entity": {"type": …, "id": …}}`.
    Escaped {
        /// The name.
        #[serde(rename = "__entity")]
        entity: Name,
    },
    /// `{"type": …, "id": …}`.
    Bare(Name),
}

/// One entity as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Which.
    uid: Written,
    /// Its attributes: none.
    #[serde(default)]
    attrs: BTreeMap<String, serde_json::Value>,
    /// Its tags: none.
    #[serde(default)]
    tags: BTreeMap<String, serde_json::Value>,
    /// The groups it is in.
    #[serde(default)]
    parents: Vec<Written>,
}

impl Written {
    fn name(self) -> Name {
        match self {
            Self::Escaped { entity } | Self::Bare(entity) => entity,
        }
    }
}

impl Name {
    fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }

    fn uid(&self) -> EntityUid {
        let kind: EntityTypeName = self.kind.parse().expect("only the schema's types are kept");
        EntityUid::from_type_name_and_id(kind, EntityId::new(&self.id))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}::{:?}", self.kind, self.id)
    }
}

impl Members {
    /// Reads a set's entities.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > TEXT_BYTES {
            let message = format!("entities may have {TEXT_BYTES} bytes, and these have {}", text.len());
            return Err(Position::start().error(message));
        }
        let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
            // Line 0 is serde_json's way to say that it has no place.
            Position { line: error.line().max(1), column: error.column().max(1) }.error(shortened(&error))
        })?;
        let mut places = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for value in raw {
            let place = Position::of(text, value.get().as_ptr() as usize - text.as_ptr() as usize);
            let (name, parents) = line(value.get()).map_err(|message| place.error(message))?;
            if direct.insert(name.clone(), parents).is_some() {
                return Err(place.error(format!("{name} is there twice")));
            }
            places.insert(name, place);
        }
        let mut groups = BTreeMap::new();
        for name in direct.keys() {
            let all = above(name, &direct).map_err(|message| places[name].error(message))?;
            groups.insert(name.clone(), all.iter().map(Name::uid).collect());
        }
        Ok(Self { groups, direct })
    }

    /// Every group that an entity is in, directly or through others.
    pub fn groups(&self, kind: &str, id: &str) -> &[EntityUid] {
        if self.groups.is_empty() {
            return &[];
        }
        self.groups.get(&Name::new(kind, id)).map_or(&[], Vec::as_slice)
    }

    /// A line for each entity that is named, in order, for people.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.direct.iter().map(|(name, parents)| {
            let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
            format!("{name} in [{}]", parents.join(", "))
        });
        lines.collect()
    }
}

/// One entity, and the groups it is in.
fn line(json: &str) -> Result<(Name, BTreeSet<Name>), String> {
    let line: Line = serde_json::from_str(json).map_err(|error| shortened(&error))?;
    let name = line.uid.name();
    if !TYPES.contains(&name.kind.as_str()) {
        return Err(format!("{name} has a type that cannot be in groups: it takes {}", TYPES.join(", ")));
    }
    if let Some(attribute) = line.attrs.keys().chain(line.tags.keys()).next() {
        return Err(format!(
            "{name} has the attribute {attribute:?}: what it has the cluster knows, only its groups are said here"
        ));
    }
    let parents: BTreeSet<Name> = line.parents.into_iter().map(Written::name).collect();
    match parents.iter().find(|parent| parent.kind != "Group") {
        Some(parent) => Err(format!("{name} cannot be in {parent}: only in a Group")),
        None => Ok((name, parents)),
    }
}

/// Every group that `name` is in.
fn above(name: &Name, direct: &BTreeMap<Name, BTreeSet<Name>>) -> Result<BTreeSet<Name>, String> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![name]);
    while let Some(next) = waiting.pop() {
        for parent in direct.get(next).into_iter().flatten() {
            if parent == name {
                return Err(format!("{name} is in itself"));
            }
            if found.insert(parent.clone()) {
                waiting.push(parent);
            }
        }
        if found.len() > MAX_GROUPS {
            return Err(format!("{name} is in more than {MAX_GROUPS} groups"));
        }
    }
    Ok(found)
}

/// What is wrong, without the place: that is said apart.
fn shortened(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Members::parse(text).expect_err("it is wrong").to_string()
    }

    #[test]
    fn groups_are_found_through_groups() {
        let text = r#"[
            {"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "night"}]},
            {"uid": {"__entity": {"type": "Group", "id": "night"}}, "parents": [{"__entity": {"type": "Group", "id": "ops"}}]}
        ]"#;
        let members = Members::parse(text).unwrap();
        let shown: Vec<String> = members.groups("User", "bob").iter().map(ToString::to_string).collect();
        assert_eq!(shown, [r#"Group::"night""#, r#"Group::"ops""#]);
        assert!(members.groups("Agent", "bob").is_empty());
        assert_eq!(members.lines(), [r#"Group::"night" in [Group::"ops"]"#, r#"User::"bob" in [Group::"night"]"#]);
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let user = |rest: &str| format!("[\n  {{\"uid\": {{\"type\": \"User\", \"id\": \"bob\"}}{rest}}}\n]");
        assert_eq!(refused("[{]"), "line 1, column 3: key must be a string");
        assert_eq!(
            refused(&user(r#", "attrs": {"name": "bob"}"#)),
            r#"line 2, column 3: User::"bob" has the attribute "name": what it has the cluster knows, only its groups are said here"#
        );
        assert_eq!(
            refused(&user(r#", "parents": [{"type": "Node", "id": "n1"}]"#)),
            r#"line 2, column 3: User::"bob" cannot be in Node::"n1": only in a Group"#
        );
        assert!(refused(&user(r#", "parent": []"#)).starts_with("line 2, column 3: unknown field `parent`"));
        assert_eq!(
            refused(r#"[{"uid": {"type": "Users", "id": "bob"}}]"#),
            r#"line 1, column 2: Users::"bob" has a type that cannot be in groups: it takes Agent, Group, Node, User"#
        );
        let twice = r#"[{"uid": {"type": "User", "id": "b"}}, {"uid": {"type": "User", "id": "b"}}]"#;
        assert_eq!(refused(twice), r#"line 1, column 40: User::"b" is there twice"#);
    }

    #[test]
    fn a_group_is_never_in_itself_and_nobody_in_too_many() {
        let group = |name: &str, parents: &[String]| {
            let parents: Vec<String> = parents.iter().map(|id| format!(r#"{{"type":"Group","id":"{id}"}}"#)).collect();
            format!(r#"{{"uid":{{"type":"Group","id":"{name}"}},"parents":[{}]}}"#, parents.join(","))
        };
        let ring = format!("[{},{}]", group("a", &["b".to_owned()]), group("b", &["a".to_owned()]));
        assert_eq!(refused(&ring), r#"line 1, column 2: Group::"a" is in itself"#);
        let many: Vec<String> = (0..=MAX_GROUPS).map(|number| format!("g{number}")).collect();
        assert!(Members::parse(&format!("[{}]", group("a", &many[..MAX_GROUPS]))).is_ok());
        assert_eq!(
            refused(&format!("[{}]", group("a", &many))),
            r#"line 1, column 2: Group::"a" is in more than 64 groups"#
        );
    }
}
