//! The command line: arguments, what is printed, exit codes; one file for each command.
//!
//! What a person reads goes to a terminal with colours; what a program reads is the same text without them, or JSON where a command
//! has `--json`. Results go to stdout, everything else to stderr. Nothing here knows more of MCP than the crate's own client side
//! ([`myelin::upstream`]) tells it.
//!
//! Sources: sysexits.h for exit codes; <https://no-color.org>; the command line interface guidelines at <https://clig.dev>.

mod announce;
mod arguments;
mod audit;
mod call;
mod check;
mod completions;
mod connections;
mod content;
mod conversation;
mod demo;
mod doctor;
mod exit;
mod failure;
mod finding;
mod form;
mod health;
mod import;
mod input;
mod key;
mod listen;
mod live;
mod logs;
mod machine;
mod offered;
mod operator;
mod pin;
mod policy;
mod policy_call;
mod policy_replay;
mod policy_test;
mod question;
mod reach;
mod restart;
mod run;
mod schema;
mod servers;
mod signature;
mod terminal;
mod tools;
mod walk;

pub(crate) use arguments::run;
pub(crate) use demo::run as demo;
