//! The pages, one file each.

mod account;
mod api_reference;
mod authorize;
mod console;
mod delete_account;
mod error;
mod help;
mod join;
mod landing;
mod legal;
mod links;
mod log_in;
mod merchants;
mod once;
mod passkey;
mod pricing;
mod recover;
mod reset_password;
mod security;
mod sign_up;
mod staff;
mod status;
mod styleguide;

pub(crate) use self::account::{Email, Password, Sudo};
pub(crate) use self::api_reference::ApiReference;
pub(crate) use self::authorize::{AuthorizeByLink, CameBack};
pub(crate) use self::console::{
    ApiTokens, Audit, Authorize, ConnectShop, Connected, DisconnectShop, ExchangeSecret, Export, HandledOutside,
    ImportResult, LeaveTeam, MemberSeat, Merchant, Notifications, Order, Orders, Overview, Pauses, Pool, Pools,
    Products, Revealed, Rules, Shop, ShopList, Team, Tokens, TrialRun, Verification,
};
pub(crate) use self::delete_account::DeleteAccount;
pub(crate) use self::error::{ErrorPage, NotFound, error_title};
pub(crate) use self::help::Help;
pub(crate) use self::join::Join;
pub(crate) use self::landing::Landing;
pub(crate) use self::legal::{Privacy, Terms};
pub(crate) use self::links::{ChangeEmail, Confirm, Reset};
pub(crate) use self::log_in::{LogIn, SecondStep};
pub(crate) use self::merchants::Merchants;
pub(crate) use self::once::OncePage;
pub(crate) use self::passkey::PasskeyPage;
pub(crate) use self::pricing::Pricing;
pub(crate) use self::recover::{Recover, RecoverFinish, RecoverStop};
pub(crate) use self::reset_password::ResetPassword;
pub(crate) use self::security::Security;
pub(crate) use self::sign_up::{SignUp, SignUpSent};
pub(crate) use self::staff::{
    StaffAccount, StaffCase, StaffEnroll, StaffLogIn, StaffQueue, StaffRecoveries, StaffRecovery, StaffSecondStep,
};
pub(crate) use self::status::Status;
pub(crate) use self::styleguide::{ConsoleSample, Styleguide};
