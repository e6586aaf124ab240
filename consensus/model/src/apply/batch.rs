//! A batch: read, checked as a whole, then command by command.

use super::chain::{Line, append};
use super::context::Context;
use super::observe::observe;
use super::requests::{Known, is_full, look_up};
use super::{agents, gates, ledgers, nodes, placements, policies, specs, tokens, users, voters};
use crate::act::{Act, Actor};
use crate::codec::{self, Error};
use crate::command::Command;
use crate::dedup::{Asker, LastWrite};
use crate::entry::{Batch, CONTROL, Entry, Item, STRIDE_MS};
use crate::field::Fields;
use crate::hash::Hash;
use crate::ids::NodeId;
use crate::invariants;
use crate::merkle;
use crate::names::{Field, Kind};
use crate::node::Membership;
use crate::outcome::{Coded, Outcome, Refusal};
use crate::planted::{self, Defect};
use crate::record::{BatchLine, Record};
use crate::state::{Change, Key, State};
use std::collections::BTreeSet;

/// The length of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// A batch, as far as it is read.
pub(super) enum Read {
    /// It and its commands.
    Opened(Opened),
    /// Its acts are of a gate that is not open. What is in it is left alone, so that programs that know it and programs that do not
    /// make the same of it.
    Unopened(Batch, Refusal),
}

