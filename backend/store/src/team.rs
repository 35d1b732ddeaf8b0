//! Who works for a merchant: seats, and invitations to one.

pub mod invitations;
pub mod members;
