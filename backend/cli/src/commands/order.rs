//! `kamiflow order`: one order at the command line: look at it, and do what is safe about it.

mod process;
mod screen;

use anyhow::Result;
use clap::{Args, Subcommand};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::release_order::{self, ReleaseOrderError};
use kamiflow_domain::retry_order::{self, RetryOrderError};
use kamiflow_domain::show_order;
use kamiflow_kernel::{MerchantId, OrderSn, ShopId};
use kamiflow_queue::Queue;
use kamiflow_runner::Waker;
use kamiflow_runtime::config::{self, Database, Gateway, Keyring, ProcessEnv, Redis, Worker};
use kamiflow_store::system;
use serde_json::json;
use uuid::Uuid;

use crate::connect;
use crate::console::{Console, Tone, chain};
use crate::exit::{Exit, NotFound, Refused, WrongUsage};
use crate::platform::Platform;

const SHOW_EXAMPLES: &str = "\
Examples:
  kamiflow order show 261122-100000000000017
  kamiflow order show 261122-100000000000017 --json | jq .exceptions";

const RETRY_EXAMPLES: &str = "\
Examples:
  kamiflow order retry 261122-100000000000017

Closes what a retry may close and makes the order due. Refused (exit code 3) while something is open that a retry
could make worse; `kamiflow order show` names what is safe instead.";

const RELEASE_EXAMPLES: &str = "\
Examples:
  kamiflow order release 261122-100000000000017

For an order whose hand-over nobody can prove: declares that its buyer has nothing. Its cards are quarantined and
never sold again, and no other cards are sent.";

/// Options of `kamiflow order`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: OrderCommand,
}

#[derive(Debug, Subcommand)]
enum OrderCommand {
    /// Shows an order, its delivery, cards (masked), attempts, events and what is open, with what is safe to do.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// Reads an order from the platform again, now, and goes on from there.
    #[command(after_help = process::EXAMPLES)]
    Process(process::Options),
    /// Lets an order be tried again after what stood in its way was dealt with.
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(Target),
    /// Gives a hand-over of unknown outcome up; the cards are quarantined.
    #[command(after_help = RELEASE_EXAMPLES)]
    Release(Target),
}

/// Which order.
#[derive(Debug, Args)]
struct Target {
    /// The platform's number of the order.
    #[arg(value_name = "ORDER_SN")]
    order_sn: OrderSn,

    /// Its shop; needed for an order that was never seen, or a number that two shops know.
    #[arg(long, value_name = "SHOP")]
    shop: Option<ShopId>,
}

/// Does what was asked for.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let desk = Desk::open().await?;
    match options.action {
        OrderCommand::Show(target) => show(&desk, &target, console).await,
        OrderCommand::Process(options) => process::run(&desk, &options, console).await,
        OrderCommand::Retry(target) => retry(&desk, &target, console).await,
        OrderCommand::Release(target) => release(&desk, &target, console).await,
    }
}

/// What the commands work with.
struct Desk {
    engine: Engine,
    /// None: Redis does not answer, and the workers find what is due by themselves, a little later.
    queue: Option<Queue>,
}

/// An order's place.
#[derive(Debug, Clone)]
struct Place {
    merchant: MerchantId,
    shop: ShopId,
    order_sn: OrderSn,
}

impl Desk {
    async fn open() -> Result<Self> {
        let (database, redis, keyring, gateway, worker): (Database, Redis, Keyring, Gateway, Worker) =
            config::load(&ProcessEnv)?;
        let store = connect::store(&database, &keyring)?;
        let queue = match connect::queue(&redis, &worker).await {
            Ok(queue) => Some(queue),
            Err(error) => {
                tracing::warn!("Going on without Redis: {}", chain(&error));
                None
            }
        };
        let platform = Platform {
            gateway: &gateway,
            poll_ceiling: worker.poll_ceiling,
            card_key: None,
            inside_platform_cloud: false,
        };
        Ok(Self { engine: platform.engine(store, queue.as_ref())?, queue })
    }

