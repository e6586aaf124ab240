//! Policies on the operator's disk: a `.cedar` file, or a folder of them with an `entities.json`.
//!
//! The files of a folder are one set, in the order of their names; what is below it in other folders is not looked at.

use crate::context::unreadable;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use symbi_server::failure::Failure;

/// What a folder's entities are in.
const ENTITIES: &str = "entities.json";
/// No more than so many errors are told.
const TOLD: usize = 10;

/// A policy set as it was read, and which of its lines are whose.
#[derive(Debug)]
pub struct Source {
    /// The policies, one file after the other.
    pub text: String,
    /// Their entities.
    pub entities: String,
    /// The files, each with the number of lines before it.
    files: Vec<(PathBuf, usize)>,
    /// Where the entities are, if there are any.
    entities_file: Option<PathBuf>,
}

impl Source {
    /// Reads a file or a folder.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let (files, entities_file) = files(path)?;
        let mut source = Self {
            text: String::new(),
            entities: symbi_model::policy::NO_ENTITIES.to_owned(),
            files: Vec::new(),
            entities_file: None,
        };
        for file in files {
            if !source.text.is_empty() && !source.text.ends_with('\n') {
                source.text.push('\n');
            }
            let before = source.text.matches('\n').count();
            source.text.push_str(&text(&file)?);
            source.files.push((file, before));
        }
        if let Some(file) = entities_file {
            source.entities = text(&file)?;
            source.entities_file = Some(file);
        }
        Ok(source)
    }

    /// What is wrong with it, each by file, line and column.
    pub fn invalid<'a>(&self, problems: impl Iterator<Item = (&'a str, u64, u64, &'a str)>) -> Failure {
        let mut lines: Vec<String> =
            problems.map(|(of, line, column, message)| self.place(of, line, column) + message).collect();
        let more = lines.len().saturating_sub(TOLD);
        lines.truncate(TOLD);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Failure::new(2, "POLICY_INVALID", "the policies are not valid; nothing was applied")
            .why(lines.join("\n"))
            .fix("see what policies can refer to: symbi-node policy schema")
    }

    fn place(&self, of: &str, line: u64, column: u64) -> String {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let (file, line) = match &self.entities_file {
            Some(file) if of == "entities" => (Some(file), line),
            _ => match self.files.iter().rev().find(|(_, before)| *before < line) {
                Some((file, before)) => (Some(file), line - before),
                None => (None, line),
            },
        };
        let file = file.map_or_else(|| of.to_owned(), |file| file.display().to_string());
        format!("{file}:{line}:{column}: ")
    }

    /// What the node says is wrong with it, if that is what it says.
    pub fn refused(&self, details: &Value) -> Failure {
        let text = |problem: &'_ Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let problems: Vec<(String, u64, u64, String)> = details["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|problem| {
                let number = |key: &str| problem[key].as_u64().unwrap_or(1);
                (text(problem, "in"), number("line"), number("column"), text(problem, "message"))
            })
            .collect();
        self.invalid(problems.iter().map(|(of, line, column, message)| (of.as_str(), *line, *column, message.as_str())))
    }
}

/// The policies at `path` and their entities, by name.
fn files(path: &Path) -> Result<(Vec<PathBuf>, Option<PathBuf>), Failure> {
    let found = path.metadata().map_err(|error| unreadable(path, &error))?;
    if !found.is_dir() {
        return Ok((vec![path.to_owned()], None));
    }
    let entries = path.read_dir().and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| unreadable(path, &error))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    let entities = files.iter().find(|file| file.file_name() == Some(OsStr::new(ENTITIES))).cloned();
    files.retain(|file| file.extension() == Some(OsStr::new("cedar")) && file.is_file());
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(2, "NO_POLICIES", format!("there is no .cedar file in {}", path.display()))
            .fix("name a .cedar file, or a folder that has some"));
    }
    Ok((files, entities))
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_set_in_the_order_of_names_and_its_lines_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("b.cedar", "three;\nfour;\n");
        put("a.cedar", "one;\ntwo;");
        put("entities.json", "[\n]");
        put("notes.txt", "no policy");
        std::fs::create_dir(dir.path().join("c.cedar")).unwrap();
        let source = Source::read(dir.path()).unwrap();
        assert_eq!((source.text.as_str(), source.entities.as_str()), ("one;\ntwo;\nthree;\nfour;\n", "[\n]"));
        let place = |of: &str, line: u64| source.place(of, line, 7).replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(place("policies", 1), "a.cedar:1:7: ");
        assert_eq!(place("policies", 2), "a.cedar:2:7: ");
        assert_eq!(place("policies", 3), "b.cedar:1:7: ");
        assert_eq!(place("policies", 5), "b.cedar:3:7: ");
        assert_eq!(place("entities", 2), "entities.json:2:7: ");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let none = Source::read(dir.path()).unwrap_err();
        assert_eq!((none.exit, none.code.as_str()), (2, "NO_POLICIES"));
        let missing = Source::read(&dir.path().join("x.cedar")).unwrap_err();
        assert_eq!((missing.exit, missing.code.as_str()), (1, "FILE"));
    }
}
