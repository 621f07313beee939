//! Children: how many there are, when they start and end, and who may use them.

mod retry;
mod start;