    /// Finds the shop of an order.
    async fn find(&self, target: &Target) -> Result<Place> {
        let order_sn = target.order_sn.clone();
        let mut tx = self.engine.store.system_tx().await?;
        let (merchant, shop) = if let Some(shop) = target.shop {
            let merchant = system::find_merchant_of_shop(&mut tx, shop).await?;
            (merchant.ok_or_else(|| NotFound(format!("there is no shop {shop}")))?, shop)
        } else {
            let known = system::list_shops_of_order(&mut tx, &order_sn).await?;
            match known.as_slice() {
                [only] => (only.merchant, only.shop),
                [] => return Err(unknown(&order_sn).into()),
                several => {
                    let shops: Vec<String> = several.iter().map(|owned| owned.shop.to_string()).collect();
                    let shops = shops.join(", ");
                    return Err(WrongUsage(format!(
                        "several shops know {order_sn}: choose one of {shops} with --shop"
                    ))
                    .into());
                }
            }
        };
        tx.commit().await?;
        Ok(Place { merchant, shop, order_sn })
    }

    /// Returns the circumstances of an act of the operator.
    fn act(&self, place: &Place) -> Ctx {
        let request_id = format!("cli-{}", Uuid::now_v7().simple());
        Ctx { actor: Actor::Operator, merchant: place.merchant, request_id, now: self.engine.now() }
    }

    async fn wake(&self, place: &Place, wakes: &[Wake]) {
        if let Some(queue) = &self.queue {
            Waker::new(queue).wake(place.merchant, wakes).await;
        }
    }
}

fn unknown(order_sn: &OrderSn) -> NotFound {
    let help = format!("kamiflow order process {order_sn} --shop SHOP");
    NotFound(format!("no shop has seen order {order_sn}; to read it from the platform: {help}"))
}

async fn show(desk: &Desk, target: &Target, console: Console) -> Result<Exit> {
    let place = desk.find(target).await?;
    let view = show_order::show(&desk.engine, &desk.act(&place), place.shop, &place.order_sn).await?;
    let view = view.ok_or_else(|| unknown(&place.order_sn))?;
    if console.is_json() {
        console.print_json(&view)?;
    } else {
        screen::show(&view, console);
    }
    Ok(Exit::Done)
}

async fn retry(desk: &Desk, target: &Target, console: Console) -> Result<Exit> {
    let place = desk.find(target).await?;
    let ctx = desk.act(&place);
    let retried = match retry_order::retry(&desk.engine, &ctx, place.shop, &place.order_sn).await {
        Ok(retried) => retried,
        Err(RetryOrderError::NotFound) => return Err(unknown(&place.order_sn).into()),
        Err(error @ (RetryOrderError::NotSafe { .. } | RetryOrderError::Redemption(_))) => return Err(refused(error)),
        Err(error) => return Err(error.into()),
    };
    desk.wake(&place, &retried.wakes).await;
    let closed: Vec<&str> = retried.closed.iter().map(|code| code.as_str()).collect();
    if console.is_json() {
        console.print_json(&json!({ "order_sn": place.order_sn, "closed": closed }))?;
    } else {
        let closed = if closed.is_empty() { "nothing was open".to_owned() } else { closed.join(", ") };
        console.print(format_args!("{} {} ({closed})", console.toned(Tone::Good, "due again"), place.order_sn));
    }
    Ok(Exit::Done)
}

async fn release(desk: &Desk, target: &Target, console: Console) -> Result<Exit> {
    let place = desk.find(target).await?;
    let ctx = desk.act(&place);
    let cards = match release_order::release(&desk.engine, &ctx, place.shop, &place.order_sn).await {
        Ok(cards) => cards,
        Err(ReleaseOrderError::NotFound) => return Err(unknown(&place.order_sn).into()),
        Err(error @ (ReleaseOrderError::NotOpen { .. } | ReleaseOrderError::State(_))) => return Err(refused(error)),
        Err(error) => return Err(error.into()),
    };
    if console.is_json() {
        console.print_json(&json!({ "order_sn": place.order_sn, "cards_quarantined": cards }))?;
    } else {
        let done = console.toned(Tone::Good, "released");
        console.print(format_args!("{done} {}; {cards} cards are quarantined", place.order_sn));
    }
    Ok(Exit::Done)
}

/// Turns a refusal of a use case into one of the command, causes included.
fn refused(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    Refused(chain(&anyhow::Error::new(error))).into()
}
