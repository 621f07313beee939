//! Children: how many there are, when they start and end, and who may use them.

mod children;
mod killed;
mod retry;
mod start;
mod supervision;
