//! The one integration binary: stories through the engine, the walls of the house, and the real program.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod acknowledged;
mod bot;
mod channels;
mod command_line;
mod compose;
mod examples;
mod farm;
mod faults;
mod heartbeat;
mod hindsight;
mod history;
mod init;
mod package;
mod program;
mod recheck;
mod requests;
mod restart;
mod scenarios;
mod service;
mod status;
mod storm;
mod systemd;
mod walls;
mod watch;
mod web;
