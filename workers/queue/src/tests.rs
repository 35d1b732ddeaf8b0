//! Tests of the mechanism against a real, private Redis.

mod channels;
mod connections;
mod fairness;
mod leases;
mod limiter;
mod locks;
mod model;
mod recovery;
mod scheduling;
pub(crate) mod support;
mod throttle;
