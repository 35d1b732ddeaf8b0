//! Every API of this client, by name: what a stored call needs to be sent again.

use crate::api::{Api, ApiMeta, charge, decrypt, goods, logistics, mall, order, pmc, refund, token, voucher};
use crate::client::Answer;
use crate::envelope;
use crate::errors::CallError;

/// An API of this client.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its facts.
    pub meta: &'static ApiMeta,
    pub(crate) judge: fn(Answer) -> Result<(), CallError>,
}

const fn entry<A: Api>() -> Entry {
    Entry { meta: A::META, judge: judge::<A> }
}

fn judge<A: Api>(answer: Answer) -> Result<(), CallError> {
    envelope::read::<A>(answer).map(drop)
}

/// All of them.
pub const ALL: &[Entry] = &[
    entry::<token::TokenCreate>(),
    entry::<token::TokenRefresh>(),
    entry::<mall::TimeGet>(),
    entry::<mall::MallInfoGet>(),
    entry::<mall::MallStoresGet>(),
    entry::<order::OrderListGet>(),
    entry::<order::OrderBasicListGet>(),
    entry::<order::OrderIncrementGet>(),
    entry::<order::OrderInformationGet>(),
    entry::<order::OrderStatusGet>(),
    entry::<order::OrderNoteUpdate>(),
    entry::<goods::GoodsListGet>(),
    entry::<goods::GoodsInformationGet>(),
    entry::<goods::GoodsDetailGet>(),
    entry::<goods::GoodsSkuGet>(),
    entry::<goods::GoodsQuantityUpdate>(),
    entry::<goods::SkuPriceUpdate>(),
    entry::<goods::GoodsSaleStatusSet>(),
    entry::<refund::RefundIncrementGet>(),
    entry::<refund::RefundInformationGet>(),
    entry::<refund::RefundAgree>(),
    entry::<refund::RefundStatusCheck>(),
    entry::<logistics::LogisticsCompaniesGet>(),
    entry::<logistics::LogisticsOnlineSend>(),
    entry::<voucher::VoucherInfoSend>(),
    entry::<voucher::AppointmentInfoSend>(),
    entry::<voucher::PhysicalGoodsSend>(),
    entry::<voucher::VoucherComplain>(),
    entry::<voucher::CardBatchAdd>(),
    entry::<voucher::CardVerification>(),
    entry::<voucher::OtaPrepare>(),
    entry::<voucher::OtaVerification>(),
    entry::<voucher::RealtimeVerifySync>(),
    entry::<charge::ChargeNotify>(),
    entry::<pmc::PmcUserPermit>(),
    entry::<pmc::PmcUserGet>(),
    entry::<pmc::PmcUserCancel>(),
    entry::<pmc::PmcAccrueQuery>(),
    entry::<decrypt::DecryptBatch>(),
    entry::<decrypt::DecryptMaskBatch>(),
];

/// Returns the API of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.meta.name == name)
}
