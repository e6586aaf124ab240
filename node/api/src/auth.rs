//! Who calls: the bearer of a token whose hash is replicated, or the node's own user on its unix socket.

use crate::error::Error;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use symbi_model::{Hash, State};

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Over TCP: a token is needed.
    Tcp,
    /// Over the unix socket, whose mode lets only its owner and root in.
    Unix,
}

/// The user for whom a request acts.
///
/// # Errors
/// [`Error::Unauthenticated`] without a token, or with one that the cluster does not know.
pub fn user(state: &State, listener: Listener, headers: &HeaderMap) -> Result<String, Error> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return match listener {
            Listener::Unix => Ok("admin".to_owned()),
            Listener::Tcp => Err(Error::Unauthenticated("this request needs 'Authorization: Bearer TOKEN'".to_owned())),
        };
    };
    let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    let unknown = || Error::Unauthenticated("this API token is not known to the cluster".to_owned());
    state.api_tokens.get(&Hash::of(&[token.as_bytes()])).map(|token| token.user.clone()).ok_or_else(unknown)
}