/// A batch that could be read.
pub(super) struct Opened {
    /// The batch.
    batch: Batch,
    /// Its commands.
    commands: Vec<Command>,
    /// What each asks for.
    acts: Vec<Act>,
    /// The leaf of each act.
    leaves: Vec<Hash>,
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

/// What is the same for all commands of an entry.
#[derive(Clone, Copy)]
struct Now {
    /// Whether a leader's command may be carried out.
    leaders: bool,
    /// The entry's time.
    entry_ms: u64,
}

/// What a client's row keeps of a command.
#[derive(Clone, Copy)]
struct Used {
    /// SHA-256 of its bytes.
    command: Hash,
    /// Whose share the row is of.
    asker: Asker,
    /// The time of its entry.
    entry_ms: u64,
}

impl Read {
    /// Reads a batch, and every command in it if its gate is open.
    ///
    /// # Errors
    /// It, or a command of it, cannot be read while the gate is open that is.
    pub(super) fn of(state: &State, bytes: &[u8]) -> Result<Self, Error> {
        let batch = codec::decode_batch(bytes)?;
        match gates::refusal(state, batch.acts) {
            Some(refusal) => Ok(Self::Unopened(batch, refusal)),
            None => Opened::of(state, batch).map(Self::Opened),
        }
    }
}

impl Opened {
    fn of(state: &State, batch: Batch) -> Result<Self, Error> {
        let commands: Vec<Command> =
            batch.items.iter().map(|item| codec::decode_command(&item.command)).collect::<Result<_, _>>()?;
        // A program that speaks no more than the open gate could not make its act, and so not verify the signature over all of them.
        if !commands.iter().all(|command| gates::is_known(state, command)) {
            return Err(Error::Malformed { detail: "a command of a gate that is not open".to_owned() });
        }
        let described = batch.items.iter().zip(&commands);
        let acts: Vec<Act> = described.map(|(item, command)| item.act(command, batch.origin, batch.acts)).collect();
        let leaves: Vec<Hash> = acts.iter().map(Act::leaf).collect();
        let root = merkle::root(&leaves);
        Ok(Self { batch, commands, acts, leaves, root })
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
}

/// What the chain keeps of a batch with so many commands. What is no signature by its length is kept as zeros: it verifies as little.
fn line(batch: &Batch, index: u64, count: usize, root: Hash) -> BatchLine {
    let signature =
        if batch.signature.len() == SIGNATURE_BYTES { batch.signature.clone() } else { vec![0; SIGNATURE_BYTES] };
    BatchLine {
        index,
        origin: batch.origin,
        time_ms: batch.time_ms,
        decided_term: batch.decided_term.unwrap_or(0),
        count: u32::try_from(count).unwrap_or(u32::MAX),
        acts: batch.acts,
        root,
        signature,
    }
}

/// Refuses a batch of a gate that is not open, unread.
pub(super) fn refuse(state: &mut State, entry: &Entry, batch: &Batch, refusal: &Refusal) -> Done {
    let act = Act::bare(Kind::BATCH_UNOPENED, Actor::Node(batch.origin), CONTROL, Fields::new());
    let (leaf, result) = (act.leaf(), Outcome::Refused(refusal.clone()).into());
    let record = append(state, entry, Line { position: 0, origin: Some(batch.origin), act, result }, &leaf);
    Done {
        outcomes: vec![Outcome::Refused(refusal.clone()); batch.items.len()],
        batch_line: Some(line(batch, entry.index, 0, merkle::root(&[]))),
        records: vec![record],
        touched: BTreeSet::new(),
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
    let batch_line = line(&opened.batch, entry.index, opened.commands.len(), opened.root);
    let mut done = Done { batch_line: Some(batch_line), ..Done::default() };
    let whole = opened.refusal(state);
    let entry_ms = entry_ms(state, planted::batch_time_ms(opened.batch.time_ms));
    if whole.is_none() {
        state.counters.log_time_ms = state.counters.log_time_ms.max(entry_ms);
        state.expire_dedup(entry_ms, &mut done.touched);
    }
    if opened.commands.is_empty() {
        done.records.push(empty(state, entry, opened, whole));
        return done;
    }
    let leaders = opened.is_leaders_of(entry.term);
    for position in 0..opened.commands.len() {
        let seen = observe(state, &opened.commands[position]);
        let ending = match &whole {
            Some(refusal) => Ending::refused(refusal.clone()),
            None => carry_out(state, entry, opened, position, Now { leaders, entry_ms }, &mut done.touched),
        };
        done.records.push(record(state, entry, opened, position, seen, &ending));
        done.outcomes.push(ending.outcome);
    }
    done
}

/// The time of an entry whose batch says this one: at most a day after log time, so that one batch takes log time no further on. The
/// first makes it.
fn entry_ms(state: &State, said_ms: u64) -> u64 {
    match state.cluster {
        None => said_ms,
        Some(_) => said_ms.min(state.counters.log_time_ms.saturating_add(STRIDE_MS)),
    }
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
    now: Now,
    touched: &mut BTreeSet<Key>,
) -> Ending {
    let (item, command) = (&opened.batch.items[position], &opened.commands[position]);
    let at = u32::try_from(position).unwrap_or(u32::MAX);
    // Only a request is compared with earlier ones.
    let hash = item.request.map(|_| Hash::of(&[&item.command])).unwrap_or_default();
    let context =
        Context { state, index: entry.index, position: at, origin: opened.batch.origin, batch: &opened.batch };
    if let Err(refusal) = may_say(&context, command, now.leaders) {
        return Ending::refused(refusal);
    }
    let (asker, entry_ms) = (Asker::of(command.actor(), &opened.batch.origin), now.entry_ms);
    if item.request.is_some() && is_full(state, asker) {
        state.drop_left_behind(entry_ms, touched);
    }
    let used = Used { command: hash, asker, entry_ms };
    match item.request.map(|request| look_up(state, request, &hash, asker, entry_ms)) {
        Some(Known::Done(outcome)) => {
            remember(state, item, used, &outcome, touched);
            return Ending { outcome, repeated: true };
        }
        Some(Known::Refused(refusal)) => return Ending::refused(refusal),
        Some(Known::New) | None => {}
    }
    if let Err(refusal) = check_permit(state, item, command) {
        // No row: the origin judges again and proposes under the same key.
        return Ending::refused(refusal);
    }
    let context =
        Context { state, index: entry.index, position: at, origin: opened.batch.origin, batch: &opened.batch };
    let outcome = match decide(&context, command) {
        Ok((outcome, change)) => {
            state.take(change, touched);
            outcome
        }
        Err(refusal) => Outcome::Refused(refusal),
    };
    remember(state, item, used, &outcome, touched);
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
    gates::check(context.state, command)?;
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
    let permit = item.permit.ok_or(Refusal::PermitMissing)?;
    users::check(state, command, &permit)?;
    if permit.policy_set != current && !planted::active(Defect::OldPermitAccepted) {
        return Err(Refusal::PolicyMoved { current });
    }
    Ok(())
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
        Command::CreateAgent { id, spec, mac, .. } => agents::create(context, *id, spec, mac, &mut change),
        Command::StopAgent { name, .. } => agents::stop(context, name, &mut change),
        Command::RemoveAgent { name, .. } => agents::remove(context, name, &mut change),
        Command::Annotate { name, key, value, .. } => agents::annotate(context, name, key, value, &mut change),
        Command::Place { name, id, expected, node } => {
            let wanted = placements::Wanted { name, id: *id, expected: *expected, node: *node };
            placements::place(context, &wanted, &mut change)
        }
        Command::Report(report) => placements::report(context, report, &mut change),
        Command::ApplyPolicies { text, entities, keeper, actor } => {
            policies::apply(context, &policies::Wanted { text, entities, actor }, keeper, &mut change)
        }
        Command::Anchor { anchors } => ledgers::anchor(context, anchors, &mut change),
        Command::RemoveNode { node, .. } => nodes::remove(context, *node, &mut change),
        Command::Leave { node } => nodes::leave(context, *node, &mut change),
        Command::Finalize { gate, .. } => gates::finalize(context, *gate, &mut change),
        Command::UpdateAgent(update) => specs::update(context, update, &mut change),
        Command::StartAgent(aimed) => specs::start(context, aimed, &mut change),
        Command::RestartAgent(aimed) => specs::restart(context, aimed, &mut change),
        Command::RollbackAgent { aimed, mac } => specs::rollback(context, aimed, mac, &mut change),
        // It is its record that closes the chain.
        Command::Seal => Ok(Outcome::Done),
        Command::Voters { phase, voters } => voters::change(context, *phase, voters, &mut change),
        Command::CreateUser { name, actor } => users::create(context, name, actor, &mut change),
        Command::RemoveUser { name, keeper, .. } => users::remove(context, name, keeper, &mut change),
        Command::CreateApiToken(create) => users::create_token(context, create, &mut change),
        Command::RevokeApiToken { token, keeper, .. } => users::revoke_token(context, token, keeper, &mut change),
        #[cfg(planted)]
        Command::Mark { key } => gates::mark(context, *key, &mut change),
    }?;
    match invariants::breached(context.state, &change) {
        Some(name) => Err(Refusal::InvariantBroken { invariant: name.to_owned() }),
        None => Ok((outcome, change)),
    }
}

/// Writes the client's row: this request, its outcome, used now.
fn remember(state: &mut State, item: &Item, used: Used, outcome: &Outcome, touched: &mut BTreeSet<Key>) {
    let Some(request) = item.request else { return };
    let Used { command, asker, entry_ms } = used;
    let last = LastWrite { sequence: request.sequence, command, outcome: outcome.clone(), asker, used_ms: entry_ms };
    state.put_dedup(request.client, last, touched);
}

/// The record of a command.
fn record(state: &mut State, entry: &Entry, opened: &Opened, position: usize, seen: Fields, ending: &Ending) -> Record {
    let Coded { code, mut values } = Coded::from(ending.outcome.clone());
    seen.iter().for_each(|(field, value)| values.put(field, value.clone()));
    if ending.repeated {
        values.put(Field::REPEATED, true);
    }
    let origin = Some(opened.batch.origin);
    let position_in_batch = u32::try_from(position).unwrap_or(u32::MAX);
    let act = opened.acts[position].clone();
    append(
        state,
        entry,
        Line { position: position_in_batch, origin, act, result: Coded { code, values } },
        &opened.leaves[position],
    )
}

/// The record of a batch without commands.
fn empty(state: &mut State, entry: &Entry, opened: &Opened, whole: Option<Refusal>) -> Record {
    let origin = opened.batch.origin;
    let act = Act::bare(Kind::BATCH_EMPTY, Actor::Node(origin), CONTROL, Fields::new());
    let result = whole.map_or(Outcome::Done, Outcome::Refused).into();
    let leaf = act.leaf();
    append(state, entry, Line { position: 0, origin: Some(origin), act, result }, &leaf)
}

/// The membership of a node that is or was one; a removed one counts as none.
fn membership(state: &State, node: &NodeId) -> Option<Membership> {
    state.nodes.get(node).map(|node| node.membership).filter(|membership| *membership != Membership::Removed)
}

fn is_cleared(state: &State, node: &NodeId) -> bool {
    state.nodes.get(node).is_some_and(|node| node.membership == Membership::Removed)
}
