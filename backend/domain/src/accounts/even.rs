//! Answers that take equally long whoever is known.

use std::time::Duration;

/// Longer than storing a mail takes on a server that is not overloaded, and shorter than anybody notices.
const EVEN: Duration = Duration::from_millis(40);

/// Answers when the work is done, but not before a moment that the work has no part in.
///
/// Where no password is hashed, a request is over within two milliseconds, and one row that only a known address has
/// stored shows in the median of some hundred of them.
pub(super) async fn evenly<T>(work: impl Future<Output = T>) -> T {
    let (done, ()) = tokio::join!(work, tokio::time::sleep(EVEN));
    done
}
