//! What is pinned of a server.

use crate::mcp::ListKind;

/// A kind of thing that a server says something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource, by its URI.
    Resource,
    /// A resource template.
    Template,
    /// What the server says of itself.
    Instructions,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Tool, Self::Prompt, Self::Resource, Self::Template, Self::Instructions];

    /// What a list lists.
    pub const fn of(list: ListKind) -> Self {
        match list {
            ListKind::Tools => Self::Tool,
            ListKind::Prompts => Self::Prompt,
            ListKind::Resources => Self::Resource,
            ListKind::Templates => Self::Template,
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Instructions => "instructions",
        }
    }

    /// The member of a lock that has them.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::Template => "templates",
            Self::Instructions => "instructions",
        }
    }

    /// The members of an entry that make its definition: what a model or a person reads of it.
    pub(super) const fn definition(self) -> &'static [&'static str] {
        match self {
            Self::Tool => &["annotations", "description", "inputSchema", "name", "outputSchema", "title"],
            Self::Prompt => &["arguments", "description", "name", "title"],
            Self::Resource => &["description", "mimeType", "name", "title", "uri"],
            Self::Template => &["description", "mimeType", "name", "title", "uriTemplate"],
            Self::Instructions => &[],
        }
    }

    /// What a thing of that kind is called after its server: tools by their name alone.
    pub fn label(self, name: &str) -> String {
        match self {
            Self::Tool => name.to_owned(),
            Self::Instructions => self.name().to_owned(),
            Self::Prompt | Self::Resource | Self::Template => format!("{}:{name}", self.name()),
        }
    }
}
