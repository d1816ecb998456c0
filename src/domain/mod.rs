//! The brain, pure: readings go in, decisions come out. No async, no I/O, no clock in here.

pub mod reading;
pub mod rule;
pub mod watch;
pub mod window;
