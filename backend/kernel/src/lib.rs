//! Values and contracts shared by every crate: ids, money, order numbers, states. No I/O.

mod clock;
mod ids;
mod money;
mod order_sn;
mod order_transitions;
mod platform_time;
mod reason;
mod secret;
mod state;
mod text_enum;

pub use clock::Clock;
pub use ids::{
    ApplicationId, AttemptId, BatchId, CardId, CardUseId, CoverageId, CredentialId, DataKeyId, DeliveryId, EventId,
    ExceptionId, GoodsId, IdParseError, JobId, LineId, MallId, MerchantId, OrderId, PlatformSkuId, PoolId, ProductId,
    RedemptionId, RuleId, ShopId, SkuId,
};
pub use money::{Fen, MoneyError};
pub use order_sn::{OrderSn, OrderSnError};
pub use order_transitions::ORDER_TRANSITIONS;
pub use platform_time::{PlatformTimeError, format_platform_time, parse_platform_time};
pub use reason::{Action, ReasonCode, Recovery};
pub use secret::{SecretBytes, SecretText};
pub use state::{
    AttemptState, CardUseState, DeliveryMethod, DeliveryState, GatewayKind, OrderState, RedemptionMethod,
    RedemptionState, ShopState,
};
pub use text_enum::UnknownName;
