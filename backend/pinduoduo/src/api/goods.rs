//! Products, stock and prices (protocol 5).

use kamiflow_kernel::{Fen, GoodsId, PlatformSkuId};
use serde::{Deserialize, Serialize};

pub use read::{
    CardValidity, GoodsDetail, GoodsDetailGet, GoodsInfo, GoodsInformation, GoodsInformationGet, GoodsSkuGet, InfoSku,
    ListedGoods, ListedSku, SkuDetail, SkuFound,
};

use crate::api::{ApiMeta, InBand, Success, api};
use crate::wire::{self, Listing};

mod read;

/// `pdd.goods.list.get`: the mall's products. It has no `goods_type`: ask [`GoodsDetailGet`].
#[derive(Debug, Clone)]
pub struct GoodsListGet {
    /// Page, from 1.
    pub page: u32,
    /// Entries per page, at most 100.
    pub page_size: u32,
    /// Which products; the platform heeds one filter only.
    pub filter: GoodsFilter,
}

/// A filter of [`GoodsListGet`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GoodsFilter {
    /// All.
    #[default]
    All,
    /// On sale (`true`) or off sale.
    OnSale(bool),
    /// With this merchant's code of a SKU.
    OuterId(String),
    /// With these merchant's codes of products, at most ten.
    OuterGoodsIds(Vec<String>),
    /// With this name.
    Name(String),
}

/// The answer of [`GoodsListGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct GoodsPage {
    /// How many there are in all.
    #[serde(default, deserialize_with = "wire::int")]
    pub total_count: Option<i64>,
    /// The products, and those of them that cannot be read.
    #[serde(default, rename = "goods_list", deserialize_with = "wire::each")]
    pub goods: Listing<ListedGoods>,
}

/// `pdd.goods.quantity.update`: sets or changes a SKU's stock number.
#[derive(Debug, Clone)]
pub struct GoodsQuantityUpdate {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKU.
    pub sku_id: PlatformSkuId,
    /// What to do.
    pub change: QuantityChange,
}

/// A change of a stock number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityChange {
    /// The number is now this.
    Set(i64),
    /// The number changes by this; repeating it changes it again.
    Add(i64),
}

/// `pdd.goods.sku.price.update`: sets prices.
#[derive(Debug, Clone)]
pub struct SkuPriceUpdate {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKUs.
    pub prices: Vec<SkuPrice>,
    /// The crossed-out price.
    pub market_price: Option<Fen>,
    /// 0 puts the product on sale, 1 keeps its state.
    pub sync_goods_operate: Option<i64>,
}

/// The prices of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkuPrice {
    /// The SKU.
    pub sku_id: PlatformSkuId,
    /// The price in a group.
    pub group_price: Option<Fen>,
    /// The price alone.
    pub single_price: Option<Fen>,
}

/// The answer of [`SkuPriceUpdate`].
#[derive(Debug, Clone, Deserialize)]
pub struct SkuPriceUpdated {
    /// The platform's number of the change.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_commit_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::flag")]
    is_success: Option<bool>,
}

/// `pdd.goods.sale.status.set`: puts a product on or off sale.
#[derive(Debug, Clone, Copy)]
pub struct GoodsSaleStatusSet {
    /// The product.
    pub goods_id: GoodsId,
    /// Whether it is on sale.
    pub on_sale: bool,
}

#[derive(Serialize)]
struct WirePrice {
    sku_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_price: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    single_price: Option<i64>,
}

api!(GoodsListGet => ApiMeta::read("pdd.goods.list.get", "goods_list_get_response"), GoodsPage, |this, params| {
    params.number("page", this.page).number("page_size", this.page_size);
    match &this.filter {
        GoodsFilter::All => params,
        GoodsFilter::OnSale(on_sale) => params.number("is_onsale", i64::from(*on_sale)),
        GoodsFilter::OuterId(outer_id) => params.text("outer_id", outer_id),
        GoodsFilter::OuterGoodsIds(outer_ids) => params.text("outer_goods_id", &outer_ids.join(",")),
        GoodsFilter::Name(name) => params.text("goods_name", name),
    };
});
api!(GoodsQuantityUpdate => ApiMeta::write("pdd.goods.quantity.update", "goods_quantity_update_response"), Success,
    |this, params| {
        let (update_type, quantity) = match this.change {
            QuantityChange::Set(quantity) => (1i64, quantity),
            QuantityChange::Add(quantity) => (2, quantity),
        };
        params.number("goods_id", this.goods_id.0).number("sku_id", this.sku_id.0);
        params.number("quantity", quantity).number("update_type", update_type);
    }, in_band |answer: &Success| answer.in_band());
api!(SkuPriceUpdate => ApiMeta::write("pdd.goods.sku.price.update", "goods_update_sku_price_response"),
    SkuPriceUpdated, |this, params| {
        let prices = this.prices.iter().map(|price| WirePrice {
            sku_id: price.sku_id.0,
            group_price: price.group_price.map(|fen| fen.0),
            single_price: price.single_price.map(|fen| fen.0),
        });
        params.number("goods_id", this.goods_id.0).json("sku_price_list", &prices.collect::<Vec<_>>());
        params.maybe_number("market_price", this.market_price.map(|fen| fen.0));
        params.maybe_number("sync_goods_operate", this.sync_goods_operate);
    }, in_band |answer: &SkuPriceUpdated| InBand::flag(answer.is_success, None, None));
api!(GoodsSaleStatusSet => ApiMeta::write("pdd.goods.sale.status.set", "goods_sale_status_set_response"), Success,
    |this, params| {
        params.number("goods_id", this.goods_id.0).number("is_onsale", i64::from(this.on_sale));
    }, in_band |answer: &Success| answer.in_band());
