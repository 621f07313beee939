//! `replicas`: how the gateways of one deployment reach each other.

use crate::config::{
    defaults,
    shape::section,
    shapes::{Address, Meeting, Time},
};

section! {
    /// Other gateways with the same configuration and the same `sealing.keys`, to which requests are sent on that belong to their
    /// sessions, parked calls or pages. Without it, clients with a session must come back to the gateway that opened it.
    ReplicaKeys {
        /// Where the others connect: an address and a port. Whoever does not prove to have a key of `sealing.keys` is refused.
        listen "listen": Address,
        /// What the others connect to: this gateway's own address or name, with a port where it is not that of `listen`. That of
        /// `listen` when absent.
        address "address": Meeting,
        /// How long it may take to connect to another gateway; one that cannot be connected to is gone, and so are its sessions.
        connect_timeout "connectTimeout": Time = defaults::HOP_CONNECT_TIMEOUT,
    }
}
