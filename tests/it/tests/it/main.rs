//! Tests of the whole system, one module per subject, in one binary.

mod cards;
mod chaos;
mod delivery;
mod redemption;
