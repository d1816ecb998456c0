//! The one integration binary: stories through the engine, the walls of the house, and the real program.

mod scenarios;
mod walls;
