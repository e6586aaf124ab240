//! Beginnings of names and ids, for those who read. Nothing is changed, stopped or sent to by a beginning: what it fits may be
//! gone, and then it fits something else.

use crate::error::Error;

/// The shortest beginning of an id: all ids made within some hours begin with the same four digits.
const ID_BYTES: usize = 4;
/// The most that are named when a beginning may mean several.
const NAMED: usize = 8;

/// A thing that may be meant.
pub struct Candidate<T> {
    /// The thing.
    pub thing: T,
    /// Its name, if it has one; it comes before any id.
    pub name: Option<String>,
    /// Its id.
    pub id: String,
}

impl<T> Candidate<T> {
    /// How people are told of it.
    fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.clone())
    }

    fn is(&self, wanted: &str) -> bool {
        self.name.as_deref() == Some(wanted) || self.id == wanted
    }

    fn begins(&self, wanted: &str) -> bool {
        fits(wanted, self.name.as_deref(), &self.id)
    }
}

/// Whether `prefix` is the beginning of this name, or is long enough to be one of this id and is.
#[must_use]
pub fn fits(prefix: &str, name: Option<&str>, id: &str) -> bool {
    name.is_some_and(|name| name.starts_with(prefix)) || (prefix.len() >= ID_BYTES && id.starts_with(prefix))
}

/// The one among `candidates` that `wanted` means: by its whole name or id, or as the only one that begins so. `what` is
/// what they are, for people.
///
/// # Errors
/// [`Error::NotFound`], and [`Error::Ambiguous`] with those that it may mean.
pub fn find<T>(what: &'static str, wanted: &str, candidates: impl Iterator<Item = Candidate<T>>) -> Result<T, Error> {
    let mut several: Vec<Candidate<T>> = Vec::new();
    for candidate in candidates.filter(|_| !wanted.is_empty()) {
        if candidate.is(wanted) {
            return Ok(candidate.thing);
        }
        if candidate.begins(wanted) {
            several.push(candidate);
        }
    }
    if several.len() > 1 {
        let candidates = several.iter().take(NAMED).map(Candidate::shown).collect();
        let more = several.len() > NAMED;
        return Err(Error::Ambiguous { what, wanted: wanted.to_owned(), candidates, more });
    }
    several.pop().map(|only| only.thing).ok_or_else(|| Error::NotFound(format!("there is no {what} {wanted:?}")))
}

#[cfg(test)]
mod tests {
    use super::{Candidate, find};
    use crate::error::Error;

    fn among(wanted: &str) -> Result<u32, Error> {
        let things = [(1, "rev", "0193aaaa"), (2, "reviewer", "0193bbbb"), (3, "worker", "0193bbcc")];
        let candidate =
            |(thing, name, id): (u32, &str, &str)| Candidate { thing, name: Some(name.into()), id: id.into() };
        find("agent", wanted, things.into_iter().map(candidate))
    }

    #[test]
    fn a_whole_name_or_id_comes_before_what_begins_so() {
        assert_eq!(among("rev").unwrap(), 1);
        assert_eq!(among("0193bbbb").unwrap(), 2);
        assert_eq!(among("revi").unwrap(), 2);
        assert_eq!(among("0193a").unwrap(), 1);
    }

    #[test]
    fn what_may_mean_several_names_them() {
        let Err(Error::Ambiguous { candidates, more, .. }) = among("re") else { panic!("not ambiguous") };
        assert_eq!((candidates, more), (vec!["rev".to_owned(), "reviewer".to_owned()], false));
        let Err(Error::Ambiguous { candidates, .. }) = among("0193bb") else { panic!("not ambiguous") };
        assert_eq!(candidates, ["reviewer", "worker"]);
        let many = (0..20).map(|thing| Candidate { thing, name: None, id: format!("0000{thing}") });
        let error = find("token", "0000", many).unwrap_err();
        assert_eq!(error.to_string(), "more than one token begins with \"0000\", and there are more than are listed");
        let Error::Ambiguous { candidates, more, .. } = error else { panic!("not ambiguous") };
        assert_eq!((candidates.len(), candidates.last().map(String::as_str), more), (8, Some("00007"), true));
    }

    #[test]
    fn too_little_of_an_id_and_nothing_mean_nothing() {
        for wanted in ["", "019", "x"] {
            assert!(matches!(among(wanted), Err(Error::NotFound(_))), "{wanted:?}");
        }
    }
}
