//! Services that are found by SRV records (RFC 2782): hosts and ports, where a name begins with `_service._proto`.
//!
//! Names of hosts are the system's to look up; its resolver knows no SRV. So this asks the name servers of `/etc/resolv.conf` itself, for
//! this one kind of record: over UDP, and over TCP where an answer does not fit (RFC 7766 section 5). Where the records lead is looked up by
//! the system again. Of several priorities the first is used; the weights are left aside, since calls go where there is less to do
//! (docs/adr/0032).

mod ask;
mod message;
mod servers;
mod service;

#[cfg(test)]
mod tests;

pub(super) use service::{domain, is_service, look_up};
