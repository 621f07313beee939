//! Questions in the two forms that they take, and the way from one to the other.
//!
//! A legacy server asks while the call is held open ([`Event::Ask`](crate::mcp::Event)); a modern one ends the call with
//! [`Outcome::InputRequired`](crate::mcp::Outcome) and waits to be called again. Legacy clients understand only the first form, modern
//! ones only the second. [`Park`] makes the second of the first, [`Drive`] the first of the second; where both ends are of one era,
//! neither has anything to do, so that a legacy client in front of a legacy server cannot tell that a gateway is there.
//!
//! Source: 2026-07-28 basic/patterns/mrtr; docs/adr/0002.

mod drive;
mod park;
mod pass;
mod settings;
mod table;
mod talk;
mod token;

pub use drive::{Drive, DriveSettings};
pub use park::Park;
pub use pass::pass;
pub use settings::ParkSettings;
