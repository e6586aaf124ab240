//! The bounds of the model, by stable names.

use crate::field::Value;

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $words:literal;)*) => {
        /// A bound of the model. The texts are hashed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $($(#[$doc])* $variant,)*
        }

        impl Limit {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What it says, `max` being the most that is allowed.
            #[must_use]
            pub fn in_words(self, max: u64) -> String {
                match self {
                    $(Self::$variant => $words.replace("{max}", &max.to_string()),)*
                }
            }
        }
    };
}

limits! {
    /// An agent's name.
    AgentName = "agent.name", "an agent's name is a DNS label of at most {max} bytes";
    /// An agent's messages in flight.
    MaxInFlight = "agent.max_in_flight", "max_in_flight is at least {max}";
    /// An agent's command.
    Command = "agent.command", "an agent has a command of at least {max} word";
    /// What an agent reserves.
    Resources = "agent.resources", "an agent reserves at most {max} MiB, and as many thousandths of a core";
    /// An agent's labels, and those it requires.
    AgentLabels = "agent.labels", "an agent has at most {max} labels, each of printable ASCII without spaces";
    /// A spec's size.
    Spec = "agent.spec", "a spec has at most {max} bytes";
    /// An annotation's key.
    AnnotationKey = "annotation.key", "an annotation's key has 1 to {max} bytes";
    /// An annotation's value.
    AnnotationValue = "annotation.value", "an annotation has at most {max} bytes";
    /// Annotations of one agent.
    Annotations = "agent.annotations", "an agent has at most {max} annotations";
    /// A report's document.
    Report = "report.document", "a report has at most {max} bytes";
    /// A node's name.
    NodeName = "node.name", "a node's name is a DNS label of at most {max} bytes";
    /// A node's labels.
    NodeLabels = "node.labels", "a node has at most {max} labels, each of printable ASCII without spaces";
    /// A node's profile.
    Profile = "node.profile", "a node's profile has at most {max} bytes";
    /// A credential key.
    CredentialKey = "node.credential_key", "a credential key has {max} bytes";
    /// Policies, and their entities.
    Policies = "policy.text", "policies, and their entities, have at most {max} bytes";
    /// A join token's uses.
    TokenUses = "token.uses", "a join token has 1 to {max} uses";
    /// Anchors in one command.
    Anchors = "ledger.anchors", "one command has 1 to {max} anchors";
    /// Users.
    Users = "users", "a cluster has at most {max} users";
    /// A user's name.
    UserName = "user.name", "a user's name is a DNS label of at most {max} bytes";
    /// A user's API tokens.
    ApiTokens = "user.api_tokens", "a user has at most {max} API tokens";
    /// An API token's scope.
    Scope = "api-token.scope", "a scope has at most {max} bytes, a space between two actions counted";
}

impl Limit {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|limit| limit.name() == name)
    }
}

impl From<Limit> for Value {
    fn from(limit: Limit) -> Self {
        Self::text(limit.name())
    }
}
