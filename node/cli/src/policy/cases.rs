//! `policy test`: cases put to the current set by a node, or to policies on the disk without one.

use super::source::Source;
use super::{Test, clauses};
use crate::context::{failure, unreadable};
use crate::output::cell;
use hyper::Method;
use serde_json::Value;
use std::path::Path;
use symbi_api::dto::cases::{Cases, report};
use symbi_api::dto::spec::with_suggestion;
use symbi_model::PolicyNumber;
use symbi_policy::Candidate;
use symbi_server::failure::Failure;

/// Does it; a case that fails is a failure.
pub async fn run(test: Test) -> Result<(), Failure> {
    let cases = read(&test.cases)?;
    let report = match &test.path {
        Some(path) => on_disk(cases, path, &test.cases)?,
        None => {
            let body = serde_json::to_value(&cases).map_err(|error| wrong(&test.cases, error.to_string()))?;
            let client = test.context.client()?;
            let asked = client.send(Method::POST, "/api/v1/policies/test", Some(&body), &[]).await;
            asked.map_err(|error| failure(&error))?
        }
    };
    test.output.print(&report, shown);
    let failed = report["failed"].as_u64().unwrap_or(0);
    if failed == 0 {
        return Ok(());
    }
    let all = report["cases"].as_array().map_or(0, Vec::len);
    Err(Failure::new(1, "CASES_FAILED", format!("{failed} of {all} cases failed"))
        .why("the policies do not decide as the cases expect")
        .fix("fix the policies, or the cases"))
}

fn read(file: &Path) -> Result<Cases, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let cases: Cases = toml::from_str(&text).map_err(|error| wrong(file, with_suggestion(&error.to_string())))?;
    cases.clone().into_cases().map_err(|error| wrong(file, error.to_string()))?;
    Ok(cases)
}

fn wrong(file: &Path, why: String) -> Failure {
    Failure::new(2, "CASES", format!("{} is not a valid file of policy cases", file.display()))
        .why(why)
        .fix("see the example in 'symbi-node policy test --help'")
}

fn on_disk(cases: Cases, path: &Path, file: &Path) -> Result<Value, Failure> {
    let source = Source::read(path)?;
    let candidate = Candidate::check(&source.text, &source.entities).map_err(|invalid| {
        let place = |of, error: &symbi_policy::PolicyError| (of, error.line as u64, error.column as u64);
        let problems: Vec<_> = invalid
            .policies
            .iter()
            .map(|error| (place("policies", error), error.message.as_str()))
            .chain(invalid.entities.iter().map(|error| (place("entities", error), error.message.as_str())))
            .collect();
        source.invalid(problems.into_iter().map(|((of, line, column), message)| (of, line, column, message)))
    })?;
    let cases = cases.into_cases().map_err(|error| wrong(file, error.to_string()))?;
    let tested = symbi_policy::cases::test(&candidate, PolicyNumber(0), &cases);
    serde_json::to_value(report(None, &cases, &tested)).map_err(|error| wrong(file, error.to_string()))
}

/// A line for each case; for one that failed, what decided it.
fn shown(report: &Value) -> String {
    let mut text = String::new();
    for case in report["cases"].as_array().into_iter().flatten() {
        let by: Vec<String> = case["policies"].as_array().into_iter().flatten().map(cell).collect();
        let by = if by.is_empty() { "no policy permits it".to_owned() } else { format!("by {}", by.join(", ")) };
        let (name, verdict) = (cell(&case["name"]), cell(&case["verdict"]));
        if case["passed"] == true {
            text.push_str(&format!("ok      {name}: {verdict}, {by}\n"));
            continue;
        }
        text.push_str(&format!("FAILED  {name}: expected {}, found {verdict}, {by}\n", cell(&case["expected"])));
        text.push_str(&format!("        {}\n", cell(&case["reason"])));
        for line in case["nearest"].as_array().into_iter().flatten().flat_map(clauses) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    format!("{text}{} passed, {} failed", report["passed"], report["failed"])
}
