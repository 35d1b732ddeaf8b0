//! The pages, one file each.

mod error;
mod help;
mod landing;
mod legal;
mod log_in;
mod pricing;
mod sign_up;
mod status;
mod styleguide;

pub(crate) use self::error::{ErrorPage, NotFound};
pub(crate) use self::help::Help;
pub(crate) use self::landing::Landing;
pub(crate) use self::legal::{Privacy, Terms};
pub(crate) use self::log_in::LogIn;
pub(crate) use self::pricing::Pricing;
pub(crate) use self::sign_up::SignUp;
pub(crate) use self::status::Status;
pub(crate) use self::styleguide::{ConsoleSample, Styleguide};
