//! Threads that are runtimes of their own keep their connections to themselves.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use kamiflow_store::{Store, StoreConfig, settle_thread};
use kamiflow_test_support::{TestApp, World};
use tokio::runtime::Builder;

/// A thread as a web server has them: it reads once, says so, and stays with its connection until it is told to end.
fn reader(store: Store) -> (Receiver<()>, Sender<()>) {
    let ((said, has_read), (end, told)) = (channel(), channel());
    thread::spawn(move || {
        settle_thread();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { drop(store.system_statement().await.unwrap()) });
        said.send(()).unwrap();
        told.recv().unwrap();
    });
    (has_read, end)
}

/// Lets two threads read one after the other; returns how many connections that took.
fn opened_by_two(store: &Store) -> usize {
    let ends = [(); 2].map(|()| {
        let (has_read, end) = reader(store.clone());
        has_read.recv().unwrap();
        end
    });
    let open = store.pool_use().open;
    for end in ends {
        end.send(()).unwrap();
    }
    open
}

#[tokio::test]
async fn each_thread_opens_its_own_unless_they_are_too_few_to_share_out() {
    let world = World::start().await;
    let ring = || TestApp::key_ring(&["m1"], "m1");
    let config =
        |pool_size| StoreConfig { url: world.database.url("kamiflow_app"), pool_size, wait: Duration::from_secs(10) };
    let shared = Store::new(&config(8), ring()).unwrap();
    assert_eq!(opened_by_two(&shared), 1);
    shared.close_idle();
    assert_eq!(shared.pool_use().open, 0);
    let apart = Store::for_threads(&config(9), ring(), 2).unwrap();
    assert_eq!((opened_by_two(&apart), apart.pool_use().most), (2, 9));
    let too_few = Store::for_threads(&config(3), ring(), 2).unwrap();
    assert_eq!((opened_by_two(&too_few), too_few.pool_use().most), (1, 3));
}
