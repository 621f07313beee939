//! Where Redis is.

use ::redis::{Client, RedisError, TlsCertificates};

/// An address that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of Redis: write redis://HOST:6379/0, or rediss:// for TLS")]
pub struct BadAddress;

/// Whether an address is one of Redis.
///
/// # Errors
/// [`BadAddress`].
pub fn check(address: &str) -> Result<(), BadAddress> {
    let is_known = ["redis://", "rediss://"].iter().any(|scheme| address.starts_with(scheme));
    // An ending that switches the check of certificates off is not for what counts calls.
    if !is_known || address.ends_with("#insecure") {
        return Err(BadAddress);
    }
    open(address, None).map(drop).map_err(|_| BadAddress)
}

/// A client. Connects to nothing yet. With `ca`, in PEM, it trusts that authority and no other.
pub(super) fn open(address: &str, ca: Option<Vec<u8>>) -> Result<Client, RedisError> {
    match ca {
        Some(ca) if address.starts_with("rediss://") => {
            Client::build_with_tls(address, TlsCertificates { client_tls: None, root_cert: Some(ca) })
        }
        _ => Client::open(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_of_redis_from_others() {
        for address in
            ["redis://127.0.0.1", "redis://:secret@redis.example:6380/2", "rediss://user:secret@redis.example"]
        {
            assert_eq!(check(address), Ok(()), "{address}");
        }
        for address in
            ["", "127.0.0.1:6379", "http://127.0.0.1", "redis://", "rediss://redis.example#insecure", "redis://h:x"]
        {
            assert_eq!(check(address), Err(BadAddress), "{address}");
        }
    }
}
