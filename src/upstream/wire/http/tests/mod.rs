//! The client against real sockets.

mod faults;
mod reach;
mod reuse;
mod stage;
mod stream;
mod tls;
