//! Teams: invitations, roles, sub-accounts, owners, and what each role may do.

mod matrix;
mod members;
