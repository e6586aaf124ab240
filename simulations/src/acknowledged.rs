//! What the writers were promised: kept outside of the hosts, and compared with every replica at the end.
//!
//! A writer owns one agent's annotations, has one write in flight, and repeats it under the same key until its fate is
//! known; so the agent's version tells lost writes from doubled ones.

use std::collections::BTreeMap;
use symbi_model::agent::AgentName;
use symbi_model::ids::RequestId;
use symbi_model::{ClientId, State};

/// Notes of one writer; after that many it overwrites its oldest.
const NOTES: u64 = 32;

/// A write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its key.
    pub request: RequestId,
    /// The note's key.
    pub key: String,
    /// The note.
    pub value: String,
}

/// One writer's promises.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The agent whose notes it writes.
    pub agent: AgentName,
    /// Who it is to the cluster, once it has written.
    client: Option<ClientId>,
    /// The write whose fate it does not know.
    pending: Option<Write>,
    /// How many were acknowledged.
    acked: u64,
    /// What each note says by the last acknowledged write.
    notes: BTreeMap<String, String>,
}

impl Acknowledged {
    /// Nothing promised yet.
    #[must_use]
    pub fn new(agent: AgentName) -> Self {
        Self { agent, client: None, pending: None, acked: 0, notes: BTreeMap::new() }
    }

    /// The write to make: the one whose fate is unknown, or else the next.
    pub fn next(&mut self, fresh: impl FnOnce() -> ClientId) -> Write {
        if let Some(pending) = &self.pending {
            return pending.clone();
        }
        let client = *self.client.get_or_insert_with(fresh);
        let sequence = self.acked + 1;
        let write = Write {
            request: RequestId { client, sequence },
            key: format!("note-{}", sequence % NOTES),
            value: sequence.to_string(),
        };
        self.pending.insert(write).clone()
    }

    /// The pending write was acknowledged.
    pub fn acked(&mut self) {
        if let Some(write) = self.pending.take() {
            self.acked += 1;
            self.notes.insert(write.key, write.value);
        }
    }

    /// How many were acknowledged.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.acked
    }

    /// Whether no write's fate is unknown.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.pending.is_none()
    }

    /// Compares a replica with what was promised. A write of unknown fate may be there, once.
    ///
    /// # Errors
    /// What is missing, changed, or there twice.
    pub fn check(&self, state: &State) -> Result<(), String> {
        let name = &self.agent;
        let agent = state.agents.get(name).ok_or_else(|| format!("agent {name} is gone"))?;
        // The creation is the first version.
        let (least, most) = (1 + self.acked, 1 + self.acked + u64::from(self.pending.is_some()));
        if !(least..=most).contains(&agent.version) {
            let acked = self.acked;
            return Err(format!(
                "{name} has version {} after {acked} acknowledged writes and its creation",
                agent.version
            ));
        }
        let happened = agent.version > least;
        for (key, value) in &self.notes {
            let overwritten = self.pending.as_ref().filter(|write| happened && write.key == *key);
            let wanted = overwritten.map_or(value, |write| &write.value);
            if agent.annotations.get(key) != Some(wanted) {
                return Err(format!("{name}'s {key} is {:?}, not {wanted:?}", agent.annotations.get(key)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Acknowledged;
    use symbi_model::agent::{Agent, Spec};
    use symbi_model::{AgentId, ClientId, State};

    fn acknowledged(acked: u64) -> Acknowledged {
        let mut acknowledged = Acknowledged::new("count-1".parse().expect("a name"));
        for _ in 0..acked {
            write(&mut acknowledged);
            acknowledged.acked();
        }
        acknowledged
    }

    fn write(acknowledged: &mut Acknowledged) {
        acknowledged.next(|| ClientId("01a19467-e997-77ff-b6c6-a3bc4c4f3f7c".parse().expect("a UUID")));
    }

    /// A state in which the notes `1..=written` were written, in `versions` writes.
    fn state(written: u64, versions: u64) -> State {
        let name: symbi_model::agent::AgentName = "count-1".parse().expect("a name");
        let spec = Spec::new(name.clone(), "sim", vec!["count".to_owned()]);
        let id = AgentId("01a19467-e997-77ff-b6c6-a3bc4c4f3f7c".parse().expect("a UUID"));
        let mut agent = Agent { version: 1 + versions, ..Agent::new(id, spec, 1) };
        for number in 1..=written {
            agent.annotations.insert(format!("note-{number}"), number.to_string());
        }
        let mut state = State::default();
        state.agents.insert(name, agent);
        state
    }

    #[test]
    fn what_was_acknowledged_must_be_there_once() {
        assert_eq!(acknowledged(3).check(&state(3, 3)), Ok(()));
        assert!(acknowledged(3).check(&state(2, 2)).is_err(), "one is lost");
        assert!(acknowledged(3).check(&state(3, 4)).is_err(), "one was done twice");
        assert!(acknowledged(3).check(&state(2, 3)).is_err(), "a note is missing though its version was counted");
        assert!(acknowledged(3).check(&State::default()).is_err(), "the agent is gone");
    }

    #[test]
    fn a_write_of_unknown_fate_may_be_there_or_not() {
        let mut acknowledged = acknowledged(3);
        write(&mut acknowledged);
        assert!(!acknowledged.settled());
        assert_eq!(acknowledged.check(&state(3, 3)), Ok(()));
        assert_eq!(acknowledged.check(&state(4, 4)), Ok(()));
        assert!(acknowledged.check(&state(4, 5)).is_err(), "it was done twice");
    }
}
