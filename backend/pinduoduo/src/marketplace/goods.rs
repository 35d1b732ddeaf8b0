//! Products in the port's words.

use kamiflow_domain::marketplace::{
    MarketError, PageRequest, PlatformProduct, PlatformSku, ProductDetail, ProductPage,
};
use kamiflow_kernel::GoodsId;

use super::errors::incomplete;
use crate::api::Api;
use crate::api::goods::{GoodsDetail, GoodsDetailGet, GoodsFilter, GoodsListGet, GoodsPage, ListedGoods, ListedSku};

pub(super) fn list(page: PageRequest) -> GoodsListGet {
    GoodsListGet { page: page.number, page_size: page.size, filter: GoodsFilter::All }
}

pub(super) fn product_page(answer: GoodsPage) -> Result<ProductPage, MarketError> {
    let total = answer.total_count.and_then(|count| u32::try_from(count).ok());
    let total = total.ok_or_else(|| incomplete(GoodsListGet::META.name, "total_count"))?;
    for entry in &answer.goods.unreadable {
        tracing::warn!(reason = entry.reason, "A listed product cannot be read");
    }
    Ok(ProductPage { products: answer.goods.items.into_iter().filter_map(product).collect(), total })
}

fn product(listed: ListedGoods) -> Option<PlatformProduct> {
    Some(PlatformProduct {
        goods_id: listed.goods_id?,
        name: listed.goods_name.unwrap_or_default(),
        image_url: listed.thumb_url.unwrap_or_default(),
        on_sale: listed.is_onsale.unwrap_or_default(),
        skus: listed.sku_list.into_iter().filter_map(sku).collect(),
    })
}

fn sku(listed: ListedSku) -> Option<PlatformSku> {
    Some(PlatformSku {
        sku_id: listed.sku_id?,
        outer_id: listed.outer_id.unwrap_or_default(),
        spec: listed.spec.unwrap_or_default(),
        quantity: listed.sku_quantity.unwrap_or_default(),
        on_sale: listed.is_sku_onsale.unwrap_or_default(),
    })
}

pub(super) const fn detail_of(goods_id: GoodsId) -> GoodsDetailGet {
    GoodsDetailGet { goods_id }
}

pub(super) fn detail(answer: &GoodsDetail) -> ProductDetail {
    let small = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok());
    ProductDetail {
        goods_type: small(answer.goods_type),
        delivery_type: small(answer.delivery_type),
        cat_id: answer.cat_id,
    }
}
