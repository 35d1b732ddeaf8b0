//! A site that shows the pages as they were built.

use std::path::PathBuf;

use kamiflow_test_support::TestSite;

/// Starts one; nobody works for it yet.
pub(crate) async fn start() -> TestSite {
    TestSite::with(|settings| settings.folder = built()).await
}

/// Starts one that shows the pages for developers as well.
pub(crate) async fn start_for_developers() -> TestSite {
    TestSite::with(|settings| (settings.folder, settings.development) = (built(), true)).await
}

/// Where `cargo dev build-ui` puts what browsers download.
fn built() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/site"))
}
