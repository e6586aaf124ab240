//! Lines of a script, read.

use super::{CLUSTER, Proposed, SECRET, START_MS, World, key, node, profile};
use std::collections::BTreeSet;
use symbi_model::agent::{AgentName, AgentState, Recorded, Resources, Spec};
use symbi_model::command::{Aimed, CreateApiToken, CreateToken, Enrol, Phase, Report, UpdateAgent};
use symbi_model::entry::Payload;
use symbi_model::ledger::{Anchor, Tip};
use symbi_model::token::Scope;
use symbi_model::{
    AgentId, Applied, ClientId, Command, Epoch, Hash, Incarnation, NodeId, PolicyNumber, RequestId, TokenId, codec,
};
use uuid::Uuid;

impl World {
    /// Does what a line says; none when it is no entry.
    pub fn line(&mut self, line: &str) -> Option<Applied> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["blank"] => Some(self.apply(Payload::Blank)),
            ["genesis"] => Some(self.genesis()),
            ["seats", sets @ ..] => {
                let voters = sets.split(|word| *word == "and").map(nodes).collect();
                Some(self.apply(Payload::Membership { voters, learners: Vec::new() }))
            }
            ["term", term] => {
                self.term = number(term);
                None
            }
            ["time", seconds] => {
                self.time_ms = START_MS + number(seconds) * 1000;
                None
            }
            ["policy", set] => {
                self.set_policy(number(set));
                None
            }
            _ => Some(self.batch_line(line)),
        }
    }

    /// Makes a newer policy set current.
    fn set_policy(&mut self, set: u64) {
        self.state.counters.policy_set = PolicyNumber(set);
        self.edited();
    }

    fn batch_line(&mut self, line: &str) -> Applied {
        let (head, commands) = line.split_once(": ").expect("`origin: commands`");
        let commands = commands.split("; ").map(|command| proposed(&self.with_epoch(command))).collect();
        match head.split(' ').collect::<Vec<_>>().as_slice() {
            [origin] => self.propose(index(origin), None, commands),
            [origin, "decided", term] => self.propose(index(origin), Some(number(term)), commands),
            [origin, "forged"] => {
                let mut batch = self.batch(index(origin), None, commands);
                batch.time_ms += 1;
                self.apply(Payload::Batch(codec::encode_batch(&batch)))
            }
            _ => panic!("{head:?} is no head of a batch"),
        }
    }
}

impl World {
    /// The command with `now` replaced by the epoch that its agent, its second word, has.
    fn with_epoch(&self, command: &str) -> String {
        let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if let Some(place) = words.iter().position(|word| word == "now") {
            let placement = self.state.agents.get(&agent(&words[1])).and_then(|agent| agent.placement);
            words[place] = placement.map_or_else(|| "0".to_owned(), |placement| placement.epoch.to_string());
        }
        words.join(" ")
    }
}

fn proposed(text: &str) -> Proposed {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let request = words.first().and_then(|word| request(word));
    if request.is_some() {
        words.remove(0);
    }
    let set = match words.last() {
        Some(&"unpermitted") => Some(None),
        Some(word) => word.strip_prefix("set=").map(|set| Some(number(set))),
        None => None,
    };
    if set.is_some() {
        words.pop();
    }
    let shown = words.last().and_then(|word| word.strip_prefix("shown=")).map(api_token);
    words.truncate(words.len() - usize::from(shown.is_some()));
    let by = words.last().and_then(|word| word.strip_prefix("by=")).map(str::to_owned);
    words.truncate(words.len() - usize::from(by.is_some()));
    let by = format!("user:{}", by.as_deref().unwrap_or("admin"));
    let mut command = command(&words, &by);
    if let Command::CreateAgent { actor, .. } = &mut command {
        *actor = by;
    }
    let default = command.needs_permit().then_some(1);
    Proposed { request, set: set.unwrap_or(default), shown, command }
}

