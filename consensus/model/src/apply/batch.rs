//! A batch: read, checked as a whole, then command by command.

use super::chain::append;
use super::context::Context;
use super::requests::{Known, look_up};
use super::{agents, describe, ledgers, nodes, placements, policies, tokens};
use crate::codec::{self, Error};
use crate::command::Command;
use crate::dedup::LastWrite;
use crate::entry::{Batch, CONTROL, Entry, Item};
use crate::hash::Hash;
use crate::ids::NodeId;
use crate::invariants;
use crate::node::Membership;
use crate::outcome::{Outcome, Refusal};
use crate::planted::{self, Defect};
use crate::record::{BatchLine, Record};
use crate::state::{Change, Key, State};
use std::collections::BTreeSet;

/// A batch that could be read.
pub(super) struct Opened {
    /// The batch.
    batch: Batch,
    /// Its commands.
    commands: Vec<Command>,
    /// SHA-256 of each command's bytes.
    hashes: Vec<Hash>,
    /// The root over its leaves.
    root: Hash,
}

/// What applying gave, before the rows are known.
#[derive(Default)]
pub(super) struct Done {
    /// What became of each command.
    pub(super) outcomes: Vec<Outcome>,
    /// What the chain keeps of the batch.
    pub(super) batch_line: Option<BatchLine>,
    /// One record a command.
    pub(super) records: Vec<Record>,
    /// The keys of all rows that may have changed.
    pub(super) touched: BTreeSet<Key>,
}

/// What a command comes to.
struct Ending {
    /// What became of it.
    outcome: Outcome,
    /// Whether it became so in an earlier entry, or earlier in this one.
    repeated: bool,
}

impl Opened {
    /// Reads a batch and every command in it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let batch = codec::decode_batch(bytes)?;
        let commands = batch.items.iter().map(|item| codec::decode_command(&item.command)).collect::<Result<_, _>>()?;
        let hashes = batch.command_hashes();
        let root = batch.root_over(&hashes);
        Ok(Self { batch, commands, hashes, root })
    }

    /// Why the batch is refused whole.
    fn refusal(&self, state: &State) -> Option<Refusal> {
        let cluster = match (&state.cluster, self.commands.as_slice()) {
            (Some(cluster), _) => cluster.id,
            (None, [Command::Genesis(genesis)]) if genesis.node == self.batch.origin => genesis.cluster,
            (None, _) => return Some(Refusal::OriginNotMember),
        };
        if state.cluster.is_some() && membership(state, &self.batch.origin).is_none() {
            return Some(Refusal::OriginNotMember);
        }
        (!self.batch.verify_root(cluster, CONTROL, &self.root)).then_some(Refusal::BadSignature)
    }

    /// Whether a leader's command may be carried out here: it was decided in the term of the entry, in a batch of its own.
    fn is_leaders_of(&self, term: u64) -> bool {
        let decided = self.batch.decided_term == Some(term) || planted::active(Defect::TermCondition);
        decided && self.commands.iter().all(Command::is_leaders)
    }

    fn line(&self, index: u64) -> BatchLine {
        BatchLine {
            index,
            origin: self.batch.origin,
            time_ms: self.batch.time_ms,
            decided_term: self.batch.decided_term.unwrap_or(0),
            count: u32::try_from(self.batch.items.len()).unwrap_or(u32::MAX),
            root: self.root,
            signature: self.batch.signature.clone(),
        }
    }
}

impl Done {
    /// An entry of Raft's own.
    pub(super) fn of(record: Record) -> Self {
        Self { records: vec![record], ..Self::default() }
    }
}

