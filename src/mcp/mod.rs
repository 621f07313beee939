//! The narrow waist: one model of a conversation, in the vocabulary of the modern revision, with no era, session, transport or
//! runtime in it.
//!
//! A [`Call`] goes in; a [`Reply`] comes back: notices, perhaps questions, then exactly one [`Outcome`]. Dropping a [`Reply`] cancels the
//! call. Payloads stay the bytes that arrived. Everything above (routing, policy) and below (upstreams) speaks only this.

mod call;
mod caller;
mod catalog;
mod decision;
mod fault;
mod filter;
mod list;
mod mirror;
mod name;
mod offer;
mod params;
mod principal;
mod question;
mod reply;
mod span;
mod task;
mod value;

pub use call::{Call, Completion, Invoke, Mirrored, Op, ProgressInterest, Reference, Trace, Verb};
pub use caller::{Caller, Capabilities, Level, LogInterest, Profile};
pub use catalog::{CacheHint, CacheScope, Catalog, Entry, Page, Rendering};
pub use decision::{Decision, Ruling};
pub use fault::{Calendar, Fault, Limit, Per, SetLimit, Span, UpstreamFault};
pub use filter::Filter;
pub use list::ListKind;
pub use mirror::{InvalidMirror, Mirror};
pub use name::{MAX_NAME_LEN, exposed_name};
pub use offer::Offer;
pub use params::Params;
pub use principal::{Identity, Principal, PrincipalKind};
pub use question::{is_url, signed, wants_tools};
pub use reply::{Answer, Ask, AskId, AskKind, Conversation, Event, Notice, Outcome, Reply, Stage, Unanswered};
pub use span::{TRACE_MEMBERS, TraceContext};
pub use task::{
    NewTask, TASKS_EXTENSION, TaskAct, TaskCall, TaskForm, TaskNotice, TaskSupport, tasks_required, without_tasks,
};
pub use value::{Undecodable, decode_value, encode_value};

/// The waist itself: what turns a call into a reply.
pub trait Waist: Send + Sync + 'static {
    /// Starts a call. Nothing happens before the reply is polled; dropping the reply cancels.
    fn call(&self, call: Call) -> Reply;

    /// A legacy session ended: what was kept for it can go.
    fn ended(&self, session: &std::sync::Arc<str>);
}
