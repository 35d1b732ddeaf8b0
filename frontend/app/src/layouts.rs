//! Frames around pages: the public site, the forms of accounts, and the console.

mod account;
mod console;
mod public;

pub(crate) use self::account::AccountLayout;
pub(crate) use self::console::{ConsoleLayout, Frame, Section};
pub(crate) use self::public::PublicLayout;
