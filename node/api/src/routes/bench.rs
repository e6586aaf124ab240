//! The bench: one run at a time, inside this node; and the agents of a run whose clients are elsewhere.

use super::{App, Caller, Json};
use crate::dto::bench::{Agents, Report, Run, report};
use crate::error::Error;
use crate::ports::Call;
use axum::extract::State as Shared;
use symbi_policy::Administer;

/// `POST /api/v1/bench` with a [`Run`]; answers when it is over. A caller that goes away ends it.
pub async fn run(Shared(app): Shared<App>, caller: Caller, Json(run): Json<Run>) -> Result<axum::Json<Report>, Error> {
    permitted(&app, &caller)?;
    let order = run.order(caller.user().to_owned())?;
    let path = if order.layers.is_some() { "layers" } else { "native" };
    let found = app.call(|reply| Call::Bench(order.clone(), reply)).await??;
    Ok(axum::Json(report(&order, path, &found)))
}

/// `POST /api/v1/bench/agents` with a [`Run`]: makes the agents that it needs, and answers once they run.
pub async fn provision(
    Shared(app): Shared<App>,
    caller: Caller,
    Json(run): Json<Run>,
) -> Result<axum::Json<Agents>, Error> {
    permitted(&app, &caller)?;
    let order = run.order(caller.user().to_owned())?;
    let agents = app.call(|reply| Call::BenchProvision(order, reply)).await??;
    Ok(axum::Json(Agents::from(agents)))
}

/// `DELETE /api/v1/bench/agents`: removes the agents of this node's runs, and answers once they are gone.
pub async fn teardown(Shared(app): Shared<App>, caller: Caller) -> Result<axum::Json<Agents>, Error> {
    permitted(&app, &caller)?;
    app.call(|reply| Call::BenchTeardown(caller.user().to_owned(), reply)).await??;
    Ok(axum::Json(Agents::default()))
}

fn permitted(app: &App, caller: &Caller) -> Result<(), Error> {
    let state = app.ports.state.borrow().clone();
    let _permit = app.ports.gate.judge(&state, Administer { principal: caller.principal(), what: "bench" })?;
    Ok(())
}
