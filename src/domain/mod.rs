//! The brain, pure: readings go in, decisions come out. No async, no I/O, no clock in here.

pub mod acknowledgement;
pub mod board;
pub mod engine;
pub mod incident;
pub mod lane;
pub mod ledger;
pub mod message;
pub mod plan;
pub mod reading;
pub mod restore;
pub mod rule;
pub mod silence;
pub mod snapshot;
pub mod state;
pub mod telling;
pub mod text;
pub mod time;
pub mod tracker;
pub mod uplink;
pub mod watch;
pub mod window;
