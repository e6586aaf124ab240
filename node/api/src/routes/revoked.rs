//! Ends what is under way for an API token that opens nothing any more: an answer that is awaited, and one that is being written.
//!
//! But for writes to the log: whether one is done is decided there, by whether its token was good then, and nobody is better served
//! by not being told. They are short, too.

use crate::auth;
use crate::error::Error;
use axum::body::{Body, HttpBody as _};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use futures::{StreamExt, stream};
use std::future::Future;
use std::time::Duration;
use symbi_model::Hash;
use tokio::time::sleep;

/// How often it is looked whether a token is still good. (Not whenever the state changes: that may be many thousand times a second,
/// for each of many requests.)
const LOOKED_AT: Duration = Duration::from_millis(250);

/// What is not read, and ends with its token all the same: it may take long.
const LONG: [&str; 3] = ["/api/v1/agents/{name}/messages", "/api/v1/bench", "/api/v1/bench/agents"];

/// The token with which a request ends: the one that it shows, unless it writes to the log.
pub fn ends_with(request: &Request) -> Option<Hash> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_long = path.is_some_and(|path| LONG.contains(&path));
    auth::shown(request.headers()).filter(|_| request.method() == Method::GET || is_long)
}

/// The answer, as long as `is_good`.
///
/// # Errors
/// [`Error::Unauthenticated`], once it is not, while there is no answer yet.
pub async fn cut<G>(is_good: G, answered: impl Future<Output = Response>) -> Result<Response, Error>
where
    G: Fn() -> bool + Clone + Send + 'static,
{
    let response = tokio::select! {
        biased;
        response = answered => response,
        error = gone(is_good.clone()) => return Err(error),
    };
    if response.body().size_hint().exact().is_some() {
        return Ok(response);
    }
    Ok(response.map(|body| {
        let pieces = (Box::pin(gone(is_good)), body.into_data_stream());
        Body::from_stream(stream::unfold(Some(pieces), |pieces| async move {
            let (mut gone, mut body) = pieces?;
            tokio::select! {
                biased;
                // Whoever takes it hears that it ends before its end.
                error = &mut gone => Some((Err(axum::Error::new(error)), None)),
                piece = body.next() => Some((piece?, Some((gone, body)))),
            }
        }))
    }))
}

/// Ready once the token opens nothing any more.
async fn gone(is_good: impl Fn() -> bool) -> Error {
    loop {
        sleep(LOOKED_AT).await;
        if !is_good() {
            let what = "this API token was revoked, or has expired, before the answer to this request was complete";
            return Error::Unauthenticated(what.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_being_written_ends_before_its_end() {
        let good = Arc::new(AtomicBool::new(true));
        let seen = good.clone();
        let is_good = move || seen.load(Ordering::Relaxed);
        let first = stream::iter([Ok::<_, Infallible>("first")]);
        let never_ends = async { Response::new(Body::from_stream(first.chain(stream::pending()))) };
        let mut body = cut(is_good, never_ends).await.expect("it is good").into_body().into_data_stream();
        assert_eq!(body.next().await.expect("a piece").expect("whole"), "first");
        good.store(false, Ordering::Relaxed);
        let error = body.next().await.expect("not the end").expect_err("it is cut off");
        assert!(error.to_string().contains("was revoked"), "{error}");
        assert!(body.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_whole_is_given() {
        let whole = cut(|| false, async { Response::new(Body::from("whole")) }).await.expect("it is there already");
        assert_eq!(axum::body::to_bytes(whole.into_body(), 100).await.expect("whole"), "whole");
    }
}
