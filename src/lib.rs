//! Vakhta keeps watch over servers: it runs checks, counts failures, keeps a status and tells people.

pub mod checks;
pub mod config;
pub mod domain;
pub mod net;
pub mod notify;
pub mod settings;
