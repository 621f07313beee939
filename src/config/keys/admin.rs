//! `admin`: the operator's listener.

use crate::config::{defaults, shape::section, shapes::Address};

section! {
    /// Where health and metrics are served.
    AdminKeys {
        /// An address and a port.
        listen "listen": Address = defaults::ADMIN,
    }
}
