//! How processes share the applications out; what a connection does is tested where it lives.

use super::*;
use crate::tests::World;

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
