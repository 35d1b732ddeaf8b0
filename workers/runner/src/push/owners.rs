//! Whose malls are, remembered for a moment: every message names one, and a burst names the same ones.

use std::collections::HashMap;
use std::time::Duration;

use kamiflow_domain::engine::Engine;
use kamiflow_domain::push_hint::{MallOwner, find_owners};
use kamiflow_kernel::{GatewayKind, MallId};
use kamiflow_store::StoreError;
use tokio::time::Instant;

/// How long an owner is believed. A mall changes hands by being disconnected and connected again; hints that come to its
/// former shop meanwhile are of no use there and harmless, and the new shop's windows find their orders.
const KEPT: Duration = Duration::from_secs(10);
/// So many malls are remembered at most; then the memory begins anew.
const MOST: usize = 100_000;

/// The malls that were asked about lately. That a mall is nobody's is not remembered: it may be connected any moment.
#[derive(Default)]
pub(super) struct Owners {
    known: HashMap<(GatewayKind, MallId), (MallOwner, Instant)>,
}

impl Owners {
    /// Returns whose malls are, as [`find_owners`] does, asking only about those that are not remembered.
    pub(super) async fn find(
        &mut self,
        engine: &Engine,
        gateway: GatewayKind,
        malls: &[MallId],
    ) -> Result<HashMap<MallId, MallOwner>, StoreError> {
        let now = Instant::now();
        let mut found = HashMap::with_capacity(malls.len());
        let mut unknown = Vec::new();
        for mall in malls {
            match self.known.get(&(gateway, *mall)) {
                Some((owner, since)) if now.duration_since(*since) < KEPT => {
                    found.insert(*mall, *owner);
                }
                _ => unknown.push(*mall),
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        if self.known.len() + unknown.len() > MOST {
            self.known.clear();
        }
        let fresh = find_owners(engine, gateway, &unknown).await?;
        self.known.extend(fresh.iter().map(|(mall, owner)| ((gateway, *mall), (*owner, now))));
        found.extend(fresh);
        Ok(found)
    }
}
