//! Frames around pages: the public site, the forms of accounts, the console, and the staff.

mod account;
mod console;
mod public;
mod staff;

pub(crate) use self::account::AccountLayout;
pub(crate) use self::console::{ConsoleLayout, Frame, Section};
pub(crate) use self::public::PublicLayout;
pub(crate) use self::staff::StaffLayout;
