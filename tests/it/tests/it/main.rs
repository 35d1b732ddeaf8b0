//! Tests of the whole system, one module per subject, in one binary.

mod cards;
mod chaos;
mod delivery;
mod isolation;
mod redemption;
mod schema_rules;
mod shops;
mod stock_rules;
mod tokens;
