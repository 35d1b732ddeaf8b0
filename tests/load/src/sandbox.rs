//! `bench sandbox`: signed calls a second of the simulated platform, so that it never is what bounds another bench.
//!
//! The calls are those of a delivery, one `pdd.order.information.get` and one `pdd.voucher.voucher.info.send` per order,
//! signed before the clock starts, over keep-alive connections with several requests on their way on each.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_test_support::program::note;
use serde::Serialize;
use serde_json::json;

use crate::at_least_one;
use crate::fleet::{self, FLEET, Plan};
use crate::measure::{CpuWatch, median, rounded};
use crate::process::Platform;
use crate::wire::{self, Shape, Signer};

/// Options of `bench sandbox`.
#[derive(Args)]
pub(crate) struct Options {
    /// Orders that are read and delivered: half the calls.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 60_000)]
    orders: usize,

    /// Malls they are spread over.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 50)]
    malls: usize,

    /// Connections.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 16)]
    connections: usize,

    /// Requests on their way on each connection.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 8)]
    depth: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    calls_per_s: f64,
}

/// Measures.
pub(crate) async fn run(dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let mut rates = Vec::new();
    for run in 1..=runs {
        let rate = once(dir, options).await?;
        note(format_args!("Run {run} of {runs}: {rate:.0} calls/s"));
        rates.push(rate);
    }
    Ok(Figures { calls_per_s: rounded(median(rates), 0) })
}

async fn once(dir: &Path, options: &Options) -> Result<f64> {
    let plan = Plan { applications: 1, shops: options.malls };
    let platform = Platform::start(dir, &fleet::scenario(&plan, 1.0, false)).await?;
    let orders = platform.order(&plan.malls(), options.orders.div_ceil(options.malls.max(1))).await?;
    note(format_args!("Signing {} calls", orders.len() * 2));
    let requests = Arc::new(requests(&orders)?);

    let address = platform.gateway_url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let address = address.context("the sandbox has no address")?.to_owned();
    let before = platform.counts().await?.total;
    let cpu = CpuWatch::begin(&[platform.process.watched()]);
    let began = Instant::now();
    let shape = Shape { connections: options.connections, depth: options.depth.max(1) };
    let refused = wire::drive(&address, Arc::clone(&requests), shape).await?;
    let seconds = began.elapsed().as_secs_f64();
    cpu.tell("the calls");

    ensure!(refused == 0, "{refused} calls were refused");
    let counted = platform.counts().await?.total - before;
    ensure!(counted == u64::try_from(requests.len())?, "the sandbox has counted {counted} of {} calls", requests.len());
    platform.process.stop().await?;
    Ok(requests.len() as f64 / seconds)
}

fn requests(orders: &[(u64, String)]) -> Result<Vec<Vec<u8>>> {
    let (client_id, client_secret) = (FLEET.client_id(0), FLEET.client_secret());
    let mut requests = Vec::with_capacity(orders.len() * 2);
    for (mall, order_sn) in orders {
        let signer = Signer {
            client_id: &client_id,
            client_secret: &client_secret,
            access_token: &FLEET.access_token(*mall),
            timestamp_s: SystemClock.now().timestamp(),
        };
        requests.push(signer.request("pdd.order.information.get", &[("order_sn", order_sn)])?);
        let vouchers = json!([{ "voucher_id": format!("V{order_sn}"), "voucher_no": format!("KF{order_sn} 1234") }]);
        requests.push(signer.request(
            "pdd.voucher.voucher.info.send",
            &[("order_sn", order_sn), ("out_biz_no", order_sn), ("voucher_list", &vouchers.to_string())],
        )?);
    }
    Ok(requests)
}
