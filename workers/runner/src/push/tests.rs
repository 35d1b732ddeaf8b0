//! How processes share the applications out; what a connection does is tested where it lives.

use futures_util::FutureExt;
use kamiflow_kernel::{MallId, ShopId};
use kamiflow_pinduoduo::push::{PushKind, PushMessage, PushSink};
use kamiflow_store::order_hints;

use super::hints::{HintSink, HintWriter};
use super::*;
use crate::tests::World;
use crate::waker::Waker;

fn listeners(world: &World) -> PushListeners {
    // Nobody listens on port 1: connections are tried for ever, which is enough to be counted.
    let settings = PushSettings::new(GatewayKind::Sandbox, "ws://127.0.0.1:1/".parse().unwrap());
    PushListeners::new(world.engine.clone(), &world.queue, settings)
}

async fn step_until_nothing_is_free(processes: &mut [PushListeners]) {
    loop {
        let mut took = false;
        for process in &mut *processes {
            let _rest = process.step().await.unwrap();
            took |= process.took;
        }
        if !took {
            return;
        }
    }
}

#[tokio::test]
async fn every_range_has_one_listener_and_goes_to_another_when_it_stops() {
    let world = World::start().await;
    world.shop(world.now()).await;
    let mut processes = [listeners(&world), listeners(&world)];
    step_until_nothing_is_free(&mut processes).await;
    let [mut one, mut other] = processes;
    assert_eq!((one.owned.len(), other.owned.len()), (8, 8), "processes that start together share");
    assert!(one.owned.is_disjoint(&other.owned));
    assert_eq!(one.listening.len() + other.listening.len(), 1, "one connection per application");

    if one.listening.is_empty() {
        std::mem::swap(&mut one, &mut other);
    }
    one.end().await;
    let mut processes = [other];
    step_until_nothing_is_free(&mut processes).await;
    let [other] = processes;
    assert_eq!((other.owned.len(), other.listening.len()), (16, 1));
    other.end().await;
}

#[tokio::test]
async fn a_range_that_another_process_took_is_not_listened_for_any_more() {
    let world = World::start().await;
    world.shop(world.now()).await;
    let mut processes = [listeners(&world)];
    step_until_nothing_is_free(&mut processes).await;
    let [mut one] = processes;
    assert_eq!(one.listening.len(), 1);

    world.empty_redis();
    let mut processes = [listeners(&world)];
    step_until_nothing_is_free(&mut processes).await;
    let _rest = one.step().await.unwrap();
    assert_eq!((one.owned.len(), one.listening.len()), (0, 0));
}

#[tokio::test]
async fn a_process_takes_no_range_beyond_its_sockets() {
    let world = World::start().await;
    world.shop(world.now()).await;
    let mut settings = PushSettings::new(GatewayKind::Sandbox, "ws://127.0.0.1:1/".parse().unwrap());
    settings.max_sockets = 0;
    let mut processes = [PushListeners::new(world.engine.clone(), &world.queue, settings)];
    step_until_nothing_is_free(&mut processes).await;
    let [process] = processes;
    assert!(process.owned.len() >= 15, "ranges without applications cost nothing");
    assert!(process.listening.is_empty());
}

fn message(kind: PushKind, number: u32) -> PushMessage {
    let order_sn = format!("261123-{number:015}").parse().ok();
    PushMessage { id: 1, kind, mall: MallId(1), order_sn, refund_id: None, modified: None }
}

async fn sink(world: &World) -> (HintSink, ShopId) {
    let shop = world.shop(world.now()).await;
    (HintWriter::start(world.engine.clone(), Waker::new(&world.queue)).sink(GatewayKind::Sandbox), shop)
}

async fn hints(world: &World, shop: ShopId) -> usize {
    let tx = world.engine.store.tenant_tx(world.merchant).await.unwrap();
    order_hints::list_due(&tx, shop, world.now(), 1_000).await.unwrap().len()
}

#[tokio::test]
async fn an_echo_rests_until_news_take_it_along() {
    let world = World::start().await;
    let (sink, shop) = sink(&world).await;
    let mut echo = sink.store(message(PushKind::TradeSellerShip, 1));
    assert!((&mut echo).now_or_never().is_none(), "it is on its way to the writer");
    sink.store(message(PushKind::TradeConfirmed, 2)).await.unwrap();
    // Answered by the same transaction, so before the news were.
    assert_eq!(echo.now_or_never(), Some(Ok(())));
    // Nothing of ours was shipped, so it was no echo after all.
    assert_eq!(hints(&world, shop).await, 2);
}

#[tokio::test]
async fn echoes_that_nothing_takes_along_are_answered_too_however_many() {
    let world = World::start().await;
    let (sink, shop) = sink(&world).await;
    for many in [1, 100] {
        let echoes = (0..many).map(|number| sink.store(message(PushKind::TradeSuccess, number)));
        assert!(join_all(echoes).await.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(hints(&world, shop).await, usize::try_from(many).unwrap());
    }
}
