//! The audit chain: tailed, exported, verified.

use super::{App, Caller};
use crate::dto::audit::Verified;
use crate::error::Error;
use crate::pieces::Reader;
use crate::ports::{AuditLine, Call, Place};
use axum::Json;
use axum::body::Body;
use axum::extract::State as Shared;
use futures::{StreamExt, stream};
use std::io;
use std::sync::Arc;
use symbi_policy::ExportAudit;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

mod bundle;
mod checkpoints;
mod tail;

pub use tail::tail;

use bundle::Ledgers;

/// Pieces of a bundle that wait for whoever takes them.
const PIECES: usize = 4;
/// Lines of the chain that are read at once.
pub const CHUNK: usize = 1_024;

/// `GET /api/v1/audit/bundle`: the whole chain of the answering node, the ledgers of all nodes that answer it, and what is
/// needed to verify them. Should it fail on the way, the answer is cut off, and what came has no manifest.
pub async fn export(Shared(app): Shared<App>, caller: Caller) -> Result<Body, Error> {
    let state = app.ports.state.borrow().clone();
    let _permit = app.ports.gate.judge(&state, ExportAudit { principal: caller.principal() })?;
    let alone = alone(&app)?;
    let (pieces, mut written) = mpsc::channel(PIECES);
    let export = tokio::spawn(async move {
        let _alone = alone;
        let exported = bundle::export(&app, &state, Ledgers::All, pieces).await;
        // Whoever takes it hears only that it ends before its end.
        exported.inspect_err(|error| tracing::warn!(%error, "a bundle is not completed"))
    });
    // Waits for the first piece, so that what cannot even be begun has a status of its own.
    let Some(first) = written.recv().await else { return Err(ended(export).await) };
    let rest = stream::unfold((written, Some(export)), |(mut written, export)| async move {
        match (written.recv().await, export) {
            (Some(piece), export) => Some((Ok(piece), (written, export))),
            (None, None) => None,
            (None, Some(export)) => match export.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((Err(error.to_string()), (written, None))),
                Err(error) => Some((Err(error.to_string()), (written, None))),
            },
        }
    });
    Ok(Body::from_stream(stream::iter([Ok(first)]).chain(rest)))
}

/// Why an export ended without a word.
async fn ended(export: JoinHandle<Result<(), Error>>) -> Error {
    match export.await {
        Ok(Err(error)) => error,
        Ok(Ok(())) => Error::Internal("the bundle is empty".to_owned()),
        Err(error) => Error::Internal(error.to_string()),
    }
}

/// The right to read the whole chain.
fn alone(app: &App) -> Result<OwnedSemaphorePermit, Error> {
    let busy =
        || Error::Busy("an export or check of the chain is already running; try again when it is done".to_owned());
    Arc::clone(&app.exports).try_acquire_owned().map_err(|_| busy())
}

/// `GET /api/v1/audit/verify`: the answering node checks its own chain with the program that checks bundles.
pub async fn verify(Shared(app): Shared<App>, caller: Caller) -> Result<Json<Verified>, Error> {
    let state = app.ports.state.borrow().clone();
    caller.may_read_audit(&app.ports.gate, &state)?;
    let _alone = alone(&app)?;
    let anchor = state.cluster.as_ref().map(|cluster| cluster.anchor.to_string()).unwrap_or_default();
    let (pieces, written) = mpsc::channel(PIECES);
    let given = anchor.clone();
    // Every signature is checked: that is no work for a thread on which the leader's heartbeats run.
    let checking = tokio::task::spawn_blocking(move || {
        let mut bundle = Reader::new(written);
        let checked = symbi_audit::verify(&mut bundle, Some(&given));
        // Whatever was found, the rest is taken: that it cannot be read is something else.
        io::copy(&mut bundle, &mut io::sink()).map(|_| checked)
    });
    bundle::export(&app, &state, Ledgers::None, pieces).await?;
    let internal = |error: &dyn std::error::Error| Error::Internal(error.to_string());
    let checked = checking.await.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    let verified = match checked {
        Ok(report) => Verified {
            ok: true,
            records: report.records,
            batches: report.batches,
            head: report.head.to_string(),
            anchor,
            failure: String::new(),
        },
        Err(failure) => Verified {
            ok: false,
            records: state.counters.audit_records,
            batches: 0,
            head: state.counters.audit_head.to_string(),
            anchor,
            failure: failure.to_string(),
        },
    };
    Ok(Json(verified))
}

/// Lines of the chain from a place in it on, [`CHUNK`] at most. There are fewer at the end, and before lines that are not here yet: it
/// ends where there is none.
pub async fn read(app: &App, place: Place) -> Result<Vec<AuditLine>, Error> {
    app.call(|reply| Call::Audit(place, CHUNK, reply)).await?
}

/// The place behind a line.
pub fn after(line: &AuditLine) -> Place {
    match line {
        AuditLine::Batch(batch) => Place { index: batch.index, line: 1 },
        AuditLine::Record(record) => Place { index: record.index, line: record.position + 2 },
    }
}
