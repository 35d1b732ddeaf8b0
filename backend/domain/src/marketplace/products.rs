//! Products, their SKUs and the mall that sells them, as the platform tells them.

use kamiflow_kernel::{GoodsId, MallId, PlatformSkuId};

/// A product as the goods list shows it.
#[derive(Debug, Clone)]
pub struct PlatformProduct {
    /// Number.
    pub goods_id: GoodsId,
    /// Name.
    pub name: String,
    /// Picture.
    pub image_url: String,
    /// Whether it is on sale.
    pub on_sale: bool,
    /// Its SKUs.
    pub skus: Vec<PlatformSku>,
}

/// A SKU as the goods list shows it.
#[derive(Debug, Clone)]
pub struct PlatformSku {
    /// Number.
    pub sku_id: PlatformSkuId,
    /// The merchant's code.
    pub outer_id: String,
    /// Name.
    pub spec: String,
    /// The platform's stock.
    pub quantity: i64,
    /// Whether it is on sale.
    pub on_sale: bool,
}

/// One page of products.
#[derive(Debug, Clone)]
pub struct ProductPage {
    /// The products.
    pub products: Vec<PlatformProduct>,
    /// How many there are.
    pub total: u32,
}

/// What only the detail of a product tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductDetail {
    /// See protocol 4.1.
    pub goods_type: Option<i32>,
    /// 0 without logistics, 1 with.
    pub delivery_type: Option<i32>,
    /// Category.
    pub cat_id: Option<i64>,
}

/// A mall.
#[derive(Debug, Clone)]
pub struct MallInfo {
    /// Number.
    pub mall_id: MallId,
    /// Name.
    pub name: String,
}
