//! Vakhta keeps watch over servers: it runs checks, counts failures, keeps a status and tells people.

pub mod app;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod net;
pub mod notify;
pub mod runner;
pub mod settings;
pub mod status;
pub mod story;
