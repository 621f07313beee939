//! Servers that are found in a Kubernetes cluster: Services with a label, and what their annotations say.
//!
//! A [`Finder`] keeps a picture of the Services by list and watch; [`offers`] makes servers of it, each by a template of the operator's.
//! A Service brings a name, an address and which of the operator's things are meant. It never brings a secret, a command or a limit, and
//! what it says wrongly leaves it out alone. Nothing is started here: `app` goes over to what was found as to a file that changed.
//!
//! Sources: Kubernetes, API Concepts (Efficient detection of changes, Watch bookmarks, 410 Gone); Kubernetes API, Service v1.

mod ask;
mod board;
mod fault;
mod finder;
mod follow;
mod lines;
mod offer;
mod picture;
mod service;
pub mod settings;

#[cfg(test)]
mod tests;

pub use finder::Finder;
pub use offer::{LeftOut, OfferFault, Offered, Offers, offers};
pub use picture::{Picture, Trouble};
pub use service::{Service, ServiceId, is_label};
