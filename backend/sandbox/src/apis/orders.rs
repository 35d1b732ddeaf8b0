//! Order lists, details, status and notes.

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    state::order::Order,
    text::JsonWriter,
};

const DAY_S: i64 = 86_400;
const HALF_HOUR_S: i64 = 1800;
/// Recorded text.
const OVER_24_H: &str = "时间跨度不能超过24小时";
/// Modeled on the recorded text of the 24-hour window.
const OVER_30_MIN: &str = "时间跨度不能超过30分钟";

/// Status filters that every list has.
struct Filter {
    order_status: i64,
    refund_status: i64,
    trade_type: Option<i64>,
    is_lucky_flag: i64,
}

impl Filter {
    fn parse(call: &Call<'_>, has_lucky_flag: bool) -> Result<Self, GatewayError> {
        let one_of = |name: &str, allowed: &[i64]| {
            let value: i64 = call.params.number(name)?;
            if allowed.contains(&value) { Ok(value) } else { Err(GatewayError::param(name)) }
        };
        Ok(Self {
            order_status: one_of("order_status", &[1, 2, 3, 5])?,
            refund_status: one_of("refund_status", &[1, 2, 3, 4, 5])?,
            trade_type: match call.params.get("trade_type") {
                None => None,
                Some(_) => Some(one_of("trade_type", &[0, 1])?),
            },
            is_lucky_flag: if has_lucky_flag { one_of("is_lucky_flag", &[0, 1, 2])? } else { 0 },
        })
    }

    fn admits(&self, order: &Order) -> bool {
        order.confirm_status == 1
            && (self.order_status == 5 || self.order_status == order.order_status)
            && (self.refund_status == 5 || self.refund_status == order.refund_status)
            && self.trade_type.is_none_or(|t| t == i64::from(order.step_trade_status.is_some()))
            && (self.is_lucky_flag == 0 || self.is_lucky_flag == order.is_lucky_flag)
    }
}

/// Writes one page of orders. `list_name` is the array's key.
fn write_page<'a>(
    call: &Call<'_>,
    found: impl Iterator<Item = &'a Order>,
    list_name: &str,
    write: impl Fn(&Order, &mut JsonWriter),
) -> Result<Payload, GatewayError> {
    let (page, size) = call.page()?;
    let uses_has_next = call.params.flag("use_has_next")?;
    let first = (page - 1).saturating_mul(size);
    let end = first.saturating_add(size);
    let mut writer = JsonWriter::object(4096);
    writer.open_array(list_name);
    let (mut total, mut has_next) = (0_i64, false);
    for (at, order) in found.enumerate() {
        total += 1;
        if (first..end).contains(&at) {
            writer.open_element();
            write(order, &mut writer);
            writer.close_object();
        } else if at >= end {
            has_next = true;
            if uses_has_next {
                break;
            }
        }
    }
    writer.close_array();
    if uses_has_next {
        writer.flag("has_next", has_next);
    } else {
        writer.integer("total_count", total);
    }
    Ok(Payload(writer.finish()))
}

/// `pdd.order.list.get`: orders by deal time.
pub(crate) fn list(call: &Call<'_>) -> Result<Payload, GatewayError> {
    by_deal_time(call, |call, order, writer| {
        let switches = call.world.switches();
        order.write(writer, switches.ids_as, switches.ota.in_card_info_list);
    })
}

/// `pdd.order.basic.list.get`: the same without buyer fields.
pub(crate) fn basic_list(call: &Call<'_>) -> Result<Payload, GatewayError> {
    by_deal_time(call, |call, order, writer| {
        order.write_basic(writer, call.world.switches().ids_as);
    })
}

fn by_deal_time(call: &Call<'_>, write: impl Fn(&Call<'_>, &Order, &mut JsonWriter)) -> Result<Payload, GatewayError> {
    let filter = Filter::parse(call, false)?;
    let (from_s, to_s) = call.window(["start_confirm_at", "end_confirm_at"], DAY_S, OVER_24_H)?;
    call.read(|mall| {
        let found = mall.confirmed_between(from_s, to_s).filter(|order| filter.admits(order));
        write_page(call, found, "order_list", |order, writer| write(call, order, writer))
    })
}

