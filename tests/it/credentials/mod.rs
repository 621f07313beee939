//! What the gateway shows its servers: secrets of files, tokens of its own and of its callers, and never the wrong one.

mod secrets;