/// Applies a batch that could be read.
pub(super) fn apply(state: &mut State, entry: &Entry, opened: &Opened) -> Done {
    let mut done = Done { batch_line: Some(opened.line(entry.index)), ..Done::default() };
    let whole = opened.refusal(state);
    if whole.is_none() {
        state.counters.log_time_ms = state.counters.log_time_ms.max(planted::batch_time_ms(opened.batch.time_ms));
        state.expire_dedup(&mut done.touched);
    }
    let leaders = opened.is_leaders_of(entry.term);
    for (position, command) in opened.commands.iter().enumerate() {
        let context = Context { state, index: entry.index, origin: opened.batch.origin, batch: &opened.batch };
        let mut described = describe::describe(&context, command);
        let ending = match &whole {
            Some(refusal) => Ending::refused(refusal.clone()),
            None => carry_out(state, entry, opened, position, leaders, &mut done.touched),
        };
        describe::ended(&mut described, &ending.outcome, ending.repeated);
        done.records.push(record(state, entry, opened, position, described, &ending.outcome));
        done.outcomes.push(ending.outcome);
    }
    done
}

impl Ending {
    fn refused(refusal: Refusal) -> Self {
        Self { outcome: Outcome::Refused(refusal), repeated: false }
    }
}

fn carry_out(
    state: &mut State,
    entry: &Entry,
    opened: &Opened,
    position: usize,
    leaders: bool,
    touched: &mut BTreeSet<Key>,
) -> Ending {
    let (item, command, hash) = (&opened.batch.items[position], &opened.commands[position], opened.hashes[position]);
    let context = Context { state, index: entry.index, origin: opened.batch.origin, batch: &opened.batch };
    if let Err(refusal) = may_say(&context, command, leaders) {
        return Ending::refused(refusal);
    }
    match item.request.map(|request| look_up(state, request, &hash)) {
        Some(Known::Done(outcome)) => {
            remember(state, item, hash, &outcome, touched);
            return Ending { outcome, repeated: true };
        }
        Some(Known::Refused(refusal)) => return Ending::refused(refusal),
        Some(Known::New) | None => {}
    }
    if let Err(refusal) = check_permit(state, item, command) {
        // No row: the origin judges again and proposes under the same key.
        return Ending::refused(refusal);
    }
    let outcome = match decide(&context, command) {
        Ok((outcome, change)) => {
            state.take(change, touched);
            outcome
        }
        Err(refusal) => Outcome::Refused(refusal),
    };
    remember(state, item, hash, &outcome, touched);
    Ending { outcome, repeated: false }
}

/// Whether the origin may say this at all, here and now. What fails here leaves no dedup row.
fn may_say(context: &Context<'_>, command: &Command, leaders: bool) -> Result<(), Refusal> {
    let introduces_itself = matches!(command, Command::Introduce { node, .. } if *node == context.origin);
    let of_another = command.said_of().is_some_and(|node| node != context.origin);
    match membership(context.state, &context.origin) {
        None if context.state.cluster.is_none() => {}
        Some(Membership::Member) => {}
        Some(Membership::Joining) if introduces_itself => {}
        Some(Membership::Joining | Membership::Removed) | None => return Err(Refusal::OriginNotMember),
    }
    if of_another {
        return Err(Refusal::ForeignNode);
    }
    if command.is_leaders() && !leaders {
        return Err(Refusal::StaleTerm);
    }
    match command {
        // Whatever the dedup row says: the joiner must start over, and its old success would mislead it.
        Command::Enrol(enrol) if is_cleared(context.state, &enrol.node) => Err(Refusal::JoinExpired),
        _ => Ok(()),
    }
}

fn check_permit(state: &State, item: &Item, command: &Command) -> Result<(), Refusal> {
    if !command.needs_permit() {
        return Ok(());
    }
    let current = state.counters.policy_set;
    match item.permit {
        None => Err(Refusal::PermitMissing),
        Some(permit) if permit.policy_set != current && !planted::active(Defect::OldPermitAccepted) => {
            Err(Refusal::PolicyMoved { current })
        }
        Some(_) => Ok(()),
    }
}

