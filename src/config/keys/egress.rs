//! `egress`: where addresses may lead that a peer names.

use crate::config::{
    shape::section,
    shapes::{List, Outside},
};

section! {
    /// Where the addresses may lead that servers and issuers name in their messages: where their keys are, their tokens come from. Public
    /// hosts always; what the configuration itself names is not held to this.
    EgressKeys {
        /// Blocks of addresses such as `10.0.0.0/8`, and hosts, that may be reached although they are not public.
        allow "allow": List<Outside>,
    }
}
