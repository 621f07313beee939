//! The protocol revisions.

use std::fmt;

use super::Era;

/// A published revision, oldest first. Revisions are dates, so their order is that of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the dates")]
pub enum Revision {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

impl Revision {
    /// All, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest of the legacy era.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// The newest of the modern era.
    pub const NEWEST_MODERN: Self = Self::V2026_07_28;
    /// What a legacy client without session and version header is taken to speak (2025-11-25 basic/transports).
    pub const UNSAID: Self = Self::V2025_03_26;

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Reads a name. `None` for revisions that this gateway does not speak.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// The era it belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// Whether a name, known or not, claims to be of the modern era: names are compared as bytes.
    pub fn claims_modern(name: &str) -> bool {
        name.as_bytes() >= Self::V2026_07_28.name().as_bytes()
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
