//! The APIs themselves. Each handler reads the parameters, changes or reads the mall, and returns
//! the payload without its wrapper.

use std::sync::Arc;

use crate::{
    envelope::GatewayError,
    params::Params,
    state::{
        Effects, World,
        application::Application,
        lock,
        mall::{Mall, MallState},
    },
};

pub(crate) mod cards;
pub(crate) mod goods;
pub(crate) mod mall;
pub(crate) mod orders;
pub(crate) mod push;
pub(crate) mod refunds;
pub(crate) mod shipping;
pub(crate) mod tokens;
pub(crate) mod vouchers;

/// A call that passed every check of the gateway.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) application: &'a Application,
    /// The token's mall; present for every API that needs a token.
    pub(crate) mall: Option<&'a Arc<Mall>>,
    pub(crate) params: &'a Params,
}

impl<'a> Call<'a> {
    pub(crate) fn mall(&self) -> Result<&'a Arc<Mall>, GatewayError> {
        self.mall.ok_or_else(|| GatewayError::gateway(20032))
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.application.config.client_id
    }

    /// Reads the mall's state.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&MallState) -> Result<R, GatewayError>) -> Result<R, GatewayError> {
        read(&lock(&self.mall()?.state))
    }

    /// Changes the mall's state.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut MallState, &mut Effects<'_>) -> Result<R, GatewayError>,
    ) -> Result<R, GatewayError> {
        self.world.change(self.mall()?, change)
    }

    /// Returns page (from 1) and page size (at most 100).
    pub(crate) fn page(&self) -> Result<(usize, usize), GatewayError> {
        let page: usize = self.params.number_or("page", 1)?;
        let size: usize = self.params.number_or("page_size", 100)?;
        if page == 0 {
            return Err(GatewayError::param("page"));
        }
        if !(1..=100).contains(&size) {
            return Err(GatewayError::param("page_size"));
        }
        Ok((page, size))
    }

    /// Returns the two ends of a time window in seconds.
    pub(crate) fn window(&self, names: [&str; 2], max_s: i64, too_long: &str) -> Result<(i64, i64), GatewayError> {
        let [from_name, to_name] = names;
        let from_s: i64 = self.params.number(from_name)?;
        let to_s: i64 = self.params.number(to_name)?;
        if to_s < from_s {
            return Err(GatewayError::param(to_name));
        }
        if to_s - from_s > max_s {
            return Err(GatewayError::plain(too_long));
        }
        Ok((from_s, to_s))
    }
}
