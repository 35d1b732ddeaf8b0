//! The words of mails.

mod notice;
mod recovery;
mod team;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::Locale;

use super::{Letter, Worded};

/// Returns what a letter says in a language; nothing for the one that says nothing.
pub(super) fn of(letter: &Letter, locale: Locale) -> Option<Worded> {
    match locale {
        Locale::Zh => chinese(letter),
        Locale::En => english(letter),
    }
}

fn worded(
    subject: impl Into<String>,
    paragraphs: Vec<String>,
    action: Option<(&'static str, &String)>,
    otherwise: &'static str,
) -> Option<Worded> {
    let action = action.map(|(label, link)| (label, link.clone()));
    Some(Worded { subject: subject.into(), paragraphs, action, otherwise })
}

fn chinese(letter: &Letter) -> Option<Worded> {
    const NOT_YOU: &str = "如果不是您本人操作,请立即修改密码并检查登录设备。";
    const IGNORE: &str = "如果不是您本人操作,忽略此邮件即可,不会发生任何变化。";
    match letter {
        Letter::Nothing { .. } => None,
        Letter::ConfirmEmail { link } => worded(
            "请确认您的邮箱",
            vec!["您好!".into(), "请确认此邮箱属于您,以完成注册。链接 24 小时内有效,且只能使用一次。".into()],
            Some(("确认邮箱", link)),
            IGNORE,
        ),
        Letter::KnownAddress { link } => worded(
            "您已经有账号了",
            vec!["有人用此邮箱注册,但您已经有账号了。如果是您本人,请直接登录;忘记密码可在登录页重置。".into()],
            Some(("去登录", link)),
            IGNORE,
        ),
        Letter::ResetPassword { link } => worded(
            "重置密码",
            vec!["请通过以下链接设置新密码。链接 1 小时内有效,且只能使用一次。".into()],
            Some(("设置新密码", link)),
            IGNORE,
        ),
        Letter::PasswordChanged { at } => worded(
            "密码已修改",
            vec![format!("您的密码已于 {} 修改,其他设备已退出登录。", beijing(*at))],
            None,
            NOT_YOU,
        ),
        Letter::NewDevice { at, browser, place, link } => worded(
            "新设备登录提醒",
            vec![
                format!("{} 有一台新设备登录了您的账号。", beijing(*at)),
                format!("浏览器:{browser}"),
                format!("网络:{place}"),
            ],
            Some(("查看登录设备", link)),
            NOT_YOU,
        ),
        Letter::FactorsChanged { at, link } => worded(
            "两步验证已变更",
            vec![format!("您账号的两步验证方式已于 {} 变更。", beijing(*at))],
            Some(("查看安全设置", link)),
            NOT_YOU,
        ),
        Letter::AccountDeleted { at } => zh_account_deleted(*at),
        Letter::LeaveEmail { to, link } => worded(
            "确认更换邮箱",
            vec![format!("您申请把登录邮箱换成 {to}。新旧两个邮箱都确认后才会生效。链接 1 小时内有效。")],
            Some(("确认更换", link)),
            NOT_YOU,
        ),
        Letter::EnterEmail { link } => worded(
            "确认新邮箱",
            vec!["请确认此邮箱将作为您的登录邮箱。新旧两个邮箱都确认后才会生效。链接 1 小时内有效。".into()],
            Some(("确认新邮箱", link)),
            IGNORE,
        ),
        Letter::Invitation { by, merchant, role, link } => team::invitation_zh((by, merchant), *role, link),
        Letter::AccountRecovery { merchant, account, step, at, link } => {
            recovery::news_zh((merchant, account), *step, *at, link.as_ref())
        }
        Letter::RecoveryLink { link } => recovery::link_zh(link),
        Letter::RecoveryRefused { reason } => recovery::refused_zh(reason),
        Letter::VerificationDecided { merchant, refused } => team::decision_zh(merchant, refused.as_deref()),
        Letter::TokenEnding { shop, ends_at, link } => zh_token_ending(shop, *ends_at, link),
        Letter::MerchantChanged { merchant, what, at } => team::change_zh(merchant, what, *at),
        Letter::NeedsPerson { merchant, news, link } => notice::zh(merchant, news, link),
    }
}

fn english(letter: &Letter) -> Option<Worded> {
    const NOT_YOU: &str = "If this was not you, change your password at once and look through your devices.";
    const IGNORE: &str = "If this was not you, ignore this mail: nothing will change.";
    match letter {
        Letter::Nothing { .. } => None,
        Letter::ConfirmEmail { link } => worded(
            "Confirm your e-mail address",
            vec!["This finishes signing up. The link is good for 24 hours, once.".into()],
            Some(("Confirm the address", link)),
            IGNORE,
        ),
        Letter::KnownAddress { link } => worded(
            "You have an account already",
            vec![
                "Somebody signed up with this address, but you have an account already. If it was you, log in; \
                  a forgotten password can be reset there."
                    .into(),
            ],
            Some(("Log in", link)),
            IGNORE,
        ),
        Letter::ResetPassword { link } => worded(
            "Reset your password",
            vec!["Choose a new password with this link. It is good for one hour, once.".into()],
            Some(("Choose a password", link)),
            IGNORE,
        ),
        Letter::PasswordChanged { at } => worded(
            "Your password was changed",
            vec![format!("Your password was changed at {}. Other devices were signed out.", utc(*at))],
            None,
            NOT_YOU,
        ),
        Letter::NewDevice { at, browser, place, link } => worded(
            "A log-in from a new device",
            vec![
                format!("A new device logged in to your account at {}.", utc(*at)),
                format!("Browser: {browser}"),
                format!("Network: {place}"),
            ],
            Some(("Look through your devices", link)),
            NOT_YOU,
        ),
        Letter::FactorsChanged { at, link } => worded(
            "Your second factors were changed",
            vec![format!("How you prove who you are was changed at {}.", utc(*at))],
            Some(("Look at your security settings", link)),
            NOT_YOU,
        ),
        Letter::AccountDeleted { at } => en_account_deleted(*at),
        Letter::LeaveEmail { to, link } => worded(
            "Confirm the change of your address",
            vec![format!(
                "You asked to log in with {to} from now on. It takes effect once both addresses have confirmed. \
                 The link is good for one hour."
            )],
            Some(("Confirm the change", link)),
            NOT_YOU,
        ),
        Letter::EnterEmail { link } => worded(
            "Confirm your new address",
            vec![
                "Confirm that you want to log in with this address. It takes effect once both addresses have \
                  confirmed. The link is good for one hour."
                    .into(),
            ],
            Some(("Confirm the address", link)),
            IGNORE,
        ),
        Letter::Invitation { by, merchant, role, link } => team::invitation_en((by, merchant), *role, link),
        Letter::AccountRecovery { merchant, account, step, at, link } => {
            recovery::news_en((merchant, account), *step, *at, link.as_ref())
        }
        Letter::RecoveryLink { link } => recovery::link_en(link),
        Letter::RecoveryRefused { reason } => recovery::refused_en(reason),
        Letter::VerificationDecided { merchant, refused } => team::decision_en(merchant, refused.as_deref()),
        Letter::TokenEnding { shop, ends_at, link } => en_token_ending(shop, *ends_at, link),
        Letter::MerchantChanged { merchant, what, at } => team::change_en(merchant, what, *at),
        Letter::NeedsPerson { merchant, news, link } => notice::en(merchant, news, link),
    }
}

fn zh_account_deleted(at: DateTime<Utc>) -> Option<Worded> {
    worded(
        "账号已删除",
        vec![
            format!("您的账号已于 {} 删除,所有设备都已退出,个人资料已清除。", beijing(at)),
            "感谢您用过卡密流。此邮箱现在可以重新注册。".into(),
        ],
        None,
        "如果不是您本人操作,请联系客服。",
    )
}

fn en_account_deleted(at: DateTime<Utc>) -> Option<Worded> {
    worded(
        "Your account was deleted",
        vec![
            format!("Your account was deleted at {}. All devices were signed out, and your data is gone.", utc(at)),
            "Thank you for having used Kamiflow. This address is free to sign up with again.".into(),
        ],
        None,
        "If this was not you, write to support.",
    )
}

fn zh_token_ending(shop: &str, ends_at: DateTime<Utc>, link: &str) -> Option<Worded> {
    let ends_at = beijing(ends_at);
    worded(
        format!("「{shop}」的授权即将到期"),
        vec![
            format!("「{shop}」的拼多多授权将于 {ends_at} 到期。到期后订单会等着,重新授权后按最晚发货时间发出。"),
            "请用店铺主账号打开下面的链接,在手机上也可以,不需要登录卡密流;也可以转发给主账号的人。".into(),
            "链接 72 小时内有效,只能成功用一次。".into(),
        ],
        Some(("重新授权", &link.to_owned())),
        "如果您已经重新授权,忽略此邮件即可。",
    )
}

fn en_token_ending(shop: &str, ends_at: DateTime<Utc>, link: &str) -> Option<Worded> {
    let ends_at = utc(ends_at);
    worded(
        format!("The authorization of {shop} is about to end"),
        vec![
            format!(
                "The authorization of {shop} ends on {ends_at}. Orders then wait, and are worked off by ship-by time once \
                 it is authorized anew."
            ),
            "Open the link below with the mall's main account; a phone will do, and no log-in is needed. You may forward \
             it to whoever holds that account. It is good for 72 hours, for one authorization."
                .into(),
        ],
        Some(("Authorize anew", &link.to_owned())),
        "If it was authorized anew already, ignore this mail.",
    )
}

fn beijing(at: DateTime<Utc>) -> String {
    (at + TimeDelta::hours(8)).format("%Y-%m-%d %H:%M(北京时间)").to_string()
}

fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