fn command(words: &[&str], actor: &str) -> Command {
    let actor = || actor.to_owned();
    match words {
        ["genesis"] => Command::Genesis(super::genesis()),
        ["enrol", id, "with", token] => enrol(id, id, token),
        ["enrol", id, "as", name, "with", token] => enrol(id, name, token),
        ["finish", id] => Command::FinishJoin { node: node(index(id)) },
        ["clear", id] => Command::ClearJoin { node: node(index(id)) },
        ["introduce", id, "labels", labels @ ..] => Command::Introduce {
            node: node(index(id)),
            profile: symbi_model::node::Profile { labels: words_of(labels), ..profile(index(id)) },
        },
        ["introduce", id, "agents", most] => Command::Introduce {
            node: node(index(id)),
            profile: symbi_model::node::Profile {
                max_agents: u32::try_from(number(most)).expect("a small number"),
                ..profile(index(id))
            },
        },
        ["introduce", id, "memory", memory] => Command::Introduce {
            node: node(index(id)),
            profile: symbi_model::node::Profile {
                allocatable: Resources { memory_mb: number(memory), cpu_millis: 4000 },
                ..profile(index(id))
            },
        },
        ["seal"] => Command::Seal,
        ["next", ids @ ..] => Command::Voters { phase: Phase::Next, voters: nodes(ids) },
        ["settled", ids @ ..] => Command::Voters { phase: Phase::Settled, voters: nodes(ids) },
        ["aborted", ids @ ..] => Command::Voters { phase: Phase::Aborted, voters: nodes(ids) },
        ["leave", id] => Command::Leave { node: node(index(id)) },
        ["down", id] => Command::NodeDown { node: node(index(id)) },
        ["up", id] => Command::NodeUp { node: node(index(id)) },
        ["token", id, "uses", uses, "until", seconds] => Command::CreateToken(CreateToken {
            token: token(id),
            verifier: [9; 32],
            uses: u32::try_from(number(uses)).expect("a small number"),
            expires_ms: START_MS + number(seconds) * 1000,
            actor: actor(),
        }),
        ["revoke", id] => Command::RevokeToken { token: token(id), actor: actor() },
        ["apply", text, rest @ ..] => {
            let keeper = if let ["kept", "by", keeper] = rest { keeper } else { "admin" }.to_owned();
            Command::ApplyPolicies { text: (*text).to_owned(), entities: "[]".to_owned(), keeper, actor: actor() }
        }
        ["anchor", ledgers @ ..] => Command::Anchor { anchors: anchors(ledgers) },
        ["expel", id] => Command::RemoveNode { node: node(index(id)), actor: actor() },
        ["place", name, "on", id, "expecting", epoch] => Command::Place {
            name: agent(name),
            id: agent_id(name),
            expected: Some(number(epoch)).filter(|epoch| *epoch != 0).map(Epoch),
            node: node(index(id)),
        },
        ["report", name, epoch, state, rest @ ..] => Command::Report(report(name, epoch, state, rest)),
        ["user" | "unuser" | "key" | "unkey", ..] => of_people(words, actor()),
        _ => of_agent(words, actor()),
    }
}

/// What administrators ask of users and of their tokens.
fn of_people(words: &[&str], actor: String) -> Command {
    match words {
        ["user", name] => Command::CreateUser { name: (*name).to_owned(), actor },
        ["unuser", name, "keeping", keeper] => {
            Command::RemoveUser { name: (*name).to_owned(), keeper: (*keeper).to_owned(), actor }
        }
        ["key", id, "of", user, "until", seconds, "for", actions @ ..] => Command::CreateApiToken(CreateApiToken {
            hash: api_token(id),
            user: (*user).to_owned(),
            scope: match actions {
                ["all"] => Scope::All,
                actions => Scope::Actions(words_of(actions)),
            },
            expires_ms: Some(number(seconds)).filter(|seconds| *seconds != 0).map(|seconds| START_MS + seconds * 1000),
            actor,
        }),
        ["unkey", id, "keeping", keeper] => {
            Command::RevokeApiToken { token: api_token(id), keeper: (*keeper).to_owned(), actor }
        }
        other => panic!("not a command: {other:?}"),
    }
}

/// What users ask of agents.
fn of_agent(words: &[&str], actor: String) -> Command {
    let actor = || actor.clone();
    match words {
        ["create", name] => create(name, 100),
        ["create", name, "memory", memory] => create(name, number(memory)),
        ["create", name, "requiring", labels @ ..] => {
            created(name, Spec { require: words_of(labels), ..spec(name, 100) })
        }
        ["update", name, "memory", memory, version @ ..] => {
            let spec = Recorded::from(spec(name, number(memory)));
            let mac = SECRET.mac(spec.document.as_bytes());
            let changed = vec!["resources.memory_mb".to_owned()];
            Command::UpdateAgent(UpdateAgent { aimed: aimed(name, version), spec, mac, changed })
        }
        ["update", name, "owner", owner] => {
            let spec = Recorded::from(Spec { owner: (*owner).to_owned(), ..spec(name, 100) });
            let mac = SECRET.mac(spec.document.as_bytes());
            Command::UpdateAgent(UpdateAgent { aimed: aimed(name, &[]), spec, mac, changed: Vec::new() })
        }
        ["start", name, version @ ..] => Command::StartAgent(aimed(name, version)),
        ["restart", name, version @ ..] => Command::RestartAgent(aimed(name, version)),
        ["rollback", name, "to", memory, version @ ..] => {
            let spec = Recorded::from(spec(name, number(memory)));
            Command::RollbackAgent { aimed: aimed(name, version), mac: SECRET.mac(spec.document.as_bytes()) }
        }
        ["stop", name] => Command::StopAgent { name: agent(name), actor: actor() },
        ["remove", name] => Command::RemoveAgent { name: agent(name), actor: actor() },
        ["annotate", name, key, value] => Command::Annotate {
            name: agent(name),
            key: (*key).to_owned(),
            value: value.strip_prefix('*').map_or_else(|| (*value).to_owned(), |len| "x".repeat(number(len) as usize)),
            actor: actor(),
        },
        _ => panic!("{words:?} is no command"),
    }
}

