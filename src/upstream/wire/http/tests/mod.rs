//! The client against real sockets.

mod faults;
mod reuse;
mod stage;
mod stream;
mod tls;
