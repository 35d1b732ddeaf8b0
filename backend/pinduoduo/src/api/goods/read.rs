//! Reading products: the list's entries, the detail, one SKU.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, GoodsId, PlatformSkuId};
use serde::Deserialize;

use crate::api::{ApiMeta, api};
use crate::wire;

/// A product of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedGoods {
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_name: Option<String>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_quantity: Option<i64>,
    /// Address of its small picture.
    #[serde(default, deserialize_with = "wire::text")]
    pub thumb_url: Option<String>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_onsale: Option<bool>,
    /// When it was made.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub created_at: Option<DateTime<Utc>>,
    /// Its SKUs.
    #[serde(default, deserialize_with = "wire::list")]
    pub sku_list: Vec<ListedSku>,
}

/// A SKU of a listed product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedSku {
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// Its values.
    #[serde(default, deserialize_with = "wire::text")]
    pub spec: Option<String>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub sku_quantity: Option<i64>,
    /// The merchant's code.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_id: Option<String>,
    /// The merchant's code of the product.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_goods_id: Option<String>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_sku_onsale: Option<bool>,
}

/// `pdd.goods.information.get`: a product, in the API the platform is replacing by [`GoodsDetailGet`].
#[derive(Debug, Clone, Copy)]
pub struct GoodsInformationGet {
    /// The product.
    pub goods_id: GoodsId,
}

/// The answer of [`GoodsInformationGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct GoodsInformation {
    /// The product.
    pub goods_info: GoodsInfo,
}

/// A product; its prices are in yuan on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GoodsInfo {
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_name: Option<String>,
    /// Its kind, see protocol 4.1.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_type: Option<i64>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_quantity: Option<i64>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_onsale: Option<bool>,
    /// Its SKUs.
    #[serde(default, deserialize_with = "wire::list")]
    pub sku_list: Vec<InfoSku>,
}

/// A SKU of [`GoodsInfo`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InfoSku {
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// Its values.
    #[serde(default, deserialize_with = "wire::text")]
    pub spec: Option<String>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub sku_quantity: Option<i64>,
    /// The merchant's code.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_id: Option<String>,
    /// The price in a group.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub group_price: Option<Fen>,
    /// The price alone.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub single_price: Option<Fen>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_sku_onsale: Option<bool>,
}

/// `pdd.goods.detail.get`: a product with the kind and delivery type that decide how it is delivered.
#[derive(Debug, Clone, Copy)]
pub struct GoodsDetailGet {
    /// The product.
    pub goods_id: GoodsId,
}

/// The answer of [`GoodsDetailGet`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GoodsDetail {
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_name: Option<String>,
    /// Its category.
    #[serde(default, deserialize_with = "wire::int")]
    pub cat_id: Option<i64>,
    /// Its kind, see protocol 4.1.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_type: Option<i64>,
    /// 0 without logistics, 1 with.
    #[serde(default, deserialize_with = "wire::int")]
    pub delivery_type: Option<i64>,
    /// Only card products have it.
    #[serde(default)]
    pub elec_goods_attributes: Option<CardValidity>,
    /// 1 on sale, 2 off sale, 3 sold out, 4 deleted.
    #[serde(default, deserialize_with = "wire::int")]
    pub status: Option<i64>,
    /// The merchant's code.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_goods_id: Option<String>,
    /// The crossed-out price.
    #[serde(default, deserialize_with = "wire::fen")]
    pub market_price: Option<Fen>,
    /// Seconds after the deal until shipment is due.
    #[serde(default, deserialize_with = "wire::int")]
    pub shipment_limit_second: Option<i64>,
    /// Address of its picture.
    #[serde(default, deserialize_with = "wire::text")]
    pub image_url: Option<String>,
    /// Its SKUs.
    #[serde(default, deserialize_with = "wire::list")]
    pub sku_list: Vec<SkuDetail>,
}

/// How long a card product's cards are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct CardValidity {
    /// 1 from begin to end, 2 from delivery to end, 3 so many days from delivery.
    #[serde(default, deserialize_with = "wire::int")]
    pub time_type: Option<i64>,
    /// Begin.
    #[serde(default, deserialize_with = "wire::millis")]
    pub begin_time: Option<DateTime<Utc>>,
    /// End.
    #[serde(default, deserialize_with = "wire::millis")]
    pub end_time: Option<DateTime<Utc>>,
    /// Days from delivery.
    #[serde(default, deserialize_with = "wire::int")]
    pub days_time: Option<i64>,
}

/// A SKU of [`GoodsDetail`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SkuDetail {
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// The merchant's code.
    #[serde(default, deserialize_with = "wire::text")]
    pub out_sku_sn: Option<String>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub quantity: Option<i64>,
    /// The price alone.
    #[serde(default, rename = "price", deserialize_with = "wire::fen")]
    pub single_price: Option<Fen>,
    /// The price in a group.
    #[serde(default, rename = "multi_price", deserialize_with = "wire::fen")]
    pub group_price: Option<Fen>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_onsale: Option<bool>,
    /// Its values.
    #[serde(default, deserialize_with = "wire::list")]
    pub spec: Vec<SpecValue>,
}

/// A value of a SKU, such as 时长 = 30天.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SpecValue {
    /// What it is a value of.
    #[serde(default, deserialize_with = "wire::text")]
    pub parent_name: Option<String>,
    /// The value.
    #[serde(default, deserialize_with = "wire::text")]
    pub spec_name: Option<String>,
}

/// `pdd.goods.skus.get`: one SKU.
#[derive(Debug, Clone, Copy)]
pub struct GoodsSkuGet {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKU.
    pub sku_id: PlatformSkuId,
}

/// The answer of [`GoodsSkuGet`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SkuFound {
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// Its stock number.
    #[serde(default, deserialize_with = "wire::int")]
    pub quantity: Option<i64>,
    /// The price in a group.
    #[serde(default, rename = "multi_price", deserialize_with = "wire::fen")]
    pub group_price: Option<Fen>,
    /// The price alone.
    #[serde(default, deserialize_with = "wire::fen")]
    pub single_price: Option<Fen>,
    /// Whether it is on sale.
    #[serde(default, deserialize_with = "wire::flag")]
    pub is_onsale: Option<bool>,
    /// The merchant's code.
    #[serde(default, deserialize_with = "wire::text")]
    pub out_sku_sn: Option<String>,
}

api!(GoodsInformationGet => ApiMeta::read("pdd.goods.information.get", "goods_info_get_response"), GoodsInformation,
    |this, params| { params.number("goods_id", this.goods_id.0); });
api!(GoodsDetailGet => ApiMeta::read("pdd.goods.detail.get", "goods_detail_get_response"), GoodsDetail,
    |this, params| { params.number("goods_id", this.goods_id.0); });
api!(GoodsSkuGet => ApiMeta::read("pdd.goods.skus.get", "goods_sku_get_response"), SkuFound,
    |this, params| { params.number("goods_id", this.goods_id.0).number("sku_id", this.sku_id.0); });
