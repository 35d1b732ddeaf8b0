//! Which pages the application has, read from its sources.

use std::collections::BTreeSet;

/// Where the application says which path shows which page.
const SOURCE: &str = include_str!("../../../../frontend/app/src/routes.rs");

/// Returns all of them, as `/console/shops/:shop`.
pub(super) fn all() -> BTreeSet<String> {
    let found = SOURCE.split("path!(\"").skip(1).filter_map(|rest| rest.split('"').next());
    found.map(str::to_owned).collect()
}

/// Returns the route of a page by its name.
pub(super) fn of(name: &str) -> &str {
    name.split([' ', '?']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use kamiflow_app::routes::{DEVELOPMENT_PAGES, PAGES};

    use super::*;

    /// What is looked at, page by page.
    const STATIONS: [&str; 4] =
        [include_str!("account.rs"), include_str!("answers.rs"), include_str!("console.rs"), include_str!("staff.rs")];

    #[test]
    fn every_page_of_the_application_is_on_the_tour() {
        let pages = all();
        assert!(pages.len() > 50 && pages.contains("/console/shops/:shop"), "the routes were found");
        let is_on_it = |page: &str| {
            let names = [format!("\"{page}\""), format!("\"{page} "), format!("\"{page}?")];
            let is_listed = PAGES.contains(&page) || DEVELOPMENT_PAGES.contains(&page);
            is_listed || names.iter().any(|name| STATIONS.iter().any(|station| station.contains(name.as_str())))
        };
        let missing: Vec<_> = pages.iter().filter(|page| !is_on_it(page)).collect();
        assert!(missing.is_empty(), "the tour leaves out {missing:?}");
        assert!(!is_on_it("/console/no-such-page"), "what is not there is missed");
    }

    #[test]
    fn a_name_says_which_page_it_is() {
        assert_eq!(of("/console/shops/:shop in trial run"), "/console/shops/:shop");
        assert_eq!(of("/console/orders?q=nothing"), "/console/orders");
    }
}
