//! Behavior over real sockets: each test starts its own sandbox on a free port.

mod support;

mod authorization;
mod cards;
mod control;
mod faults;
mod limits;
mod orders;
mod push;
mod vectors;
