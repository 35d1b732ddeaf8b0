//! Which acts the audit log knows, by what they are about: the choices of its page.
//!
//! To record a new act: its name here. A test reads the sources for acts that stand in no area, and another one the
//! catalogs for acts that have no words.

/// Acts about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Its name in addresses.
    pub name: &'static str,
    /// Whether merchants' logs have such acts; those of the platform stand in its own log.
    pub is_of_merchants: bool,
    /// The acts.
    pub actions: &'static [&'static str],
}

const fn area(name: &'static str, actions: &'static [&'static str]) -> Area {
    Area { name, is_of_merchants: true, actions }
}

/// Every area, in the order in which they are offered.
pub const AREAS: &[Area] = &[
    area(
        "shop",
        &[
            "shop.connect",
            "shop.reauthorize",
            "shop.disconnect",
            "shop.go_live",
            "shop.trial_run",
            "shop.reconcile",
            "shop.outside_resolve",
        ],
    ),
    area("take_over", &["shop.take_over_asked", "take_over.release", "take_over.refuse"]),
    area(
        "application",
        &[
            "application.register",
            "application.resume",
            "application.stop",
            "application.deny_api",
            "authorization_link.make",
        ],
    ),
    area("pause", &["pause.set", "pause.end"]),
    area("order", &["order.process", "order.retry", "order.release"]),
    area(
        "cards",
        &[
            "card.reveal",
            "cards.pool_create",
            "cards.import",
            "cards.generate",
            "cards.upload",
            "cards.void",
            "cards.restore",
            "cards.move",
            "stock.release_restored",
        ],
    ),
    area("sku", &["sku.map", "sku.top_up"]),
    area("redemption", &["redemption.approve", "redemption.stop", "redemption.report_use"]),
    area("rules", &["redemption_rules.save"]),
    area("charge", &["charge.report"]),
    area(
        "team",
        &[
            "team.invite",
            "team.invitation_revoke",
            "team.join",
            "team.leave",
            "team.member_change",
            "team.member_remove",
            "team.sub_account_create",
            "team.sub_account_reset",
            "team.second_factor_reset",
            "team.transfer",
        ],
    ),
    area("merchant", &["merchant.open", "merchant.rename", "merchant.close", "merchant.reopen", "merchant.end"]),
    area(
        "verification",
        &[
            "verification.submit",
            "verification.claim",
            "verification.look",
            "verification.decide",
            "verification.destroy",
            "verification.ask_again",
        ],
    ),
    area("api_token", &["api_token.create", "api_token.revoke"]),
    area("notification", &["notification_address.set"]),
    area("export", &["export.start", "audit.export"]),
    area(
        "account",
        &[
            "account.create",
            "account.delete",
            "account.log_in",
            "account.sign_out",
            "account.sign_out_others",
            "account.session_reuse",
            "account.sudo",
            "account.merchant_switch",
            "account.email_change_request",
            "account.email_change",
            "account.password_change",
            "account.password_reset",
            "account.totp_add",
            "account.passkey_add",
            "account.passkey_copied",
            "account.factor_remove",
            "account.recovery_codes_renew",
            "account.recovery_ask",
            "account.recovery_look",
            "account.recovery_decide",
            "account.recovery_link",
            "account.recovery_stop",
            "account.recovered",
        ],
    ),
    Area {
        name: "platform",
        is_of_merchants: false,
        actions: &[
            "staff.create",
            "staff.renew",
            "staff.disable",
            "staff.enroll",
            "staff.log_in",
            "staff.sign_out",
            "staff.session_end",
            "staff.password_change",
            "keys.rotate",
        ],
    },
];

/// Returns the acts that a choice is about: those of an area, or one act.
#[must_use]
pub fn actions_of(choice: &str) -> Vec<&str> {
    match AREAS.iter().find(|area| area.name == choice) {
        Some(area) => area.actions.to_vec(),
        None => vec![choice],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What looks like an act and is none: checks, topics and files.
    const OTHERS: &[&str] = &[
        "application.works",
        "audit.chain",
        "audit.csv",
        "cards.csv",
        "cards.txt",
        "keys.data_key",
        "keys.master_missing",
        "keys.master_wrong",
        "merchant.closing",
        "merchant.verified",
        "order.delivered",
        "order.redeemed",
        "shop.works",
        "sku.mapped",
        "stock.there",
    ];

    fn read(folder: &Path, ending: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, ending, found);
            } else if path.extension().is_some_and(|is| is == ending) && !path.ends_with("audit_areas.rs") {
                found.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Returns the texts between quotes that are formed like an act.
    fn acts_in(text: &str, quote: char) -> BTreeSet<String> {
        let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let formed = |text: &&str| text.split_once('.').is_some_and(|(area, act)| word(area) && word(act));
        let quoted = text.lines().flat_map(|line| line.split(quote).skip(1).step_by(2));
        quoted.filter(formed).map(str::to_owned).collect()
    }

    #[test]
    fn every_act_of_the_sources_stands_in_one_area_and_every_act_of_an_area_in_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut sources, mut migrations) = (Vec::new(), Vec::new());
        read(&root.join("src"), "rs", &mut sources);
        read(&root.join("../../migrations"), "sql", &mut migrations);
        let known: Vec<&str> = AREAS.iter().flat_map(|area| area.actions).copied().collect();
        let prefixes: BTreeSet<&str> = known.iter().filter_map(|act| act.split('.').next()).collect();
        let is_one = |act: &String| known.contains(&act.as_str());
        let is_other = |act: &String| OTHERS.contains(&act.as_str());
        let mut found = BTreeSet::new();
        for source in &sources {
            // What is given to the log in a transaction, whatever it is called.
            let given = source.split("record(").skip(1).filter_map(|rest| rest.split(';').next());
            let given = given.filter(|part| part.contains("tx"));
            let written = source.split("NewAudit {").skip(1).filter_map(|rest| rest.split('}').next());
            for act in given.chain(written).flat_map(|part| acts_in(part, '"')) {
                assert!(is_one(&act), "`{act}` is recorded and stands in no area");
            }
            found.extend(acts_in(source, '"'));
        }
        for migration in &migrations {
            let written = migration.split("INSERT INTO audit_log").skip(1).filter_map(|rest| rest.split(';').next());
            for act in written.flat_map(|part| acts_in(part, '\'')) {
                assert!(is_one(&act), "`{act}` is recorded by the schema and stands in no area");
                found.insert(act);
            }
        }
        let formed_so = found.iter().filter(|act| act.split('.').next().is_some_and(|area| prefixes.contains(area)));
        let strange: Vec<_> = formed_so.filter(|act| !is_one(act) && !is_other(act)).collect();
        assert!(strange.is_empty(), "in no area, if they are acts: {strange:?}");
        let unheard: Vec<_> = known.iter().filter(|act| !found.contains(**act)).collect();
        assert!(unheard.is_empty(), "nobody does {unheard:?}");
        assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "an act stands in two areas");
    }

    #[test]
    fn a_choice_is_an_area_or_one_act() {
        assert!(actions_of("cards").contains(&"card.reveal") && actions_of("rules") == ["redemption_rules.save"]);
        assert_eq!(actions_of("shop.connect"), ["shop.connect"]);
        assert!(AREAS.iter().all(|area| !area.name.contains('.')));
    }
}
