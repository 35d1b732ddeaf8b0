//! What a merchant's team is told.

use chrono::{DateTime, Utc};
use kamiflow_kernel::Role;

use super::{beijing, utc, worded};
use crate::accounts::letter::{MerchantChange, Worded};

const QUESTIONS_ZH: &str = "如有疑问,请联系团队的所有者。";
const QUESTIONS_EN: &str = "If you have questions, ask an owner of the team.";

pub(super) fn invitation_zh((by, merchant): (&str, &str), role: Role, link: &String) -> Option<Worded> {
    let role = zh_role(role);
    worded(
        format!("{merchant} 邀请您加入团队"),
        vec![format!("{by} 邀请您以「{role}」身份加入「{merchant}」。链接 7 天内有效,且只能使用一次。")],
        Some(("接受邀请", link)),
        "如果您不认识对方,忽略此邮件即可。",
    )
}

pub(super) fn invitation_en((by, merchant): (&str, &str), role: Role, link: &String) -> Option<Worded> {
    worded(
        format!("{merchant} invites you to their team"),
        vec![format!("{by} invites you to join {merchant} as {role}. The link is good for 7 days, once.")],
        Some(("Accept the invitation", link)),
        "If you do not know them, ignore this mail.",
    )
}

pub(super) fn decision_zh(merchant: &str, refused: Option<&str>) -> Option<Worded> {
    let (subject, paragraphs) = match refused {
        None => ("实名认证已通过", vec![format!("「{merchant}」的实名认证已通过,店铺可以正式上线了。")]),
        Some(reason) => (
            "实名认证未通过",
            vec![
                format!("「{merchant}」的实名认证没有通过。原因:{reason}"),
                "请登录控制台,在「实名认证」修改后重新提交。准备和空跑不受影响。".into(),
            ],
        ),
    };
    worded(format!("{merchant}:{subject}"), paragraphs, None, QUESTIONS_ZH)
}

pub(super) fn decision_en(merchant: &str, refused: Option<&str>) -> Option<Worded> {
    let (subject, paragraphs) = match refused {
        None => ("is verified", vec![format!("The identity of {merchant} is verified. Its shops may go live.")]),
        Some(reason) => (
            "is not verified yet",
            vec![
                format!("The identity of {merchant} could not be verified: {reason}"),
                "Log in, mend it on the verification page, and submit it again. Preparations and trial runs go on."
                    .into(),
            ],
        ),
    };
    worded(format!("{merchant} {subject}"), paragraphs, None, QUESTIONS_EN)
}

pub(super) fn change_zh(merchant: &str, what: &MerchantChange, at: DateTime<Utc>) -> Option<Worded> {
    let change = zh_change(what);
    let paragraph = format!("{} 「{merchant}」{change}。", beijing(at));
    worded(format!("{merchant}:{change}"), vec![paragraph], None, QUESTIONS_ZH)
}

pub(super) fn change_en(merchant: &str, what: &MerchantChange, at: DateTime<Utc>) -> Option<Worded> {
    let change = en_change(what);
    worded(format!("{merchant} {change}"), vec![format!("{merchant} {change} ({}).", utc(at))], None, QUESTIONS_EN)
}

const fn zh_role(role: Role) -> &'static str {
    match role {
        Role::Owner => "所有者",
        Role::Admin => "管理员",
        Role::Operator => "运营",
        Role::Finance => "财务",
        Role::Viewer => "只读成员",
    }
}

fn zh_change(what: &MerchantChange) -> String {
    let change = match what {
        MerchantChange::Transferred => "已更换所有者",
        MerchantChange::Closing => "将在 30 天后关闭",
        MerchantChange::Reopened => "已取消关闭",
        MerchantChange::Ended => "已关闭：店铺已断开，授权、密钥和令牌已销毁",
        MerchantChange::Renamed { before } => return format!("是「{before}」的新名称"),
    };
    change.to_owned()
}

fn en_change(what: &MerchantChange) -> String {
    let change = match what {
        MerchantChange::Transferred => "has another owner",
        MerchantChange::Closing => "will close in 30 days",
        MerchantChange::Reopened => "will not close after all",
        MerchantChange::Ended => {
            "is closed: its shops are disconnected; authorizations, secrets and tokens are destroyed"
        }
        MerchantChange::Renamed { before } => return format!("is the new name of {before}"),
    };
    change.to_owned()
}
