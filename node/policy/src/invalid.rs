//! Why a policy set is refused, and where in its text.

/// Why a policy set is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// What is wrong with a set that somebody wants to apply; at least one of the two is.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// Of its policies, in the order of their places.
    pub policies: Vec<PolicyError>,
    /// Of its entities.
    pub entities: Option<PolicyError>,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let policies = self.policies.iter().map(|error| ("policies", error));
        let errors = policies.chain(self.entities.iter().map(|error| ("entities", error)));
        let said: Vec<String> = errors.map(|(of, error)| format!("{of}, {error}")).collect();
        formatter.write_str(&said.join("; "))
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The first character.
    pub fn start() -> Self {
        Self { line: 1, column: 1 }
    }

    /// The character that begins at the byte `at`, or the end of the text.
    pub fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// An error at this place.
    pub fn error(self, message: String) -> PolicyError {
        PolicyError { line: self.line, column: self.column, message }
    }
}
