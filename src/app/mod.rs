//! The composition: endpoints over upstreams, start, reload and stop.
//!
//! [`Gateway`] is the waist's routing half: which server, may they, carry it. [`Door`] puts the two adaptors for questions before it.
//! [`run`] makes a process of it all.

mod audit;
mod connect;
mod door;
mod doors;
mod endpoint;
mod extend;
mod fetch;
mod found;
mod gateway;
mod gather;
mod hop;
mod invoke;
mod keep;
mod library;
mod list;
mod listen;
mod locate;
mod news;
mod operate;
mod plain;
mod reach;
mod report;
mod run;
mod seen;
mod shared;
mod site;
mod status;
mod tasks;
mod view;

pub use door::Door;
pub use endpoint::{Endpoint, Member};
pub use fetch::{wallet, web};
pub use gateway::{BuildError, Gateway};
pub use hop::HopError;
pub use keep::Source;
pub use run::{Options, Ready, RunError, run};
