//! The table of delivery methods, compared with the same facts written down a second time.

use DeliveryMethod::{ChargeNotify, PickupPage, PlatformCodes, PlatformPool, VoucherSend};

use super::*;

/// What each pairing of the platform's fields allows, written down a second time and from the facts alone.
fn expected(goods_type: Option<i32>, delivery_type: Option<i32>) -> &'static [DeliveryMethod] {
    let without_logistics = delivery_type == Some(0);
    let logistics_or_odd = !matches!(delivery_type, None | Some(0));
    match goods_type {
        Some(15) if !logistics_or_odd => &[PlatformPool],
        Some(19) if !logistics_or_odd => &[PlatformCodes],
        Some(5 | 6 | 8 | 9) if !logistics_or_odd => &[ChargeNotify],
        Some(2 | 3 | 4 | 5 | 6 | 8 | 9 | 15 | 18 | 19) => &[],
        _ if without_logistics => &[VoucherSend, PickupPage],
        _ => &[],
    }
}

#[test]
fn every_pairing_of_goods_and_method_is_allowed_or_refused_as_written_down() {
    let goods_types = std::iter::once(None).chain((-1..=30).map(Some));
    for goods_type in goods_types {
        for delivery_type in [None, Some(0), Some(1), Some(2)] {
            for method in DeliveryMethod::ALL {
                let pairing = format!("goods_type {goods_type:?}, delivery_type {delivery_type:?}, {method}");
                let answer = allowed(goods_type, delivery_type, *method);
                let right = expected(goods_type, delivery_type).contains(method);
                assert_eq!(answer.is_ok(), right, "{pairing}: {answer:?}");
                if let Ok(row) = answer {
                    assert_eq!(row.method, *method, "{pairing}");
                }
            }
        }
    }
}

#[test]
fn goods_are_classified_with_the_reason() {
    for (goods_type, delivery_type, kind) in [
        (Some(15), Some(0), Kind::Virtual(VirtualReason::MerchantCards)),
        (Some(15), Some(1), Kind::Unknown),
        (Some(19), None, Kind::Virtual(VirtualReason::PlatformCards)),
        (Some(6), Some(0), Kind::Virtual(VirtualReason::DirectCharge)),
        (Some(1), Some(0), Kind::Virtual(VirtualReason::NoLogistics)),
        (None, Some(0), Kind::Virtual(VirtualReason::NoLogistics)),
        (Some(1), Some(1), Kind::Physical(PhysicalReason::Logistics)),
        (Some(1), None, Kind::Unknown),
        (Some(3), Some(1), Kind::Physical(PhysicalReason::Imported)),
        (Some(3), None, Kind::Physical(PhysicalReason::Imported)),
        (Some(3), Some(0), Kind::Unknown),
        (Some(7), Some(1), Kind::Unknown),
        (Some(42), Some(1), Kind::Unknown),
        (None, None, Kind::Unknown),
    ] {
        assert_eq!(classify(goods_type, delivery_type), kind, "{goods_type:?} {delivery_type:?}");
    }
}

#[test]
fn every_pairing_of_delivery_and_redemption_is_allowed_or_refused_as_written_down() {
    let pairs = [
        (VoucherSend, RedemptionMethod::None, None),
        (VoucherSend, RedemptionMethod::Realtime, Some(Requirement::DeclaredVoucherId)),
        (PlatformPool, RedemptionMethod::ReportCard, None),
        (PlatformPool, RedemptionMethod::None, None),
        (PlatformCodes, RedemptionMethod::Ota, Some(Requirement::KnownCardNumber)),
        (PlatformCodes, RedemptionMethod::None, None),
        (ChargeNotify, RedemptionMethod::None, None),
        (PickupPage, RedemptionMethod::None, None),
    ];
    for row in TABLE {
        for method in RedemptionMethod::ALL {
            let right = pairs.iter().find(|(delivery, redemption, _)| *delivery == row.method && redemption == method);
            let right = right.map(|(_, method, needs)| Redemption { method: *method, needs: *needs });
            assert_eq!(row.redemption(*method).ok(), right, "{} then {method}", row.method);
        }
    }
}

#[test]
fn the_table_has_each_method_once_and_every_virtual_kind_has_a_method() {
    for method in DeliveryMethod::ALL {
        assert_eq!(TABLE.iter().filter(|row| row.method == *method).count(), 1, "{method}");
    }
    use VirtualReason::{DirectCharge, MerchantCards, NoLogistics, PlatformCards};
    for kind in [MerchantCards, PlatformCards, DirectCharge, NoLogistics] {
        assert!(TABLE.iter().any(|row| row.serves.contains(&kind)), "{kind:?}");
    }
}

#[test]
fn only_methods_that_hand_out_our_codes_claim_cards() {
    for row in TABLE {
        let ours = row.holder == CodeHolder::Pool;
        assert_eq!(row.cards.for_quantity(3), if ours { 3 } else { 0 }, "{}", row.method);
        assert_eq!(row.ship_call.is_none(), row.path == BuyerPath::HandedOutByPlatform, "{}", row.method);
    }
}
