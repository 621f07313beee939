//! Secrets that cannot be printed.
//!
//! [`Redacted`] wraps a value that must never reach a log, an error, a dump or a test's output. It has no `Display`, no
//! `Serialize`, and a `Debug` that shows nothing of the value, not even its length. Reading it needs [`Redacted::expose`],
//! which is easy to search for. The memory is wiped when it is dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A value that prints as `[redacted]` and is wiped from memory when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Redacted<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. The caller takes care that it goes only where it belongs.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&str> for Redacted<String> {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Redacted::from("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