/// What the command does to the state, if its conditions and the invariants allow it.
fn decide(context: &Context<'_>, command: &Command) -> Result<(Outcome, Change), Refusal> {
    let mut change = Change::none(&context.state.counters);
    let outcome = match command {
        Command::Genesis(genesis) => nodes::genesis(context, genesis, &mut change),
        Command::Enrol(enrol) => nodes::enrol(context, enrol, &mut change),
        Command::FinishJoin { node } => nodes::finish_join(context, *node, &mut change),
        Command::ClearJoin { node } => nodes::clear_join(context, *node, &mut change),
        Command::Introduce { node, profile } => nodes::introduce(context, *node, profile, &mut change),
        Command::NodeDown { node } => placements::node_down(context, *node, &mut change),
        Command::NodeUp { node } => nodes::node_up(context, *node, &mut change),
        Command::CreateToken(create) => tokens::create(context, create, &mut change),
        Command::RevokeToken { token, .. } => tokens::revoke(context, *token, &mut change),
        Command::CreateAgent { id, spec, .. } => agents::create(context, *id, spec, &mut change),
        Command::StopAgent { name, .. } => agents::stop(context, name, &mut change),
        Command::RemoveAgent { name, .. } => agents::remove(context, name, &mut change),
        Command::Annotate { name, key, value, .. } => agents::annotate(context, name, key, value, &mut change),
        Command::Place { name, id, expected, node } => {
            let wanted = placements::Wanted { name, id: *id, expected: *expected, node: *node };
            placements::place(context, &wanted, &mut change)
        }
        Command::Report(report) => placements::report(context, report, &mut change),
        Command::ApplyPolicies { text, entities, actor } => {
            policies::apply(context, &policies::Wanted { text, entities, actor }, &mut change)
        }
        Command::Anchor { node, anchor } => ledgers::anchor(context, *node, anchor, &mut change),
        Command::RemoveNode { node, .. } => nodes::remove(context, *node, &mut change),
    }?;
    match invariants::breached(context.state, &change) {
        Some(name) => Err(Refusal::InvariantBroken { name: name.to_owned() }),
        None => Ok((outcome, change)),
    }
}

/// Writes the client's row: this request, its outcome, used now.
fn remember(state: &mut State, item: &Item, hash: Hash, outcome: &Outcome, touched: &mut BTreeSet<Key>) {
    let Some(request) = item.request else { return };
    let last = LastWrite {
        sequence: request.sequence,
        command: hash,
        outcome: outcome.clone(),
        used_ms: state.counters.log_time_ms,
    };
    state.put_dedup(request.client, last, touched);
}

fn record(
    state: &mut State,
    entry: &Entry,
    opened: &Opened,
    position: usize,
    described: describe::Described,
    outcome: &Outcome,
) -> Record {
    let item = &opened.batch.items[position];
    let record = Record {
        index: entry.index,
        position: u32::try_from(position).unwrap_or(u32::MAX),
        term: entry.term,
        time_ms: state.counters.log_time_ms,
        origin: Some(opened.batch.origin),
        kind: opened.commands[position].kind().to_owned(),
        actor: described.actor,
        subject: described.subject,
        outcome: outcome.code().to_owned(),
        request: item.request.map(|request| request.to_string()).unwrap_or_default(),
        decision: item.permit.map(|permit| permit.decision.to_string()).unwrap_or_default(),
        policy_set: item.permit.map(|permit| permit.policy_set).unwrap_or_default(),
        command: opened.hashes[position],
        details: described.details,
        previous: Hash::default(),
        hash: Hash::default(),
    };
    append(state, record)
}

/// The membership of a node that is or was one; a removed one counts as none.
fn membership(state: &State, node: &NodeId) -> Option<Membership> {
    state.nodes.get(node).map(|node| node.membership).filter(|membership| *membership != Membership::Removed)
}

fn is_cleared(state: &State, node: &NodeId) -> bool {
    state.nodes.get(node).is_some_and(|node| node.membership == Membership::Removed)
}
