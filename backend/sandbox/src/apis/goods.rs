//! Goods: lists, details, stock, price and sale state. Money is fen except where the platform says
//! yuan.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    scenario::{Goods, Sku},
    state::mall::{GoodsState, MallState},
    text::yuan_text,
};

const SPEC_PARENT: i64 = 1216;
const WEEK_S: i64 = 7 * 86_400;

fn missing() -> GatewayError {
    GatewayError::business("100002", "非本店铺商品")
}

fn find(mall: &MallState, goods_id: u64) -> Result<&GoodsState, GatewayError> {
    mall.goods.get(&goods_id).ok_or_else(missing)
}

fn find_mut(mall: &mut MallState, goods_id: u64) -> Result<&mut Goods, GatewayError> {
    mall.goods.get_mut(&goods_id).map(|goods| &mut goods.config).ok_or_else(missing)
}

fn single_price_fen(sku: &Sku) -> i64 {
    sku.single_price_fen.unwrap_or_else(|| sku.price_fen + sku.price_fen / 10)
}

fn spec(sku: &Sku) -> Value {
    json!({
        "parent_id": SPEC_PARENT,
        "parent_name": "规格",
        "spec_id": sku.sku_id % 100_000,
        "spec_name": sku.spec,
    })
}

fn image(goods: &Goods) -> String {
    format!("https://img.example/{}.jpg", goods.goods_id)
}

/// `pdd.goods.list.get`: of the three filters the strongest counts.
pub(crate) fn list(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let (page, size) = call.page()?;
    let params = call.params;
    if params.get("created_at_from").is_some() {
        call.window(["created_at_from", "created_at_end"], WEEK_S, "时间跨度不能超过7天")?;
    }
    let is_onsale: Option<i64> = match params.get("is_onsale") {
        None => None,
        Some(_) => Some(params.number("is_onsale")?),
    };
    let created: (i64, i64) = (params.number_or("created_at_from", 0)?, params.number_or("created_at_end", i64::MAX)?);
    let outer_goods_ids: Vec<&str> = params.get("outer_goods_id").map_or(Vec::new(), |ids| ids.split(',').collect());
    let admits = |goods: &GoodsState| {
        let config = &goods.config;
        let matches = match (is_onsale, params.get("outer_id"), params.get("goods_name")) {
            (Some(wanted), _, _) => wanted == i64::from(config.is_onsale),
            (None, Some(outer_id), _) => config.skus.iter().any(|sku| sku.outer_id == outer_id),
            (None, None, Some(name)) => config.name.contains(name),
            (None, None, None) => true,
        };
        matches
            && (created.0..=created.1).contains(&(goods.created_ms / 1000))
            && (outer_goods_ids.is_empty() || outer_goods_ids.contains(&config.outer_goods_id.as_str()))
    };
    call.read(|mall| {
        let found: Vec<&GoodsState> = mall.goods.values().filter(|goods| admits(goods)).collect();
        let shown: Vec<Value> =
            found.iter().skip((page - 1).saturating_mul(size)).take(size).map(|goods| list_view(goods)).collect();
        Payload::of(&json!({"total_count": found.len(), "goods_list": shown}))
    })
}

fn list_view(goods: &GoodsState) -> Value {
    let config = &goods.config;
    let skus: Vec<Value> = config
        .skus
        .iter()
        .map(|sku| {
            let mut details = spec(sku);
            if let Some(fields) = details.as_object_mut() {
                fields.insert("spec_note".to_owned(), json!(""));
            }
            json!({
                "sku_id": sku.sku_id,
                "spec": sku.spec,
                "sku_quantity": sku.quantity,
                "reserve_quantity": 0,
                "outer_id": sku.outer_id,
                "outer_goods_id": config.outer_goods_id,
                "is_sku_onsale": i64::from(config.is_onsale),
                "spec_details": [details],
            })
        })
        .collect();
    json!({
        "goods_id": config.goods_id,
        "goods_name": config.name,
        "goods_quantity": config.skus.iter().map(|sku| sku.quantity).sum::<i64>(),
        "goods_reserve_quantity": 0,
        "image_url": image(config),
        "thumb_url": image(config),
        "is_more_sku": i64::from(config.skus.len() > 1),
        "is_onsale": i64::from(config.is_onsale),
        "created_at": goods.created_ms / 1000,
        "sku_list": skus,
    })
}

/// `pdd.goods.information.get`: prices in yuan.
pub(crate) fn information(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    call.read(|mall| {
        let goods = &find(mall, goods_id)?.config;
        let skus: Vec<Value> = goods
            .skus
            .iter()
            .map(|sku| {
                json!({
                    "sku_id": sku.sku_id,
                    "spec": sku.spec,
                    "sku_quantity": sku.quantity,
                    "outer_id": sku.outer_id,
                    "outer_goods_id": goods.outer_goods_id,
                    "sku_img": image(goods),
                    "group_price": yuan_text(sku.price_fen),
                    "single_price": yuan_text(single_price_fen(sku)),
                    "is_sku_onsale": i64::from(goods.is_onsale),
                })
            })
            .collect();
        Payload::of(&json!({"goods_info": {
            "goods_id": goods.goods_id,
            "goods_sn": goods.outer_goods_id,
            "goods_type": goods.goods_type,
            "goods_category": "虚拟商品",
            "last_category": goods.cat_id,
            "is_refundable": 1,
            "shipment_limit_second": 172_800,
            "goods_name": goods.name,
            "image_url": image(goods),
            "goods_quantity": goods.skus.iter().map(|sku| sku.quantity).sum::<i64>(),
            "is_onsale": i64::from(goods.is_onsale),
            "second_hand": 0,
            "group_required_customer_num": 2,
            "sku_list": skus,
        }}))
    })
}

