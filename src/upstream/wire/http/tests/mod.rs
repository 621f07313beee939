//! The client against real sockets.

mod faults;
mod identity;
mod reach;
mod replicas;
mod reuse;
mod stage;
mod stream;
mod tls;
