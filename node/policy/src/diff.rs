//! What differs between two policy sets, policy by policy.
//!
//! Policies are known by their names; one without a name is known by its text, and after that by its number in the set.
//! Comments between policies belong to none, and are not compared.

use crate::invalid::PolicyError;
use crate::set::{self, Clause, Parsed};
use std::collections::BTreeSet;

/// Two texts of more than so many pairs of lines are not compared line by line.
const PAIRS: usize = 1_000_000;
/// What the difference of the entities is called.
const ENTITIES: &str = "entities";

/// What differs in one policy, or in the entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The policy's name, or `entities`.
    pub clause: String,
    /// Its lines, each behind `-`, `+` or a space: taken away, added, or as before.
    pub lines: Vec<String>,
}

/// Policies and their entities.
pub type Texts<'a> = (&'a str, &'a str);

/// What is done to `old` to get `new`: first what was in `old`, in its order, then what is new, then the entities.
///
/// # Errors
/// What keeps one of the two from being read.
pub fn diff(old: Texts<'_>, new: Texts<'_>) -> Result<Vec<Difference>, PolicyError> {
    let (old, new) = (set::parse(old.0, old.1)?, set::parse(new.0, new.1)?);
    let mut found = policies(&old, &new);
    let (before, after): (BTreeSet<String>, BTreeSet<String>) =
        (old.members.lines().into_iter().collect(), new.members.lines().into_iter().collect());
    let mut changed: Vec<(&String, char)> = before.difference(&after).map(|line| (line, '-')).collect();
    changed.extend(after.difference(&before).map(|line| (line, '+')));
    changed.sort_by_key(|(line, sign)| (*line, *sign == '+'));
    if !changed.is_empty() {
        let lines = changed.into_iter().map(|(line, sign)| format!("{sign}{line}")).collect();
        found.push(Difference { clause: ENTITIES.to_owned(), lines });
    }
    Ok(found)
}

fn policies(old: &Parsed, new: &Parsed) -> Vec<Difference> {
    let (mut before, mut after) = (in_order(old), in_order(new));
    before.retain(|clause| match after.iter().position(|other| clause.is(other)) {
        Some(place) => {
            after.remove(place);
            false
        }
        None => true,
    });
    let mut found = Vec::new();
    for clause in before {
        let place = after.iter().position(|other| other.name() == clause.name());
        let next = place.map_or("", |place| after.remove(place).text());
        found.push(Difference { clause: clause.name().to_owned(), lines: lines(clause.text(), next) });
    }
    found.extend(
        after.iter().map(|clause| Difference { clause: clause.name().to_owned(), lines: lines("", clause.text()) }),
    );
    found
}

fn in_order(set: &Parsed) -> Vec<&Clause> {
    let mut clauses: Vec<&Clause> = set.clauses.values().collect();
    clauses.sort_by_key(|clause| clause.order);
    clauses
}

impl Clause {
    fn name(&self) -> &str {
        &self.line.id
    }

    fn text(&self) -> &str {
        &self.line.text
    }

    fn is(&self, other: &Self) -> bool {
        let names = self.named == other.named && (!self.named || self.name() == other.name());
        names && self.text() == other.text()
    }
}

/// The lines of both texts, by their longest common subsequence.
fn lines(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut shown = Vec::new();
    let (mut at, mut to) = (0, 0);
    if old.len() * new.len() <= PAIRS {
        let common = common(&old, &new);
        let width = new.len() + 1;
        while at < old.len() && to < new.len() {
            if old[at] == new[to] {
                shown.push(format!(" {}", old[at]));
                (at, to) = (at + 1, to + 1);
            } else if common[(at + 1) * width + to] >= common[at * width + to + 1] {
                shown.push(format!("-{}", old[at]));
                at += 1;
            } else {
                shown.push(format!("+{}", new[to]));
                to += 1;
            }
        }
    }
    shown.extend(old[at..].iter().map(|line| format!("-{line}")));
    shown.extend(new[to..].iter().map(|line| format!("+{line}")));
    shown
}

/// For each pair of places, how many lines the rests behind them have in common: rows of `old`, one more than it has lines.
fn common(old: &[&str], new: &[&str]) -> Vec<u32> {
    let width = new.len() + 1;
    let mut table = vec![0; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            table[at * width + to] = if old[at] == new[to] {
                table[(at + 1) * width + to + 1] + 1
            } else {
                table[(at + 1) * width + to].max(table[at * width + to + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbi_model::policy::NO_ENTITIES;

    fn shown(old: Texts<'_>, new: Texts<'_>) -> String {
        let found = diff(old, new).unwrap();
        found.iter().map(|found| format!("@@ {} @@\n{}\n", found.clause, found.lines.join("\n"))).collect()
    }

    #[test]
    fn it_is_told_by_policy_and_line() {
        let old = "@id(\"a\")\npermit (principal, action, resource)\nwhen { true };\n@id(\"gone\") forbid (principal, action, resource);";
        let new = "// a comment\nforbid (principal, action, resource)\nunless { true };\n@id(\"a\")\npermit (principal, action, resource)\nwhen { false };";
        let bob = r#"[{"uid": {"type": "User", "id": "bob"}, "parents": [{"type": "Group", "id": "ops"}]}]"#;
        expect_test::expect![[r#"
            @@ a @@
             @id("a")
             permit (principal, action, resource)
            -when { true };
            +when { false };
            @@ gone @@
            -@id("gone") forbid (principal, action, resource);
            @@ policy0 @@
            +forbid (principal, action, resource)
            +unless { true };
            @@ entities @@
            +User::"bob" in [Group::"ops"]
        "#]]
        .assert_eq(&shown((old, NO_ENTITIES), (new, bob)));
    }

    #[test]
    fn an_order_is_no_difference_and_nor_is_the_number_of_one_without_a_name() {
        let (first, second) =
            ("permit (principal, action, resource);", "forbid (principal is User, action, resource);");
        let (old, new) = (format!("{first}\n{second}"), format!("{second}\n{first}"));
        assert_eq!(shown((&old, NO_ENTITIES), (&new, NO_ENTITIES)), "");
    }
}
