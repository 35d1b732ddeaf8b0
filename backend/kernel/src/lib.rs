//! Values and contracts shared by every crate: ids, money, order numbers, states. No I/O.

mod account;
mod api_scope;
mod clock;
mod credit_code;
mod email_address;
mod ids;
mod money;
mod order_sn;
mod order_transitions;
mod password;
mod permission;
mod platform_time;
mod reason;
mod resident_id;
mod role;
mod secret;
mod staff_role;
mod state;
mod text_enum;

pub use account::{Locale, Theme};
pub use api_scope::ApiScope;
pub use clock::Clock;
pub use credit_code::{CreditCode, CreditCodeError};
pub use email_address::{EmailAddress, EmailAddressError, LoginName, LoginNameError, MerchantCode, MerchantCodeError};
pub use ids::{
    ApiTokenId, ApplicationId, AttemptId, AuthorizationLinkId, BatchId, CardId, CardUseId, CoverageId, CredentialId,
    DataKeyId, DeliveryId, EventId, ExceptionId, FactorId, GoodsId, IdParseError, InvitationId, JobId, LineId, MailId,
    MallId, MerchantId, OrderId, PlatformSkuId, PoolId, ProductId, RecoveryId, RedemptionId, RuleId, SessionId, ShopId,
    SignUpId, SkuId, TakeOverId, UserId, VerificationId,
};
pub use money::{Fen, MoneyError};
pub use order_sn::{OrderSn, OrderSnError};
pub use order_transitions::ORDER_TRANSITIONS;
pub use password::{NewPassword, PasswordError};
pub use permission::{Grant, MATRIX, Permission, Reach};
pub use platform_time::{PlatformTimeError, format_platform_time, parse_platform_time, platform_day_start};
pub use reason::{Action, ReasonCode, Recovery};
pub use resident_id::{ResidentId, ResidentIdError};
pub use role::{Role, ShopScope};
pub use secret::{SecretBytes, SecretText};
pub use staff_role::StaffRole;
pub use state::{
    AttemptState, CardUseState, DeliveryMethod, DeliveryState, GatewayKind, OrderState, RedemptionMethod,
    RedemptionState, ShopState,
};
pub use text_enum::UnknownName;
