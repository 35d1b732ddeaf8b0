//! `GET /live`: tells an open page that what it shows may have changed.
//!
//! ```text
//! worker ─► Redis ─► hub: one feed per process ─► a channel per merchant ─► event stream of each open page
//!                                                                              └─► the page is asked for again
//! ```
//! **An event says that, never what.** The page is asked for again by its own address, so everything that decides about what
//! a member sees decides again. A member is told of the shops on the page only: those of the seat, live or sandbox.
//!
//! **A stream ends** after [`LONGEST`], and the browser opens the next one: sessions and seats are looked at each time.
//! Events are gathered for [`GATHER`], so that a burst of orders is one look.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::stream;
use kamiflow_kernel::{MerchantId, Permission, ShopId, UserId};
use kamiflow_runner::{LiveEvent, LiveFeed};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::console;
use crate::product::Product;
use crate::visitor::Visitor;
use crate::web::refuse;

const PATH: &str = "/live";
/// Access tokens live about twice as long.
const LONGEST: Duration = Duration::from_secs(300);
const GATHER: Duration = Duration::from_secs(1);
/// Silence is broken, so that proxies keep the connection and a closed one is noticed.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Pages that one person has open; browsers allow six to a host. With one more the oldest ends: a page that was left is
/// noticed only when something is written to it.
const PAGES: usize = 12;
/// Moves that a slow stream may be behind; one that is further behind is told once, which is as good.
const BEHIND: usize = 64;

/// Adds the route.
pub(crate) fn configure(services: &mut ServiceConfig) {
    services.route(PATH, web::get().to(follow));
}

/// Hands on what the feed says. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    merchants: Mutex<HashMap<MerchantId, Sender<ShopId>>>,
    open: Mutex<HashMap<UserId, VecDeque<CancellationToken>>>,
    stop: CancellationToken,
}

impl Hub {
    fn new() -> Self {
        Self(Arc::new(Inner { merchants: Mutex::default(), open: Mutex::default(), stop: CancellationToken::new() }))
    }

    /// Begins to listen, on the runtime that this is called on, until [`Hub::stop`].
    pub(crate) fn start(mut feed: LiveFeed) -> Self {
        let hub = Self::new();
        let listener = hub.clone();
        tokio::spawn(async move {
            while let Some(event) = listener.0.stop.run_until_cancelled(feed.next()).await {
                listener.tell(event);
            }
        });
        hub
    }

    /// Ends every stream.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    fn tell(&self, event: LiveEvent) {
        let mut merchants = self.0.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            // What moved meanwhile is unknown: a closed channel ends its streams, and browsers come back and look.
            LiveEvent::Connected => merchants.clear(),
            LiveEvent::Moved(merchant, shop) => {
                if merchants.get(&merchant).is_some_and(|pages| pages.send(shop).is_err()) {
                    // Nobody looks any more.
                    merchants.remove(&merchant);
                }
            }
        }
    }

    /// Opens a stream for somebody, in place of that person's oldest if there are many.
    fn follow(&self, merchant: MerchantId, user: UserId, shops: HashSet<ShopId>) -> Page {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = open.entry(user).or_default();
        if pages.len() >= PAGES
            && let Some(oldest) = pages.pop_front()
        {
            oldest.cancel();
        }
        let stop = self.0.stop.child_token();
        pages.push_back(stop.clone());
        let mut merchants = self.0.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        let moves = merchants.entry(merchant).or_insert_with(|| broadcast::channel(BEHIND).0).subscribe();
        Page { hub: self.clone(), user, stop, shops, moves, until: Instant::now() + LONGEST, is_new: true }
    }
}

/// An open page, until it is dropped.
struct Page {
    hub: Hub,
    user: UserId,
    stop: CancellationToken,
    shops: HashSet<ShopId>,
    moves: Receiver<ShopId>,
    until: Instant,
    is_new: bool,
}

impl Drop for Page {
    fn drop(&mut self) {
        let mut open = self.hub.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.cancel();
        if let Some(pages) = open.get_mut(&self.user) {
            pages.retain(|page| !page.is_cancelled());
            if pages.is_empty() {
                open.remove(&self.user);
            }
        }
    }
}

impl Page {
    /// Returns what the page is told next; none when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.is_new) {
            // How long the browser waits before it comes back.
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        let (stop, until) = (self.stop.clone(), self.until);
        tokio::select! {
            () = stop.cancelled() => None,
            () = sleep_until(until) => None,
            told = self.told() => told,
        }
    }

    /// Waits until something moved in one of the shops, and for what moves right after it; none when nobody will tell.
    async fn told(&mut self) -> Option<Bytes> {
        // What moves in shops that the page does not show is no sign of life.
        let silent_until = Instant::now() + HEARTBEAT;
        loop {
            match timeout_at(silent_until, self.moves.recv()).await {
                Ok(Ok(shop)) if !self.shops.contains(&shop) => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => break,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_silence) => return Some(Bytes::from_static(b":\n\n")),
            }
        }
        tokio::time::sleep(GATHER).await;
        while !matches!(self.moves.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        Some(Bytes::from_static(b"event: moved\ndata: 1\n\n"))
    }
}

