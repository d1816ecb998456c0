//! History in each of its databases: what must hold of it, and what may befall it.

mod contract;
mod faults;
mod program;
pub mod servers;
