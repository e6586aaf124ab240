//! Runs of the bench and what they found.

use crate::bench::{BenchAgents, CLIENTS, Figures, Found, Layer, Order, SECONDS, Work};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::agent::AgentName;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `write`, `ask`, `tell`, `policy` or `place`.
    pub bench: String,
    /// How many clients work at once, 1 to 1024. Default: 64.
    #[serde(default = "clients")]
    pub clients: usize,
    /// For how long, 1 to 300. Default: 10.
    #[serde(default = "seconds")]
    pub seconds: u64,
    /// For `ask` and `tell`, between how many pairs of agents: 1, the default, or 100.
    #[serde(default = "sessions")]
    pub sessions: usize,
    /// For `tell`, the last layer to measure: `bare`, `+seal`, `+sign`, `+gate` or `+ledger`. Default: agents' messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<String>,
}

fn clients() -> usize {
    64
}

fn seconds() -> u64 {
    10
}

fn sessions() -> usize {
    1
}

impl Run {
    /// The order, for `user`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] that names the key and what it takes.
    pub fn order(self, user: String) -> Result<Order, Error> {
        let bad = |text: String| Error::BadRequest(text);
        let works = [Work::Write, Work::Ask, Work::Tell, Work::Policy, Work::Place];
        let work = works.into_iter().find(|work| work.name() == self.bench);
        let work =
            work.ok_or_else(|| bad(format!("bench: {:?}; it takes write, ask, tell, policy or place", self.bench)))?;
        if !(1..=CLIENTS).contains(&self.clients) {
            return Err(bad(format!("clients: 1 to {CLIENTS}")));
        }
        if !(1..=SECONDS).contains(&self.seconds) {
            return Err(bad(format!("seconds: 1 to {SECONDS}")));
        }
        if self.sessions != 1 && self.sessions != 100 {
            return Err(bad("sessions: 1 or 100".to_owned()));
        }
        let named = |name: &String| Layer::ALL.into_iter().find(|layer| layer.name() == name);
        let layers = self.layers.as_ref().map(|name| named(name).ok_or(name)).transpose();
        let layers =
            layers.map_err(|name| bad(format!("layers: {name:?}; it takes bare, +seal, +sign, +gate or +ledger")))?;
        if layers.is_some() && work != Work::Tell {
            return Err(bad("layers: only tell has them".to_owned()));
        }
        let length = Duration::from_secs(self.seconds);
        Ok(Order { work, clients: self.clients, length, sessions: self.sessions, layers, user })
    }
}

/// The agents of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Agents {
    /// Those that messages are sent from; for writes, those on whose records the notes are.
    pub from: Vec<String>,
    /// Those that messages are sent to.
    pub to: Vec<String>,
}

impl From<BenchAgents> for Agents {
    fn from(agents: BenchAgents) -> Self {
        let names = |names: Vec<AgentName>| names.iter().map(ToString::to_string).collect();
        Self { from: names(agents.from), to: names(agents.to) }
    }
}

/// What a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was measured.
    pub bench: String,
    /// `native`: the clients ran inside the node; `http`: over its interface; `layers`: the way without agents.
    pub path: String,
    /// How many clients worked at once.
    pub clients: usize,
    /// Between how many pairs of agents, for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
    /// The figures of the whole way.
    #[serde(flatten)]
    pub figures: Option<Line>,
    /// The figures with each layer added to those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerLine>,
}

/// Figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// How many were done.
    pub operations: u64,
    /// From the first's beginning to the last's end.
    pub seconds: f64,
    /// How many a second.
    pub rate: f64,
    /// Half took no longer, µs.
    pub p50_us: f64,
    /// 99 of 100 took no longer, µs.
    pub p99_us: f64,
    /// The longest, µs.
    pub max_us: f64,
    /// How many failed, by why.
    pub errors: BTreeMap<String, u64>,
}

/// Figures with one layer more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerLine {
    /// The layer.
    pub layer: String,
    /// The figures.
    #[serde(flatten)]
    pub figures: Line,
}

/// The report of a run by `path`.
#[must_use]
pub fn report(order: &Order, path: &str, found: &Found) -> Report {
    let messages = matches!(order.work, Work::Ask | Work::Tell) && order.layers.is_none();
    let (figures, layers) = match found {
        Found::Whole(figures) => (Some(line(figures)), Vec::new()),
        Found::Layers(rows) => (None, rows.iter().map(|(layer, figures)| layer_line(*layer, figures)).collect()),
    };
    Report {
        bench: order.work.name().to_owned(),
        path: path.to_owned(),
        clients: order.clients,
        sessions: messages.then_some(order.sessions),
        figures,
        layers,
    }
}

fn layer_line(layer: Layer, figures: &Figures) -> LayerLine {
    LayerLine { layer: layer.name().to_owned(), figures: line(figures) }
}

fn line(figures: &Figures) -> Line {
    let us = |time: Duration| (time.as_secs_f64() * 1e7).round() / 10.0;
    let seconds = figures.elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { figures.operations as f64 / seconds } else { 0.0 };
    Line {
        operations: figures.operations,
        seconds: (seconds * 1e3).round() / 1e3,
        rate: (rate * 10.0).round() / 10.0,
        p50_us: us(figures.p50),
        p99_us: us(figures.p99),
        max_us: us(figures.max),
        errors: figures.errors.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Order, String> {
        let run: Run = serde_json::from_str(text).map_err(|error| error.to_string())?;
        run.order("admin".to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let order = run(r#"{"bench":"ask"}"#).unwrap();
        assert_eq!((order.work, order.clients, order.length.as_secs(), order.sessions), (Work::Ask, 64, 10, 1));
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (text, key) in [
            (r#"{"bench":"sleep"}"#, "bench"),
            (r#"{"bench":"ask","clients":0}"#, "clients"),
            (r#"{"bench":"ask","clients":1025}"#, "clients"),
            (r#"{"bench":"ask","seconds":301}"#, "seconds"),
            (r#"{"bench":"ask","sessions":7}"#, "sessions"),
            (r#"{"bench":"tell","layers":"+none"}"#, "layers"),
            (r#"{"bench":"ask","layers":"bare"}"#, "layers"),
        ] {
            assert!(run(text).unwrap_err().starts_with(key), "{text}");
        }
    }

    #[test]
    fn a_report_has_rates_in_seconds_and_times_in_microseconds() {
        let order = run(r#"{"bench":"tell","clients":2}"#).unwrap();
        let [p50, p99, max] = [1_500, 20_000, 30_000].map(Duration::from_nanos);
        let errors = BTreeMap::from([("denied".to_owned(), 3)]);
        let figures = Figures { operations: 100, elapsed: Duration::from_secs(4), p50, p99, max, errors };
        let json = serde_json::to_value(report(&order, "native", &Found::Whole(figures))).unwrap();
        let expected = serde_json::json!({
            "bench": "tell", "path": "native", "clients": 2, "sessions": 1, "operations": 100, "seconds": 4.0,
            "rate": 25.0, "p50_us": 1.5, "p99_us": 20.0, "max_us": 30.0, "errors": { "denied": 3 },
        });
        assert_eq!(json, expected);
    }
}