/// Opens the stream of a page.
async fn follow(request: HttpRequest, product: web::Data<Product>, hub: web::Data<Hub>) -> HttpResponse {
    let Some((visitor, ctx)) = Visitor::of(&request).and_then(|visitor| Some((visitor.clone(), visitor.ctx()?))) else {
        return refuse(&request, StatusCode::UNAUTHORIZED, "session.missing");
    };
    let Some(member) = ctx.member().filter(|_| ctx.may(Permission::ShowOrders)) else {
        return refuse(&request, StatusCode::FORBIDDEN, "permission.missing");
    };
    let named = form_urlencoded::parse(request.query_string().as_bytes()).find(|(name, _)| name == "shop");
    let named = named.and_then(|(_, shop)| shop.parse().ok());
    let shops = match console::shops_of_mode(&product, &visitor, &ctx, named).await {
        Ok(shops) => shops,
        Err(stop) => return stop.answer(&request),
    };
    let page = hub.follow(ctx.merchant, member.user, shops);
    let told = stream::unfold(page, async |mut page| page.next().await.map(|told| (Ok::<_, Error>(told), page)));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // A compressor would hold events back until it has a block of them, and so would a proxy.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_page_hears_of_its_own_shops_once_for_a_burst_and_of_no_others() {
        let hub = Hub::new();
        let (merchant, user) = (MerchantId::generate(), UserId::generate());
        let (mine, hidden) = (ShopId::generate(), ShopId::generate());
        let mut page = hub.follow(merchant, user, HashSet::from([mine]));
        assert_eq!(page.next().await.unwrap(), "retry: 2000\n\n");

        hub.tell(LiveEvent::Moved(merchant, hidden));
        hub.tell(LiveEvent::Moved(MerchantId::generate(), mine));
        assert_eq!(page.next().await.unwrap(), ":\n\n", "nothing but a sign of life");
        for _ in 0..BEHIND * 2 {
            hub.tell(LiveEvent::Moved(merchant, mine));
        }
        assert_eq!(page.next().await.unwrap(), "event: moved\ndata: 1\n\n");
        assert_eq!(page.next().await.unwrap(), ":\n\n", "the burst was one");
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_in_time_with_the_process_and_when_something_may_have_been_missed() {
        let hub = Hub::new();
        let follow = || hub.follow(MerchantId::generate(), UserId::generate(), HashSet::new());
        let begun = Instant::now();
        let mut page = follow();
        while page.next().await.is_some() {}
        assert_eq!(begun.elapsed(), LONGEST);

        let (mut missed, mut stopped) = (follow(), follow());
        assert!(missed.next().await.is_some() && stopped.next().await.is_some());
        hub.tell(LiveEvent::Connected);
        assert_eq!(missed.next().await, None);
        hub.stop();
        assert_eq!(stopped.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_page_too_many_ends_the_oldest_of_that_person_and_of_nobody_else() {
        let hub = Hub::new();
        let (merchant, user) = (MerchantId::generate(), UserId::generate());
        let follow = |user| hub.follow(merchant, user, HashSet::new());
        let mut other = follow(UserId::generate());
        let mut pages: Vec<Page> = (0..PAGES).map(|_| follow(user)).collect();
        for page in pages.iter_mut().chain([&mut other]) {
            page.next().await.unwrap();
        }
        drop(pages.pop());
        pages.push(follow(user));
        assert_eq!(pages[0].next().await.unwrap(), ":\n\n", "the place of a page that was left is free");
        pages.push(follow(user));
        assert_eq!(pages[0].next().await, None);
        assert!(pages[1].next().await.is_some() && other.next().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_in_hidden_shops_does_not_put_off_the_sign_of_life() {
        let hub = Hub::new();
        let merchant = MerchantId::generate();
        let mut page = hub.follow(merchant, UserId::generate(), HashSet::new());
        page.next().await.unwrap();
        let (begun, busy) = (Instant::now(), hub.clone());
        let moving = tokio::spawn(async move {
            loop {
                busy.tell(LiveEvent::Moved(merchant, ShopId::generate()));
                tokio::time::sleep(HEARTBEAT / 4).await;
            }
        });
        assert_eq!(page.next().await.unwrap(), ":\n\n");
        assert_eq!(begun.elapsed(), HEARTBEAT);
        moving.abort();
    }
}
