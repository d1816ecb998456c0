#![doc = include_str!("README.md")]

pub mod app;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod journal;
pub mod net;
pub mod notify;
pub mod runner;
pub mod settings;
pub mod status;
pub mod store;
pub mod story;
pub mod web;
