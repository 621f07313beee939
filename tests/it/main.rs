//! The gateway as a whole: the real program between clients and servers that the tests script.

mod kit;

mod input;
