//! What of a server is offered and what is withheld because of what it is.

use crate::pin::{Finding, Kind};

use super::{pool::Upstream, screening::Named};

impl Upstream {
    /// How many of its things are withheld because of what they are.
    pub fn withheld(&self) -> usize {
        self.screening().withheld()
    }

    /// What it says of itself, if that may be passed on.
    pub fn instructions(&self, text: &str) -> Option<String> {
        self.screening().instructions(self.name(), text.to_owned())
    }

    /// Whether a resource of that URI is withheld because of what is said of it.
    pub fn withholds_resource(&self, uri: &str) -> bool {
        self.screening().withholds(Kind::Resource, uri)
    }

    /// What was found of its things since somebody asked last, by their kinds and its own names.
    pub fn news_of_things(&self) -> Vec<(Named, Finding)> {
        self.screening().news()
    }
}
