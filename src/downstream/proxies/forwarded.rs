//! One element of `Forwarded` or `X-Forwarded-For`.
//!
//! Sources: RFC 7239 sections 4 and 6; for the other one, what proxies write: an address, some with its port.

use std::net::{IpAddr, Ipv6Addr};

/// The elements of a list, from the right. A comma in quotes is none; quotes are looked for from the right as well, so that what a
/// client opened and did not close cannot swallow what its proxy wrote.
pub(super) fn from_the_right(list: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let whole = rest?;
        let mut is_quoted = false;
        let comma = whole.iter().rposition(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b',' && !is_quoted
        });
        let (left, element) = match comma.and_then(|at| whole.split_at_checked(at)) {
            Some((left, element)) => (Some(left), element.strip_prefix(b",").unwrap_or_default()),
            None => (None, whole),
        };
        rest = left;
        // What is no text names nobody.
        Some(std::str::from_utf8(element).unwrap_or_default().trim())
    })
}

/// The address that `for` names in an element of `Forwarded`; obfuscated and unknown ones are none.
pub(super) fn parameter(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, perhaps with a port, which may be obfuscated; IPv6 in brackets, or bare without a port.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, _port) = bracketed.split_once(']')?;
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse().ok().or_else(|| text.split_once(':')?.0.parse().ok())
}