/// `pdd.order.number.list.increment.get`: orders by update time, latest first.
///
/// An order that is updated between two calls moves to the front and shifts every page, as on the
/// platform.
pub(crate) fn increment(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let filter = Filter::parse(call, true)?;
    let (from_s, to_s) = call.window(["start_updated_at", "end_updated_at"], HALF_HOUR_S, OVER_30_MIN)?;
    let switches = call.world.switches();
    call.read(|mall| {
        let found = mall.updated_between(from_s, to_s).filter(|order| filter.admits(order));
        write_page(call, found, "order_sn_list", |order, writer| {
            order.write(writer, switches.ids_as, switches.ota.in_card_info_list);
        })
    })
}

/// `pdd.order.information.get`.
pub(crate) fn information(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let switches = call.world.switches();
    let mall = call.mall()?;
    call.read(|state| {
        let order = state.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let mut writer = JsonWriter::object(4096);
        writer.open_object("order_info");
        order.write(&mut writer, switches.ids_as, switches.ota.in_card_info_list);
        match mall.stores.first() {
            None => writer.null("store_info"),
            Some(store) => {
                writer.open_object("store_info");
                writer.id("store_id", store.store_id, false);
                writer.string("store_name", &store.store_name);
                writer.string("store_number", &store.store_number);
                writer.close_object();
            }
        }
        writer.close_object();
        Ok(Payload(writer.finish()))
    })
}

/// `pdd.order.status.get`: note the camel case of `orderSn`.
pub(crate) fn status(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sns = call.params.text("order_sns")?;
    call.read(|mall| {
        let mut writer = JsonWriter::object(512);
        writer.open_array("order_status_list");
        for order_sn in order_sns.split(',').map(str::trim).filter(|sn| !sn.is_empty()) {
            let order = mall.orders.get(order_sn);
            writer.open_element();
            writer.string("orderSn", order_sn);
            writer.integer("order_status", order.map_or(0, |order| order.order_status));
            writer.integer("refund_status", order.map_or(0, |order| order.refund_status));
            writer.close_object();
        }
        writer.close_array();
        Ok(Payload(writer.finish()))
    })
}

/// `pdd.order.note.update`.
pub(crate) fn update_note(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let note = call.params.text("note")?;
    let tag: i64 = call.params.number_or("tag", 0)?;
    let tag_name = call.params.get("tag_name").unwrap_or("");
    if !(0..=5).contains(&tag) || (tag == 0) != tag_name.is_empty() {
        return Err(GatewayError::param("tag"));
    }
    if tag_name.chars().count() > 3 {
        return Err(GatewayError::param("tag_name"));
    }
    call.change(|mall, effects| {
        mall.update(order_sn, effects, |order| {
            order.remark = note.to_owned();
            order.remark_tag = tag;
            order.remark_tag_name = tag_name.to_owned();
        })
        .ok_or_else(GatewayError::foreign_order)?;
        let content = serde_json::json!({
            "mall_id": mall.mall_id, "tid": order_sn, "seller_memo": note,
        });
        effects.messages.push(crate::pmc::hub::Message {
            topic: "pdd_trade_TradeMemoModified".to_owned(),
            content: content.to_string(),
        });
        let mut writer = JsonWriter::object(64);
        writer.flag("success", true);
        writer.integer("error_code", 0);
        writer.string("error_msg", "");
        Ok(Payload(writer.finish()))
    })
}

/// `pdd.order.virtual.information.get`.
pub(crate) fn virtual_information(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    call.read(|mall| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let mut writer = JsonWriter::object(128);
        writer.string("order_sn", order_sn);
        writer.string("contact_phone", &order.phone);
        writer.string("id_card_name", "");
        writer.string("id_card_num", "");
        writer.string("phone_number_chosen_by_user", &order.phone);
        Ok(Payload(writer.finish()))
    })
}
