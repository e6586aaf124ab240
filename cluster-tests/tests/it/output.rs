//! What every read verb prints, as a table and as JSON, as golden text in `golden/`: ids, hashes, times, addresses, paths and
//! numbers are masked. A verb that takes `--output` and is not here fails the test.
//!
//! `UPDATE_EXPECT=1` writes the files anew.

use anyhow::{Context, ensure};
use expect_test::expect_file;
use std::collections::BTreeSet;
use std::path::Path;
use symbi_cluster_tests::{Cluster, Ran, SOON, eventually, symbi};

/// Verbs whose output is a measurement, or that change what is in force: their own tests look at them.
const ELSEWHERE: &[&str] = &["bench", "policy apply", "policy rollback", "policy test", "upgrade check"];

/// How much of an output stays the same from run to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// All of it.
    Whole,
    /// The head of a table and the form of its first row: how many rows there are depends on the moment.
    First,
}

/// A letter that a masked word may have.
fn of_a_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._:-+".contains(letter)
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// A word with what differs from run to run masked.
fn masked_word(word: &str) -> String {
    let bare = word.trim_end_matches([':', '.', '-']);
    let tail = &word[bare.len()..];
    let digits = bare.trim_start_matches('-').find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let number = bare.starts_with(|letter: char| letter.is_ascii_digit());
    let masked = match digits {
        _ if bare.starts_with('/') && bare.len() > 1 => "<path>".to_owned(),
        // What was heard less than a moment ago is "now".
        _ if bare == "now" => "<ago>".to_owned(),
        Some(at) if number && &bare[at..] == "s" => "<ago>".to_owned(),
        _ if bare.starts_with("SYM1.") || bare.starts_with("symbi-token-") => "<token>".to_owned(),
        _ if bare.starts_with("127.0.0.1:") => "<addr>".to_owned(),
        _ if bare.len() >= 12 && is_hex(bare) => "<id>".to_owned(),
        _ if number && bare.len() >= 20 && bare.contains('T') && bare.ends_with('Z') => "<time>".to_owned(),
        None if number => "<n>".to_owned(),
        Some(at) if number && ["ms", "us", "MiB", "KiB", "GiB", "m", "h"].contains(&&bare[at..]) => {
            format!("<n>{}", &bare[at..])
        }
        _ => bare.to_owned(),
    };
    masked + tail
}

/// A text with what differs from run to run masked; what a mask does to the width of columns is taken back.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if of_a_word(letter) {
            word.push(letter);
        } else {
            out.push_str(&masked_word(&std::mem::take(&mut word)));
            out.push(letter);
        }
    }
    let narrow = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        format!("{}{}", &line[..indent], line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    out.lines().map(narrow).collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
}

/// The first rows only, where the others come and go.
fn kept(ran: &Ran, form: &str, stays: Stays) -> String {
    if stays == Stays::Whole {
        return masked(&ran.out);
    }
    if form == "json" {
        let first = ran.json().as_array().and_then(|rows| rows.first().cloned()).expect("a row at least");
        let keys: Vec<String> = first.as_object().expect("an object").keys().cloned().collect();
        return format!("rows of {}\n", keys.join(", "));
    }
    masked(ran.out.lines().next().unwrap_or_default())
}

/// Every verb that takes `--output`, by what the helps say.
async fn verbs_with_output() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = symbi(&words).await.exits(0).out;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // A description that is wrapped goes on further to the right.
        let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names: Vec<String> = named.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        if names.is_empty() && help.contains("--output") {
            found.insert(path.join(" "));
        }
        waiting.extend(names.into_iter().filter(|name| name != "help").map(|name| [path.clone(), vec![name]].concat()));
    }
    found
}

/// A cluster with something of everything; answers a message's id and a decision's.
async fn furnished(cluster: &Cluster) -> (String, String) {
    let node = &cluster.nodes[0];
    cluster.run_echo("echo", "demo").await;
    cluster.run_echo("spy", "mallory").await;
    let _ = node.cli(&["agent", "annotate", "echo", "ticket", "OPS-7"]).await.exits(0);
    let told = node.cli(&["agent", "tell", "echo", "1"]).await.exits(0).json();
    let message = told["message_id"].as_str().expect("an id").to_owned();
    let denied = node.cli(&["agent", "ask", "echo", "{}", "--from", "spy"]).await.exits(4);
    let decision = denied.err.split("why decision ").nth(1).and_then(|rest| rest.split_whitespace().next());
    (message, decision.expect("the way on").to_owned())
}

#[tokio::test]
async fn every_read_prints_what_was_reviewed() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let (message, decision) = furnished(&cluster).await;
    eventually("both agents run, and the audit chain vouches for all that the ledger has", SOON, async || {
        let traced = node.get(&format!("/api/v1/messages/{message}")).await?;
        ensure!(traced["state"] == "anchored", "{traced:#}");
        let verified = node.cli(&["audit", "verify", "-o", "json"]).await.exits(0).json();
        ensure!(verified["ledgers"]["unanchored_entries"] == 0, "{verified:#}");
        let agents = node.get("/api/v1/agents").await?;
        let running =
            agents.as_array().context("no agents")?.iter().filter(|agent| agent["state"] == "running").count();
        ensure!(running == 2, "{agents}");
        Ok(())
    })
    .await;
    let larger = std::fs::read_to_string(cluster.file("echo.toml")).expect("its specification");
    let larger = cluster.write("larger.toml", larger.replace("memory_mb = 128", "memory_mb = 256"));
    let table: &[(&str, &[&str], Stays)] = &[
        ("agent ls", &[], Stays::Whole),
        ("agent show", &["echo"], Stays::Whole),
        ("agent update", &[&larger, "--dry-run"], Stays::Whole),
        ("api-token ls", &[], Stays::First),
        ("audit tail", &[], Stays::First),
        ("audit verify", &[], Stays::Whole),
        ("cluster status", &[], Stays::Whole),
        ("node ls", &[], Stays::Whole),
        ("policy show", &[], Stays::Whole),
        ("token create", &[], Stays::Whole),
        ("api-token create", &["admin"], Stays::Whole),
        ("token ls", &[], Stays::First),
        ("why agent", &["echo"], Stays::Whole),
        ("why decision", &[&decision], Stays::Whole),
        ("msg show", &[&message], Stays::Whole),
        ("msg status", &[&message], Stays::Whole),
        ("policy ls", &[], Stays::Whole),
        ("policy diff", &["1", "1"], Stays::Whole),
        ("policy schema", &[], Stays::Whole),
        ("upgrade status", &[], Stays::Whole),
        ("user ls", &[], Stays::Whole),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    for (verb, more, stays) in table {
        for form in ["table", "json"] {
            let words: Vec<&str> = verb.split(' ').chain(more.iter().copied()).chain(["-o", form]).collect();
            let ran = node.cli(&words).await.exits(0);
            assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "no terminal, no colour: {ran:?}");
            let file = folder.join(format!("{}.{form}", verb.replace(' ', "-")));
            expect_file![file].assert_eq(&kept(&ran, form, *stays));
        }
    }
    let here: BTreeSet<String> = table.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    let known = |verb: &String| here.contains(verb) || ELSEWHERE.iter().any(|other| verb.starts_with(other));
    let missing: Vec<String> = verbs_with_output().await.into_iter().filter(|verb| !known(verb)).collect();
    assert!(missing.is_empty(), "read verbs without golden output: {missing:?}");
}
