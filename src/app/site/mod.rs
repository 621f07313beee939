//! What the gateway serves beside its endpoints: the keys that it signs with, what it says of itself as a client, and the pages on which
//! users agree that a server is called in their name.
//!
//! A page first finds out who sits at the browser: whoever was sent there by somebody else must not connect their account to the other's
//! principal (MCP 2026-07-28 security best practices). Pages are plain HTML without scripts, in no frame, and remembered by nobody.

mod browser;
mod consent;
mod core;
mod form;
mod html;
mod pages;
mod sign_in;
mod visits;
mod who;

pub(super) use core::Site;
