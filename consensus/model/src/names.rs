//! Numbered names: small integers on disk, stable texts in hashes, exports and for people. A number that this program does not
//! know is kept as it is and shown as `unknown-N`, so that what a later version wrote survives being passed on.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $constant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(u16);

        impl $name {
            $($(#[$item])* pub const $constant: Self = Self($number);)*

            /// Every one that this program knows, by number.
            pub const ALL: &'static [Self] = &[$(Self($number),)*];

            /// Its text, if this program knows it.
            #[must_use]
            pub const fn known(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }

            /// Its text.
            #[must_use]
            pub fn name(self) -> Cow<'static, str> {
                match self.known() {
                    Some(text) => Cow::Borrowed(text),
                    None => Cow::Owned(format!("unknown-{}", self.0)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.name())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.name())
            }
        }
    };
}

names! {
    /// What was asked for. The numbers are the disk format; the texts are hashed.
    Kind {
        /// An entry of Raft's own that carries nothing.
        RAFT_BLANK = 1, "raft.blank";
        /// An entry of Raft's own that changes the group's members.
        RAFT_MEMBERSHIP = 2, "raft.membership";
        /// A batch without commands.
        BATCH_EMPTY = 3, "batch.empty";
        /// A batch of a gate that is not open: what is in it was not read.
        BATCH_UNOPENED = 4, "batch.unopened";
        /// An entry that should be a batch and cannot be read.
        BATCH_UNREADABLE = 5, "batch.unreadable";
        /// The cluster's making.
        CLUSTER_GENESIS = 10, "cluster.genesis";
        /// A node's admission.
        NODE_ENROL = 20, "node.enrol";
        /// A node has caught up.
        NODE_JOIN = 21, "node.join";
        /// A join that never finished is given up.
        NODE_CLEAR = 22, "node.clear";
        /// What a node says of itself.
        NODE_INTRODUCE = 23, "node.introduce";
        /// A node is condemned.
        NODE_DOWN = 24, "node.down";
        /// A node is heard again.
        NODE_UP = 25, "node.up";
        /// A member goes for good.
        NODE_REMOVE = 26, "node.remove";
        /// A node is about to stop.
        NODE_LEAVING = 27, "node.leaving";
        /// A join token is made.
        TOKEN_CREATE = 30, "token.create";
        /// A join token is revoked.
        TOKEN_REVOKE = 31, "token.revoke";
        /// An agent is recorded.
        AGENT_CREATE = 40, "agent.create";
        /// An agent is to stop.
        AGENT_STOP = 41, "agent.stop";
        /// An agent is to go.
        AGENT_REMOVE = 42, "agent.remove";
        /// A note on an agent.
        AGENT_ANNOTATE = 43, "agent.annotate";
        /// An agent is placed.
        AGENT_PLACE = 44, "agent.place";
        /// What a node says of an agent.
        AGENT_REPORT = 45, "agent.report";
        /// An agent is to run.
        AGENT_START = 46, "agent.start";
        /// An agent is to be started anew.
        AGENT_RESTART = 47, "agent.restart";
        /// An agent is given another spec.
        AGENT_UPDATE = 48, "agent.update";
        /// An agent is given its spec of before.
        AGENT_ROLLBACK = 49, "agent.rollback";
        /// A policy set is made the current one.
        POLICY_APPLY = 60, "policy.apply";
        /// How far nodes' ledgers have come.
        LEDGER_ANCHOR = 70, "ledger.anchor";
        /// The chain so far is closed, to be witnessed.
        AUDIT_SEAL = 75, "audit.seal";
        /// Voters are named, settled, or given up.
        AUDIT_VOTERS = 76, "audit.voters";
        /// A version's gate is opened for good.
        UPGRADE_FINALIZE = 80, "upgrade.finalize";
        /// A user is recorded.
        USER_CREATE = 90, "user.create";
        /// A user goes.
        USER_REMOVE = 91, "user.remove";
        /// An API token is made.
        API_TOKEN_CREATE = 92, "api-token.create";
        /// An API token is revoked.
        API_TOKEN_REVOKE = 93, "api-token.revoke";
        /// A command of the next gate, in builds for tests only.
        NEXT_MARK = 65_000, "next.mark";
    }
}

