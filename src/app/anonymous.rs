//! Who reaches servers when nobody calls.

use crate::mcp::{Caller, Capabilities, LogInterest, Principal};

pub(super) fn anonymous() -> Caller {
    Caller {
        principal: Principal::anonymous(),
        session: None,
        client_info: None,
        capabilities: Capabilities::none(),
        log: LogInterest::Off,
        address: None,
    }
}
