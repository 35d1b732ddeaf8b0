//! What a merchant is told that needs a person: what happened, and what to do.

use kamiflow_kernel::ReasonCode;

use super::{beijing, utc, worded};
use crate::accounts::letter::{News, Worded};

const WHY_ZH: &str = "收到此邮件，是因为您是该商家的通知邮箱或管理者。同一件事一小时内只发一封。";
const WHY_EN: &str = "You receive this because this address is told what needs a person. One kind of news about one \
                      shop is written at most once an hour.";

pub(super) fn zh(merchant: &str, news: &News, link: &String) -> Option<Worded> {
    let (subject, text, action) = match news {
        News::ShopStopped { shop, reason } => {
            let (why, action) = zh_stopped(*reason);
            (format!("店铺「{shop}」已停止发货"), why.to_owned(), action)
        }
        News::ApplicationStopped { shop } => (
            format!("「{shop}」所用的应用被平台停用"),
            "用这个应用的店铺都停了，没有发出任何卡密。请在拼多多开放平台的控制台查看应用状态。系统会定时再试，应用恢复后自动继续发货，不会重发。"
                .to_owned(),
            "查看店铺",
        ),
        News::AnotherToolAtWork { shop, orders } => (
            format!("「{shop}」可能有别的工具也在发货"),
            format!(
                "一小时内有 {orders} 单是在别处发的货。两个工具同时发，买家可能收到两份。请先停掉其中一个，\
                 再在下面的页面核对这些订单，并把提醒标为已处理。"
            ),
            "查看这些订单",
        ),
        News::TakeOverAsked { shop } => (
            format!("有人申请接入您的店铺「{shop}」"),
            "另一个商家拿到了这家店的平台授权，想把它接入自己的账号。如果是您自己换账号，请同意让出；\
             如果不是，请拒绝，并检查店铺的主账号和子账号。不处理则维持不变。"
                .to_owned(),
            "去处理",
        ),
        News::ShopDisconnected { shop } => (
            format!("店铺「{shop}」已断开"),
            "这家店不再自动发货，历史记录保留。如果不是您团队的操作，请在操作记录里查看是谁断开的，再重新授权接入。".to_owned(),
            "查看店铺",
        ),
        News::RevealsNearQuota { member, most } => (
            format!("{member} 今天查看了很多订单的卡密"),
            format!("每人每天最多查看 {most} 单的卡密，{member} 已超过八成。如果不是工作需要，请在操作记录里核对，必要时移出该成员或撤销令牌。"),
            "查看操作记录",
        ),
        News::VerificationAskedAgain { renew_by } => (
            "请重新实名认证".to_owned(),
            format!("商家的所有者或名称有变。请在 {} 前重新提交实名认证，逾期未通过，已上线的店铺会停止发货。", beijing(*renew_by)),
            "去认证",
        ),
        News::LowStock { pool, left, at } => (format!("卡库「{pool}」库存不足"), zh_low(*left, *at), "去补货"),
    };
    worded(format!("{merchant}：{subject}"), vec![format!("{subject}。"), text], Some((action, link)), WHY_ZH)
}

