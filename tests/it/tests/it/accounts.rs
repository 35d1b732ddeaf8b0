//! Accounts: signing up, logging in, sessions, and what strangers learn and can stop.

mod attack;
mod factors;
mod log_in;
mod sessions;
mod sign_up;
mod walls;