/// `pdd.goods.detail.get`: fields directly under the response key.
pub(crate) fn detail(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    call.read(|mall| {
        let goods = &find(mall, goods_id)?.config;
        let skus: Vec<Value> = goods
            .skus
            .iter()
            .map(|sku| {
                json!({
                    "sku_id": sku.sku_id,
                    "out_sku_sn": sku.outer_id,
                    "quantity": sku.quantity,
                    "reserve_quantity": 0,
                    "price": single_price_fen(sku),
                    "multi_price": sku.price_fen,
                    "is_onsale": i64::from(goods.is_onsale),
                    "limit_quantity": 0,
                    "thumb_url": image(goods),
                    "weight": 0,
                    "spec": [spec(sku)],
                })
            })
            .collect();
        let is_card = matches!(goods.goods_type, 15 | 19);
        let attributes = is_card.then(|| json!({"time_type": 3, "days_time": goods.valid_days}));
        Payload::of(&json!({
            "goods_id": goods.goods_id,
            "goods_name": goods.name,
            "cat_id": goods.cat_id,
            "goods_type": goods.goods_type,
            "delivery_type": goods.delivery_type,
            "elec_goods_attributes": attributes,
            "status": if goods.is_onsale { 1 } else { 2 },
            "outer_goods_id": goods.outer_goods_id,
            "market_price": goods.skus.iter().map(|sku| sku.price_fen * 2).max(),
            "customer_num": 2,
            "buy_limit": 999_999,
            "order_limit": 999_999,
            "shipment_limit_second": 172_800,
            "is_refundable": 1,
            "is_folt": 0,
            "second_hand": 0,
            "is_pre_sale": 0,
            "pre_sale_time": 0,
            "image_url": image(goods),
            "carousel_gallery_list": [image(goods)],
            "detail_gallery_list": [image(goods)],
            "goods_desc": "",
            "skuType": 0,
            "two_pieces_discount": 0,
            "goods_property_list": [],
            "sku_list": skus,
        }))
    })
}

/// `pdd.goods.skus.get`.
pub(crate) fn sku(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    let sku_id: u64 = call.params.number("sku_id")?;
    call.read(|mall| {
        let goods = &find(mall, goods_id)?.config;
        let sku = goods.skus.iter().find(|sku| sku.sku_id == sku_id).ok_or_else(missing)?;
        Payload::of(&json!({
            "goods_id": goods_id,
            "sku_id": sku_id,
            "quantity": sku.quantity,
            "reserve_quantity": 0,
            "multi_price": sku.price_fen,
            "single_price": single_price_fen(sku),
            "is_onsale": i64::from(goods.is_onsale),
            "out_sku_sn": sku.outer_id,
            "spec": [spec(sku)],
        }))
    })
}

/// `pdd.goods.quantity.update`: `sku_id` wins over `outer_id`.
pub(crate) fn update_quantity(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    let quantity: i64 = call.params.number("quantity")?;
    let sku_id: u64 = call.params.number_or("sku_id", 0)?;
    let outer_id = call.params.get("outer_id");
    let update_type: i64 = call.params.number_or("update_type", 1)?;
    if sku_id == 0 && outer_id.is_none() {
        return Err(GatewayError::param("sku_id"));
    }
    call.change(|mall, _effects| {
        let goods = find_mut(mall, goods_id)?;
        let sku = goods
            .skus
            .iter_mut()
            .find(|sku| match sku_id {
                0 => Some(sku.outer_id.as_str()) == outer_id,
                _ => sku.sku_id == sku_id,
            })
            .ok_or_else(missing)?;
        let after = match update_type {
            1 => quantity,
            2 => sku.quantity.saturating_add(quantity),
            _ => return Err(GatewayError::param("update_type")),
        };
        if after < 0 {
            return Err(GatewayError::param("quantity"));
        }
        sku.quantity = after;
        Ok(Payload::done("is_success"))
    })
}

#[derive(Debug, Deserialize)]
struct SkuPrice {
    sku_id: u64,
    group_price: Option<i64>,
    single_price: Option<i64>,
}

/// `pdd.goods.sku.price.update`.
pub(crate) fn update_price(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    let prices: Vec<SkuPrice> = call.params.json("sku_price_list")?;
    call.change(|mall, effects| {
        let mut changed = find_mut(mall, goods_id)?.clone();
        for price in &prices {
            let sku = changed.skus.iter_mut().find(|sku| sku.sku_id == price.sku_id).ok_or_else(missing)?;
            sku.price_fen = price.group_price.unwrap_or(sku.price_fen);
            sku.single_price_fen = price.single_price.or(sku.single_price_fen);
            if sku.price_fen <= 0 || single_price_fen(sku) < sku.price_fen {
                return Err(GatewayError::business("60001", "单买价不能低于拼单价"));
            }
        }
        // The stock of codes is not part of a price change.
        for sku in &mut changed.skus {
            sku.cards.clear();
        }
        mall.put_goods(changed);
        let commit_id = effects.world.next();
        Payload::of(&json!({"goods_commit_id": commit_id, "is_success": true}))
    })
}

/// `pdd.goods.sale.status.set`.
pub(crate) fn set_sale_status(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let goods_id: u64 = call.params.number("goods_id")?;
    let is_onsale: i64 = call.params.number("is_onsale")?;
    if !(0..=1).contains(&is_onsale) {
        return Err(GatewayError::param("is_onsale"));
    }
    call.change(|mall, _effects| {
        find_mut(mall, goods_id)?.is_onsale = is_onsale == 1;
        Ok(Payload::done("is_success"))
    })
}
