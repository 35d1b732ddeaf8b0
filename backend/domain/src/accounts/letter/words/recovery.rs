//! What is said of an owner who lost everything.

use chrono::{DateTime, Utc};

use super::{beijing, utc, worded};
use crate::accounts::letter::{RecoveryStep, Worded};

const STOP_ZH: &str = "如果这不是本人申请,请立即点击上面的链接阻止。";
const STOP_EN: &str = "If you know that it is not her, stop it with the link above at once.";

pub(super) fn news_zh(
    (merchant, account): (&str, &str),
    step: RecoveryStep,
    at: DateTime<Utc>,
    link: Option<&String>,
) -> Option<Worded> {
    let (subject, what) = match step {
        RecoveryStep::Asked => ("有人申请找回所有者账号", "已提交申请,等待平台审核"),
        RecoveryStep::Approved => ("所有者账号找回已通过审核", "审核已通过,72 小时后会向申请人发送重设链接"),
        RecoveryStep::Rejected => ("所有者账号找回未通过", "审核没有通过,账号不会有任何变化"),
        RecoveryStep::Stopped => ("所有者账号找回已被阻止", "申请已被团队成员阻止,账号不会有任何变化"),
        RecoveryStep::Done => ("所有者账号已找回", "密码和两步验证已重新设置,其他设备已退出登录"),
    };
    let paragraph = format!("{}「{merchant}」的所有者账号 {account}:{what}。", beijing(at));
    let otherwise = if link.is_some() { STOP_ZH } else { "如有疑问,请联系团队的所有者。" };
    worded(format!("{merchant}:{subject}"), vec![paragraph], link.map(|link| ("阻止找回", link)), otherwise)
}

pub(super) fn news_en(
    (merchant, account): (&str, &str),
    step: RecoveryStep,
    at: DateTime<Utc>,
    link: Option<&String>,
) -> Option<Worded> {
    let (subject, what) = match step {
        RecoveryStep::Asked => ("somebody asks to recover an owner", "it was asked for; the staff looks at it"),
        RecoveryStep::Approved => ("the recovery of an owner is approved", "approved; in 72 hours a link will be sent"),
        RecoveryStep::Rejected => ("the recovery of an owner is refused", "refused; nothing changes"),
        RecoveryStep::Stopped => {
            ("the recovery of an owner was stopped", "stopped by somebody of the team; nothing changes")
        }
        RecoveryStep::Done => {
            ("an owner was recovered", "password and second factor are new, other devices signed out")
        }
    };
    let paragraph = format!("The owner {account} of {merchant}, {}: {what}.", utc(at));
    let otherwise = if link.is_some() { STOP_EN } else { "If you have questions, ask an owner of the team." };
    worded(format!("{merchant}: {subject}"), vec![paragraph], link.map(|link| ("Stop it", link)), otherwise)
}

pub(super) fn link_zh(link: &String) -> Option<Worded> {
    worded(
        "找回账号:重新设置密码和两步验证",
        vec!["审核已通过,等待期已满。请通过以下链接设置新密码和身份验证器。链接 24 小时内有效,且只能使用一次。".into()],
        Some(("重新设置", link)),
        "如果您没有申请,请忽略此邮件。",
    )
}

pub(super) fn link_en(link: &String) -> Option<Worded> {
    worded(
        "Recover your account",
        vec!["Choose a new password and a new authenticator with this link. It is good for 24 hours, once.".into()],
        Some(("Begin anew", link)),
        "If you did not ask for it, ignore this mail.",
    )
}

pub(super) fn refused_zh(reason: &str) -> Option<Worded> {
    worded("账号找回没有通过", vec![format!("原因:{reason}")], None, "补齐资料后可以重新申请。")
}

pub(super) fn refused_en(reason: &str) -> Option<Worded> {
    worded(
        "Your account was not recovered",
        vec![format!("Why: {reason}")],
        None,
        "You may ask again with what was missing.",
    )
}
