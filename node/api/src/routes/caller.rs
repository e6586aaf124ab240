//! For whom a request acts, and what it may read.
//!
//! Reads are judged as `cluster::read` of the cluster or of an agent, and as `audit::read`; but for those of the node's own user on
//! its socket, who can read the node's disk anyway, and must be answered while the node hears no leader.

use super::App;
use crate::auth::{self, Identity, Listener};
use crate::error::Error;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use symbi_model::State;
use symbi_model::agent::AgentName;
use symbi_model::user::ADMIN;
use symbi_policy::{Gate, Principal, ReadAgent, ReadAudit, ReadCluster};

/// For whom a request acts.
pub struct Caller {
    /// The user, and the token that was shown.
    identity: Identity,
    /// Where it came in.
    pub(super) listener: Listener,
}

impl Caller {
    /// The node's own user, as on its socket.
    pub(super) fn node_itself() -> Self {
        Self { identity: Identity { user: ADMIN.to_owned(), token: None }, listener: Listener::Unix }
    }

    /// The user.
    pub(super) fn user(&self) -> &str {
        &self.identity.user
    }

    /// As the gate knows it.
    pub(super) fn principal(&self) -> Principal {
        let Identity { user, token } = self.identity.clone();
        match token {
            Some(token) => Principal::Bearer { user, token },
            None => Principal::User(user),
        }
    }

    /// As the audit knows it.
    pub(super) fn actor(&self) -> String {
        format!("user:{}", self.identity.user)
    }

    /// Whether it is who can read the node's disk anyway.
    fn is_local(&self) -> bool {
        self.listener == Listener::Unix && self.identity.token.is_none()
    }

    /// Refuses whoever may not see what there is in the cluster.
    pub(super) fn may_read(&self, gate: &Gate, state: &State) -> Result<(), Error> {
        if self.is_local() {
            return Ok(());
        }
        Ok(gate.look(state, &ReadCluster { principal: self.principal() })?)
    }

    /// Refuses whoever may not see what is in an agent.
    pub(super) fn may_read_agent(&self, gate: &Gate, state: &State, name: &AgentName) -> Result<(), Error> {
        if self.is_local() {
            return Ok(());
        }
        Ok(gate.look(state, &ReadAgent { principal: self.principal(), name: name.clone() })?)
    }

    /// Refuses whoever may not read the audit.
    pub(super) fn may_read_audit(&self, gate: &Gate, state: &State) -> Result<(), Error> {
        if self.is_local() {
            return Ok(());
        }
        Ok(gate.look(state, &ReadAudit { principal: self.principal() })?)
    }

    /// A refusal as this caller is told of it. Who may not see what there is in the cluster is told only that: else refusals would say
    /// what there is, and what it is called.
    pub(super) fn told(&self, gate: &Gate, state: &State, refusal: Error) -> Error {
        self.may_read(gate, state).err().unwrap_or(refusal)
    }

    /// Whether it may see what there is in the cluster.
    pub(super) fn sees(&self, gate: &Gate, state: &State) -> bool {
        self.is_local() || gate.sees(state, &ReadCluster { principal: self.principal() })
    }

    /// Whether it may see what is in an agent.
    pub(super) fn sees_agent(&self, gate: &Gate, state: &State, name: &AgentName) -> bool {
        self.is_local() || gate.sees(state, &ReadAgent { principal: self.principal(), name: name.clone() })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let listener = *parts.extensions.get::<Listener>().unwrap_or(&Listener::Tcp);
        let identity = auth::identify(&app.ports.state.borrow(), listener, &parts.headers, (app.ports.wall_ms)())?;
        Ok(Self { identity, listener })
    }
}
