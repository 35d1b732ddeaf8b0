//! The mall, its stores, and the platform's time.

use serde_json::json;

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    text::{JsonWriter, beijing},
};

/// `pdd.time.get`.
pub(crate) fn time(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let mut writer = JsonWriter::object(40);
    writer.string("time", &beijing(call.world.clock.now_ms()));
    Ok(Payload(writer.finish()))
}

/// `pdd.mall.info.get`.
pub(crate) fn info(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let mall = call.mall()?;
    Payload::of(&json!({
        "mall_id": mall.id,
        "mall_name": mall.name,
        "mall_desc": "",
        "logo": "https://img.example/logo.png",
        "merchant_type": 2,
        "mall_character": 2,
    }))
}

/// `pdd.mall.info.store.get`.
pub(crate) fn stores(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let page: usize = call.params.number("page_number")?;
    let size: usize = call.params.number("page_size")?;
    if page == 0 {
        return Err(GatewayError::param("page_number"));
    }
    let mall = call.mall()?;
    let equals = |name: &str, value: &str| call.params.get(name).is_none_or(|want| want == value);
    let found: Vec<_> = mall
        .stores
        .iter()
        .filter(|store| {
            equals("store_id", &store.store_id.to_string())
                && call.params.get("store_name").is_none_or(|name| store.store_name.contains(name))
                && equals("store_number", &store.store_number)
                && equals("province", &store.province)
                && equals("city", &store.city)
                && equals("district", &store.district)
        })
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|store| {
            json!({
                "store_id": store.store_id,
                "store_name": store.store_name,
                "store_number": store.store_number,
                "audit_status": 1,
                "mall_id": mall.id,
                "province": store.province,
                "city": store.city,
                "district": store.district,
                "store_address": store.address,
                "poi_latitude": "31.2304",
                "poi_longitude": "121.4737",
            })
        })
        .collect();
    Payload::of(&json!({ "mallStoreVOList": found }))
}
