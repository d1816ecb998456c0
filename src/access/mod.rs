//! Who may do what: roles, passwords, secrets that stand for somebody, and how long whoever guesses has to wait.

mod guess;
mod password;
mod role;
mod ticket;

pub use guess::{Guessed, wait};
pub use password::{Passwords, Unfit, Verdict, fit_name, fit_password};
pub use role::Role;
pub use ticket::{Digest, Ticket};