pub(super) fn en(merchant: &str, news: &News, link: &String) -> Option<Worded> {
    let (subject, text, action) = match news {
        News::ShopStopped { shop, reason } => {
            let (why, action) = en_stopped(*reason);
            (format!("The shop {shop} has stopped delivering"), why.to_owned(), action)
        }
        News::ApplicationStopped { shop } => (
            format!("The platform stopped the application of {shop}"),
            "All shops on this application stand still, and no card was sent. Look at the application on the open \
             platform. It is tried again by itself: once the platform takes calls, delivering goes on, and nothing is sent twice."
                .to_owned(),
            "Look at the shop",
        ),
        News::AnotherToolAtWork { shop, orders } => (
            format!("Another tool seems to deliver for {shop}"),
            format!(
                "Within an hour {orders} orders were shipped elsewhere. Where two tools deliver, a buyer may get cards \
                 twice. Stop one of them, look through these orders, and mark the warning as dealt with."
            ),
            "Look through the orders",
        ),
        News::TakeOverAsked { shop } => (
            format!("Somebody asks for your shop {shop}"),
            "Another merchant holds the platform's authorization for this mall and wants to connect it. If it is you \
             with another account, release it. If not, refuse, and look through the mall's accounts. As long as you do \
             nothing, nothing changes."
                .to_owned(),
            "Answer",
        ),
        News::ShopDisconnected { shop } => (
            format!("The shop {shop} was disconnected"),
            "Nothing is delivered for it any more; its history stays. If this was nobody of your team, see in the audit \
             log who it was, and connect the shop again."
                .to_owned(),
            "Look at the shops",
        ),
        News::RevealsNearQuota { member, most } => (
            format!("{member} looked at the cards of many orders today"),
            format!(
                "Cards of {most} orders may be looked at in a day, and {member} is past four fifths of that. If the work \
                 does not ask for it, check the audit log, and remove the member or revoke the token."
            ),
            "Look at the audit log",
        ),
        News::VerificationAskedAgain { renew_by } => (
            "Please verify the merchant again".to_owned(),
            format!(
                "The merchant has another owner or name. Submit its identity again before {}; shops that are live stop \
                 if it is not approved by then.",
                utc(*renew_by)
            ),
            "Verify",
        ),
        News::LowStock { pool, left, at } => (format!("The pool {pool} runs low"), en_low(*left, *at), "Add cards"),
    };
    worded(format!("{merchant}: {subject}"), vec![format!("{subject}."), text], Some((action, link)), WHY_EN)
}

fn zh_low(left: i64, at: i32) -> String {
    let stock = match left {
        0 => "可发的卡已经用完。".to_owned(),
        left => format!("可发的卡只剩 {left} 张（您设的提醒是 {at} 张）。"),
    };
    format!("{stock}请尽快补货。卡不够时，新订单会先等着，补货后按最晚发货时间自动发出。")
}

fn en_low(left: i64, at: i32) -> String {
    let stock = match left {
        0 => "No card is left to hand out.".to_owned(),
        left => format!("Cards left to hand out: {left} (you asked to be told at {at})."),
    };
    format!(
        "{stock} Please add cards. Orders that find none wait, and are delivered by themselves once there are some."
    )
}

/// Returns why a shop stopped with what to do about it, and what the button says.
const fn zh_stopped(reason: ReasonCode) -> (&'static str, &'static str) {
    match reason {
        ReasonCode::ReauthorizationNeeded => {
            ("店铺授权已失效，发不了货。请用店铺主账号重新授权，之后按最晚发货时间自动补发，不会重发。", "重新授权")
        }
        ReasonCode::VerificationNeeded => ("商家主体有变，没有按时重新实名认证。认证通过后自动继续发货。", "去认证"),
        ReasonCode::StoppedByPlatform => {
            ("平台停用了这家店的接口调用，没有发出任何卡密。请在商家后台查看通知，解除后联系我们恢复。", "查看店铺")
        }
        _ => ("店铺停止发货，要人处理。没有发出的订单都还在，处理好后自动继续。", "查看店铺"),
    }
}

const fn en_stopped(reason: ReasonCode) -> (&'static str, &'static str) {
    match reason {
        ReasonCode::ReauthorizationNeeded => (
            "Its authorization has ended. Authorize it anew with the mall's main account; what waits is then delivered \
             by itself, and nothing twice.",
            "Authorize anew",
        ),
        ReasonCode::VerificationNeeded => (
            "The merchant has another owner or name and was not verified again in time. Delivering goes on by itself \
             after the approval.",
            "Verify",
        ),
        ReasonCode::StoppedByPlatform => (
            "The platform refuses its calls; no card was sent. See its notice in the merchant back office, and ask us to \
             resume the shop once that is lifted.",
            "Look at the shop",
        ),
        _ => ("It needs a person. Orders that wait are kept and go on by themselves afterwards.", "Look at the shop"),
    }
}
