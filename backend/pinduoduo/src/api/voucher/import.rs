//! Importing the merchant's own cards into the platform's stock (goods_type 15).

use kamiflow_kernel::{GoodsId, MallId, PlatformSkuId, SecretText};
use serde::{Deserialize, Serialize};

use crate::api::{ApiMeta, InBand, api};
use crate::wire;

/// `pdd.voucher.virtual.card.batch.add`: imports cards for one SKU.
#[derive(Debug, Clone)]
pub struct CardBatchAdd {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKU.
    pub sku_id: PlatformSkuId,
    /// Where the buyer uses the code.
    pub charge_address: Option<String>,
    /// The cards, at most [`CardBatchAdd::MAX_CARDS`].
    pub cards: Vec<ImportedCard>,
}

impl CardBatchAdd {
    /// Most cards of one call.
    pub const MAX_CARDS: usize = 5000;
}

/// A card of an import.
#[derive(Debug, Clone)]
pub struct ImportedCard {
    /// The number, in clear.
    pub card_no: SecretText,
    /// The password, encrypted by [`crate::CardKey`]; `Debug` hides it all the same.
    pub encrypt_password: SecretText,
}

/// The answer of [`CardBatchAdd`].
///
/// The success value of `code` is not documented; a batch id is what only a success carries.
#[derive(Debug, Clone, Deserialize)]
pub struct CardBatchAdded {
    /// The inner code.
    #[serde(default, deserialize_with = "wire::int")]
    pub code: Option<i64>,
    /// The inner text.
    #[serde(default, deserialize_with = "wire::text")]
    pub message: Option<String>,
    /// The batch.
    #[serde(default)]
    pub result: Option<CardBatch>,
}

/// An accepted import.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CardBatch {
    /// The platform's number of the batch.
    #[serde(default, rename = "batchId", deserialize_with = "wire::int")]
    pub batch_id: Option<i64>,
    /// The mall.
    #[serde(default, rename = "mallId", deserialize_with = "wire::mall_id")]
    pub mall_id: Option<MallId>,
    /// How many cards it holds.
    #[serde(default, rename = "totalNum", deserialize_with = "wire::int")]
    pub total: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireBatch<'a> {
    goods_id: i64,
    sku_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_address: Option<&'a str>,
    data_list: Vec<WireCard<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCard<'a> {
    card_no: &'a str,
    encrypt_password: &'a str,
}

fn judge(answer: &CardBatchAdded) -> InBand {
    let batch = answer.result.as_ref().and_then(|batch| batch.batch_id);
    match (batch, answer.code, &answer.message) {
        (Some(_), ..) => InBand::Done,
        // Without a batch only a refusal that explains itself is certain.
        (None, Some(code), Some(message)) if code != 0 && answer.result.is_none() => {
            InBand::Refused { code: Some(code), message: message.clone() }
        }
        _ => InBand::Unclear,
    }
}

api!(CardBatchAdd => ApiMeta::write("pdd.voucher.virtual.card.batch.add", "response"), CardBatchAdded,
    |this, params| {
        let cards = this.cards.iter().map(|card| WireCard {
            card_no: card.card_no.expose(),
            encrypt_password: card.encrypt_password.expose(),
        });
        params.json("data", &WireBatch {
            goods_id: this.goods_id.0,
            sku_id: this.sku_id.0,
            charge_address: this.charge_address.as_deref().filter(|address| !address.is_empty()),
            data_list: cards.collect(),
        });
    }, in_band judge);