names! {
    /// What became of a command. The numbers are the disk format; the texts are hashed, and shown by HTTP and the command line.
    Code {
        /// It was done.
        DONE = 0, "DONE";
        /// The permit's policy set is no longer current.
        POLICY_MOVED = 1, "POLICY_MOVED";
        /// The proposing node is no member.
        ORIGIN_NOT_MEMBER = 2, "ORIGIN_NOT_MEMBER";
        /// The batch's signature does not verify.
        BAD_SIGNATURE = 3, "BAD_SIGNATURE";
        /// Decided in another term.
        STALE_TERM = 4, "STALE_TERM";
        /// No permit.
        PERMIT_MISSING = 5, "PERMIT_MISSING";
        /// The key was used for another command.
        KEY_REUSED = 6, "KEY_REUSED";
        /// The key is older than what is remembered.
        KEY_TOO_OLD = 7, "KEY_TOO_OLD";
        /// The key's time lies ahead.
        KEY_FROM_FUTURE = 8, "KEY_FROM_FUTURE";
        /// Too many clients at once.
        TOO_MANY_CLIENTS = 9, "TOO_MANY_CLIENTS";
        /// The cluster exists.
        CLUSTER_EXISTS = 10, "CLUSTER_EXISTS";
        /// The name is taken.
        NAME_TAKEN = 11, "NAME_TAKEN";
        /// There is no such thing.
        NOT_FOUND = 12, "NOT_FOUND";
        /// No such join token.
        TOKEN_UNKNOWN = 13, "TOKEN_UNKNOWN";
        /// The join token has expired.
        TOKEN_EXPIRED = 14, "TOKEN_EXPIRED";
        /// The join token's uses are spent.
        TOKEN_USED = 15, "TOKEN_USED";
        /// The join token was revoked.
        TOKEN_REVOKED = 16, "TOKEN_REVOKED";
        /// The join was given up.
        JOIN_EXPIRED = 17, "JOIN_EXPIRED";
        /// Not the expected epoch.
        STALE_EPOCH = 18, "STALE_EPOCH";
        /// Still held.
        STILL_HELD = 19, "STILL_HELD";
        /// Not wanted running.
        NOT_WANTED = 20, "NOT_WANTED";
        /// The node cannot take agents.
        NODE_UNAVAILABLE = 21, "NODE_UNAVAILABLE";
        /// No room.
        NO_ROOM = 22, "NO_ROOM";
        /// Over a limit.
        LIMIT = 23, "LIMIT";
        /// A defect, kept out of the state.
        INVARIANT_BROKEN = 24, "INVARIANT_BROKEN";
        /// Said by another node.
        FOREIGN_NODE = 25, "FOREIGN_NODE";
        /// The node lacks what the spec asks for.
        UNSUITABLE = 26, "UNSUITABLE";
        /// Anchored as far before.
        STALE_ANCHOR = 27, "STALE_ANCHOR";
        /// The node is up, or holds agents.
        NODE_IN_USE = 28, "NODE_IN_USE";
        /// Behind a gate that is shut.
        GATE_CLOSED = 29, "GATE_CLOSED";
        /// A member does not speak the gate.
        GATE_UNSPOKEN = 30, "GATE_UNSPOKEN";
        /// Of another generation of the cluster.
        OTHER_GENERATION = 37, "OTHER_GENERATION";
        /// The user or the token was removed.
        CREDENTIAL_REVOKED = 31, "CREDENTIAL_REVOKED";
        /// Nobody could administer the cluster afterwards.
        LOCKOUT = 32, "LOCKOUT";
        /// A later report was heard.
        STALE_REPORT = 33, "STALE_REPORT";
        /// The user has as many clients as may be remembered for one.
        CLIENT_SHARE = 34, "CLIENT_SHARE";
        /// Other voters are named already.
        VOTERS_NAMED = 52, "VOTERS_NAMED";
        /// Not the voters that were named, or none that could be.
        VOTERS_OTHER = 51, "VOTERS_OTHER";
        /// Owner and name of an agent stay.
        FIXED = 35, "FIXED";
        /// The node is leaving.
        NODE_LEAVING = 36, "NODE_LEAVING";
        /// The record was written meanwhile.
        VERSION_MOVED = 40, "VERSION_MOVED";
        /// There is no spec of before.
        NO_PREVIOUS = 41, "NO_PREVIOUS";
        /// The spec's hash is not the one that the command names.
        SPEC_HASH = 42, "SPEC_HASH";
        /// The entry is none that anybody could have proposed.
        UNREADABLE = 50, "UNREADABLE";
    }
}

