//! What a caller may see and do.
//!
//! The same rule filters every list and gates every call, and what a caller may not see answers exactly as what does not exist. A
//! stage that needs permission takes [`Permitted`], which only this module can make.

mod tools;

pub use tools::ToolFilter;

use crate::mcp::Fault;

/// Proof that a call passed the policy.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// What was permitted.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Permits a tool call if the server's filter offers the tool.
///
/// # Errors
/// The fault of a tool that does not exist; `exposed` is the name that the caller used.
pub fn permit_tool<T>(filter: &ToolFilter, own: &str, exposed: &str, call: T) -> Result<Permitted<T>, Fault> {
    if filter.offers(own) { Ok(Permitted(call)) } else { Err(Fault::UnknownTarget("tool", exposed.to_owned())) }
}

/// Permits what no rule restricts yet: prompts, resources and the rest of the protocol.
pub const fn permit<T>(call: T) -> Permitted<T> {
    Permitted(call)
}
