//! What was found, or what stands for it when it was not.

use crate::config::place::Found;

/// The shortest secret key: 32 characters of base64 carry 192 bits.
pub(super) const LEAST_KEY: usize = 32;

/// The keys of a section; all absent when the section is.
pub(super) fn section<S: Default>(found: Option<Found<S>>) -> S {
    found.map(|found| found.value).unwrap_or_default()
}

/// The elements of a list, none when it is absent.
pub(super) fn values<T>(list: Option<Found<Vec<Found<T>>>>) -> Vec<T> {
    section(list).into_iter().map(|found| found.value).collect()
}