names! {
    /// What a value of an act or of a result is. The numbers are the disk format; the texts are hashed.
    Field {
        /// An address.
        ADDR = 1, "addr";
        /// An agent's id, as an effect names it.
        AGENT = 2, "agent";
        /// How many bytes.
        BYTES = 3, "bytes";
        /// A cluster's name.
        CLUSTER = 4, "cluster";
        /// How many.
        COUNT = 5, "count";
        /// Processor time in thousandths of a core.
        CPU_MILLIS = 6, "cpu_millis";
        /// A P-256 public key.
        CREDENTIAL_KEY = 7, "credential_key";
        /// The current one.
        CURRENT = 8, "current";
        /// Why, in a node's words.
        DETAIL = 9, "detail";
        /// A domain.
        DOMAIN = 10, "domain";
        /// How many entries.
        ENTRIES = 11, "entries";
        /// An epoch.
        EPOCH = 12, "epoch";
        /// When it ends, ms since the Unix epoch.
        EXPIRES_MS = 13, "expires_ms";
        /// A gate.
        GATE = 14, "gate";
        /// A head's hash.
        HEAD = 15, "head";
        /// An id, as an act names it.
        ID = 16, "id";
        /// An incarnation.
        INCARNATION = 17, "incarnation";
        /// An invariant.
        INVARIANT = 18, "invariant";
        /// A key.
        KEY = 19, "key";
        /// Labels.
        LABELS = 20, "labels";
        /// What is lacked.
        LACKS = 21, "lacks";
        /// Learners, by id.
        LEARNERS = 22, "learners";
        /// A limit.
        LIMIT = 23, "limit";
        /// The most.
        MAX = 24, "max";
        /// How many agents.
        MAX_AGENTS = 25, "max_agents";
        /// Memory in MiB.
        MEMORY_MB = 26, "memory_mb";
        /// A name.
        NAME = 27, "name";
        /// A node.
        NODE = 28, "node";
        /// An owner.
        OWNER = 29, "owner";
        /// SHA-256 of policies.
        POLICY_HASH = 30, "policy_hash";
        /// A policy set.
        POLICY_SET = 31, "policy_set";
        /// The epoch before.
        PREVIOUS_EPOCH = 32, "previous_epoch";
        /// Released.
        RELEASED = 33, "released";
        /// Done in an earlier entry.
        REPEATED = 34, "repeated";
        /// How many restarts.
        RESTARTS = 35, "restarts";
        /// A Merkle root.
        ROOT = 36, "root";
        /// A number that rises.
        SEQUENCE = 37, "sequence";
        /// A state.
        STATE = 38, "state";
        /// A tier.
        TIER = 39, "tier";
        /// A join token.
        TOKEN = 40, "token";
        /// How many uses.
        USES = 41, "uses";
        /// Voters, by id.
        VOTERS = 42, "voters";
        /// Actions.
        SCOPE = 43, "scope";
        /// SHA-256 of a token.
        TOKEN_HASH = 44, "token_hash";
        /// A user.
        USER = 45, "user";
        /// A spec's keyed hash.
        SPEC = 46, "spec";
        /// Which node lacks it.
        SPEAKS = 47, "speaks";
        /// The API token that was shown, by its id.
        API_TOKEN = 48, "api_token";
        /// Who can change the policies afterwards.
        KEEPER = 49, "keeper";
        /// The fields that change.
        CHANGED = 60, "changed";
        /// A record's version.
        VERSION = 61, "version";
        /// How far a change of voters is.
        PHASE = 70, "phase";
        /// Anchors of ledgers.
        ANCHORS = 71, "anchors";
        /// What became of each.
        ANSWERS = 72, "answers";
    }
}
