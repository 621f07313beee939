//! What a condition speaks of.

/// Something that a condition can speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Who calls.
    Principal,
    /// `principal.claims`: apart, since they are costly to show and differ from token to token.
    Claims,
    /// The MCP method.
    Method,
    /// The server.
    Server,
    /// The path of the endpoint.
    Endpoint,
    /// The tool.
    Tool,
    /// `tool.annotations`: apart, since no log has them.
    Annotations,
    /// The prompt.
    Prompt,
    /// The resource.
    Resource,
    /// The arguments of a tool or prompt.
    Arguments,
    /// The client's program.
    Client,
    /// The time.
    Now,
    /// The request: where it came from.
    Request,
}

impl Variable {
    /// All that have a name of their own.
    pub(super) const NAMED: [Self; 11] = [
        Self::Principal,
        Self::Method,
        Self::Server,
        Self::Endpoint,
        Self::Tool,
        Self::Prompt,
        Self::Resource,
        Self::Arguments,
        Self::Client,
        Self::Now,
        Self::Request,
    ];

    /// The name in a condition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Claims => "principal.claims",
            Self::Method => "method",
            Self::Server => "server",
            Self::Endpoint => "endpoint",
            Self::Tool => "tool",
            Self::Annotations => "tool.annotations",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Arguments => "arguments",
            Self::Client => "client",
            Self::Now => "now",
            Self::Request => "request",
        }
    }

    /// The variable of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|variable| variable.name() == name)
    }

    const fn bit(self) -> u16 {
        match self {
            Self::Principal => 1,
            Self::Claims => 1 << 1,
            Self::Method => 1 << 2,
            Self::Server => 1 << 3,
            Self::Endpoint => 1 << 4,
            Self::Tool => 1 << 5,
            Self::Prompt => 1 << 6,
            Self::Resource => 1 << 7,
            Self::Arguments => 1 << 8,
            Self::Client => 1 << 9,
            Self::Now => 1 << 10,
            Self::Annotations => 1 << 11,
            Self::Request => 1 << 12,
        }
    }
}

/// A set of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mentions(u16);

impl Mentions {
    /// A set of these.
    pub const fn of<const N: usize>(variables: [Variable; N]) -> Self {
        let mut bits = 0;
        let mut rest = variables.as_slice();
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Adds one.
    pub(in crate::policy) const fn add(&mut self, variable: Variable) {
        self.0 |= variable.bit();
    }

    /// Whether it is in the set.
    pub const fn has(self, variable: Variable) -> bool {
        self.0 & variable.bit() != 0
    }

    /// Whether one of the others is in the set.
    pub const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}