fn enrol(id: &str, name: &str, by: &str) -> Command {
    let name = name.to_owned();
    Command::Enrol(Enrol { node: node(index(id)), name, profile: profile(index(id)), token: token(by) })
}

/// An agent's creation, with the id that a script's `place` expects.
pub fn create(name: &str, memory_mb: u64) -> Command {
    created(name, spec(name, memory_mb))
}

fn created(name: &str, spec: Spec) -> Command {
    let spec = Recorded::from(spec);
    let mac = SECRET.mac(spec.document.as_bytes());
    Command::CreateAgent { id: agent_id(name), spec, mac, actor: "user:admin".to_owned() }
}

fn spec(name: &str, memory_mb: u64) -> Spec {
    Spec {
        resources: Resources { memory_mb, cpu_millis: 100 },
        ..Spec::new(agent(name), "demo", vec!["agent".to_owned()])
    }
}

/// The agent as it is, or as it must be of version N: `at N`.
fn aimed(name: &str, version: &[&str]) -> Aimed {
    let version = match version {
        [] => None,
        ["at", version] => Some(number(version)),
        other => panic!("{other:?} is no version"),
    };
    Aimed { name: agent(name), id: agent_id(name), version, actor: "user:admin".to_owned() }
}

fn report(name: &str, epoch: &str, state: &str, rest: &[&str]) -> Report {
    let incarnation = rest.iter().find_map(|word| word.strip_prefix("incarnation=")).map_or(1, number);
    Report {
        name: agent(name),
        epoch: Epoch(number(epoch)),
        incarnation: Incarnation(incarnation),
        sequence: rest.iter().find_map(|word| word.strip_prefix("number=")).map_or(1, number),
        state: match state {
            "running" => AgentState::Running,
            "suspended" => AgentState::Suspended,
            "terminated" => AgentState::Terminated,
            "failed" => AgentState::Failed,
            other => panic!("{other:?} is no state"),
        },
        restarts: 0,
        detail: String::new(),
        released: rest.contains(&"released"),
        account: None,
    }
}

/// `c1:2`, or `c1+700:2`.
fn request(word: &str) -> Option<RequestId> {
    let (client, sequence) = word.strip_prefix('c')?.split_once(':')?;
    let (number_of, born) = client.split_once('+').unwrap_or((client, "0"));
    let client = client_id(number(number_of), START_MS + number(born) * 1000);
    Some(RequestId { client, sequence: number(sequence) })
}

/// A client born at this time.
pub fn client_id(number: u64, born_ms: u64) -> ClientId {
    ClientId(Uuid::from_u128(u128::from(born_ms) << 80 | 7 << 76 | 2 << 62 | u128::from(number)))
}

/// The id that an agent of this name is given; `a1` and `a1-again` have two.
pub fn agent_id(name: &str) -> AgentId {
    AgentId(Uuid::from_u128(name.bytes().fold(0, |id, byte| id << 8 | u128::from(byte))))
}

fn agent(name: &str) -> AgentName {
    name.parse().expect("an agent's name")
}

/// Anchors such as `n2 5`; `forged`, and `elsewhere` for another generation's, before a node say what is wrong with its own.
fn anchors(words: &[&str]) -> Vec<Anchor> {
    let (mut anchors, mut rest) = (Vec::new(), words);
    while !rest.is_empty() {
        let flags = rest.iter().take_while(|word| ["forged", "elsewhere"].contains(word)).count();
        let (flags, of) = rest.split_at(flags);
        let tip = Tip { entries: number(of[1]), head: Hash([8; 32]), root: Hash([9; 32]) };
        let generation = u16::from(flags.contains(&"elsewhere"));
        let anchor = Anchor::sign(CLUSTER, generation, &tip, &key(index(of[0])));
        let root = if flags.contains(&"forged") { Hash([7; 32]) } else { anchor.root };
        anchors.push(Anchor { root, ..anchor });
        rest = &of[2..];
    }
    anchors
}

fn words_of(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Nodes as they are named, by rising id; `unsorted` at the end leaves them as they are named.
pub fn nodes(words: &[&str]) -> Vec<NodeId> {
    let names = words.iter().filter(|word| **word != "unsorted");
    let mut ids: Vec<NodeId> = names.map(|word| node(index(word))).collect();
    if !words.contains(&"unsorted") {
        ids.sort_unstable();
    }
    ids
}

/// The hash of an API token such as `k1`; `k7` is that of the genesis.
fn api_token(id: &str) -> Hash {
    Hash([u8::try_from(number(&id[1..])).expect("a small number"); 32])
}

fn token(id: &str) -> TokenId {
    TokenId([u8::try_from(number(&id[1..])).expect("a small number"); 6])
}

fn index(node: &str) -> u8 {
    node[1..].parse().expect("a node such as n1")
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}
