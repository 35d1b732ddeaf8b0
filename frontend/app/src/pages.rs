//! The pages, one file each.

mod account;
mod console;
mod error;
mod help;
mod landing;
mod legal;
mod links;
mod log_in;
mod pricing;
mod reset_password;
mod sign_up;
mod status;
mod styleguide;

pub(crate) use self::account::{Password, Sudo};
pub(crate) use self::console::{Order, Orders, Overview, Revealed};
pub(crate) use self::error::{ErrorPage, NotFound};
pub(crate) use self::help::Help;
pub(crate) use self::landing::Landing;
pub(crate) use self::legal::{Privacy, Terms};
pub(crate) use self::links::{ChangeEmail, Confirm, Reset};
pub(crate) use self::log_in::{LogIn, SecondStep};
pub(crate) use self::pricing::Pricing;
pub(crate) use self::reset_password::ResetPassword;
pub(crate) use self::sign_up::{SignUp, SignUpSent};
pub(crate) use self::status::Status;
pub(crate) use self::styleguide::{ConsoleSample, Styleguide};
