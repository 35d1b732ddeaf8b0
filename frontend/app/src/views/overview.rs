//! `/console`.

use kamiflow_domain::handled_outside::OutsideWarning;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::show_dashboard::Dashboard;
use kamiflow_domain::verification::VerificationView;
use kamiflow_kernel::ShopId;

/// The first page of the console.
#[derive(Debug)]
pub struct Overview {
    /// The merchant's shops that the member sees, live or sandbox as the mode says.
    pub shops: Vec<ShopSummary>,
    /// Those of them that another tool seems to work on.
    pub outside: Vec<OutsideWarning>,
    /// Names of shops whose malls somebody else wants, for who may answer.
    pub wanted: Vec<String>,
    /// The figures of these shops, for members who see orders; none while there is no shop.
    pub figures: Option<Dashboard>,
    /// The sandbox shop to simulate a buyer in.
    pub sandbox: Option<ShopId>,
    /// Whether the first steps with a sandbox shop are shown.
    pub offers_sandbox: bool,
    /// Whether the member may connect shops.
    pub may_connect: bool,
    /// Where the merchant's identity is, while real shops wait for its approval and the member may submit it.
    pub verification: Option<VerificationView>,
}
