//! Who calls: the bearer of a token whose hash is replicated, or the node's own user on its unix socket.

use crate::error::Error;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use symbi_model::user::ADMIN;
use symbi_model::{ApiTokenId, Hash, State};

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Over TCP: a token is needed.
    Tcp,
    /// Over the unix socket, whose mode lets only its owner and root in.
    Unix,
}

/// For whom a request acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: String,
    /// The API token that was shown; none on the unix socket without one.
    pub token: Option<ApiTokenId>,
}

/// For whom a request acts, when it is `now_ms` by this node's clock.
///
/// # Errors
/// [`Error::Unauthenticated`] without a token, with one that the cluster does not know, or with one whose time is over.
pub fn identify(state: &State, listener: Listener, headers: &HeaderMap, now_ms: u64) -> Result<Identity, Error> {
    let refused = |what: &str| Err(Error::Unauthenticated(what.to_owned()));
    let Some(shown) = shown(headers) else {
        return match listener {
            Listener::Unix => Ok(Identity { user: ADMIN.to_owned(), token: None }),
            Listener::Tcp => refused("this request needs 'Authorization: Bearer TOKEN'"),
        };
    };
    match (state.api_tokens.get(&shown), listener) {
        (None, Listener::Tcp) => refused("the cluster does not know this API token, or it was revoked"),
        (None, Listener::Unix) => {
            refused("the cluster does not know this API token, or it was revoked; on this socket none is needed")
        }
        (Some(token), _) if token.has_expired(now_ms) => refused("this API token has expired"),
        (Some(token), _) => Ok(Identity { user: token.user.clone(), token: Some(ApiTokenId::of(&token.hash)) }),
    }
}

/// SHA-256 of the token that is shown, if one is.
#[must_use]
pub fn shown(headers: &HeaderMap) -> Option<Hash> {
    let header = headers.get(AUTHORIZATION)?;
    let text = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    Some(Hash::of(&[text.as_bytes()]))
}

/// Whether a token still opens anything, when it is `now_ms` by this node's clock.
#[must_use]
pub fn is_good(state: &State, token: &Hash, now_ms: u64) -> bool {
    state.api_tokens.get(token).is_some_and(|token| !token.has_expired(now_ms))
}
