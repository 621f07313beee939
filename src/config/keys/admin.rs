//! `admin`: the operator's listener.

use crate::config::{
    defaults,
    shape::section,
    shapes::{Address, Secret},
};

section! {
    /// Where health and metrics are served, and where operators ask.
    AdminKeys {
        /// An address and a port.
        listen "listen": Address = defaults::ADMIN,
        /// What operators' requests must present, best a reference; needed where `listen` is no loopback address.
        token "token": Secret,
    }
}
