//! The plans and their prices, in one place.

/// One plan. Prices are fen per month; limits are per merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The plan's name in code, logs and addresses.
    pub code: &'static str,
    /// What a month costs.
    pub monthly_fen: u32,
    /// How many live shops may be connected; sandbox shops never count.
    pub shops: u32,
    /// How many orders a month are delivered; later ones wait for a person to decide, none is lost.
    pub orders: u32,
    /// How many members the team may have.
    pub members: u32,
}

/// Every plan, the least first.
pub const PLANS: [Plan; 3] = [
    Plan { code: "starter", monthly_fen: 0, shops: 1, orders: 300, members: 2 },
    Plan { code: "standard", monthly_fen: 9_900, shops: 5, orders: 10_000, members: 10 },
    Plan { code: "scale", monthly_fen: 39_900, shops: 50, orders: 200_000, members: 100 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dearer_plan_never_allows_less() {
        for pair in PLANS.windows(2) {
            assert!(pair[0].monthly_fen < pair[1].monthly_fen);
            assert!(
                pair[0].shops < pair[1].shops && pair[0].orders < pair[1].orders && pair[0].members < pair[1].members
            );
        }
    }
}
