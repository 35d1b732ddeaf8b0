//! Pools and cards: counted, imported, listed without their contents, voided.

use std::io::Cursor;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use kamiflow_domain::api::repetition::IdempotencyKey;
use kamiflow_domain::card_file::{self, Separator};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::manage_cards::{CardAction, ManageCards, Unchanged, manage_cards};
use kamiflow_domain::stock_pages::{list_cards, list_pools, show_pool};
use kamiflow_kernel::{ApiScope, BatchId, CardId, PoolId};
use zeroize::Zeroizing;

use super::errors::not_found;
use super::input::{Asked, Body, Caller, Named};
use super::pages;
use super::wire::PageQuery;
use super::wire::cards::{Card, CardList, Import, Imported, Mode, NewCard, Pool, PoolList, Voided};
use crate::problem::{Problem, RejectedLine};

/// Refused lines that an answer names.
const NAMED: usize = 100;

/// Lists card pools with their stock, the oldest first
///
/// A test token knows the pools that serve sandbox shops only, a live token the others.
#[utoipa::path(get, path = "/api/v1/pools", operation_id = "list_pools", tag = "cards", params(PageQuery),
    security(("token" = ["cards:read"])), responses((status = 200, description = "A page of pools", body = PoolList)))]
pub(super) async fn pools(caller: Caller, query: Asked<PageQuery>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsRead)?;
    let pools = list_pools(&caller.product.engine, &caller.ctx).await?;
    let (pools, next) = pages::cut(pools, |pool| pool.pool, (query.0.limit, query.0.cursor.as_deref()))?;
    Ok(HttpResponse::Ok().json(PoolList { pools: pools.into_iter().map(Pool::from).collect(), next }))
}

/// Shows one card pool with its stock
#[utoipa::path(get, path = "/api/v1/pools/{pool}", operation_id = "show_pool", tag = "cards",
    params(("pool" = String, Path, description = "The pool's id", pattern = "^pool_[0-9a-f]{32}$")),
    security(("token" = ["cards:read"])), responses((status = 200, description = "The pool", body = Pool)))]
pub(super) async fn pool(caller: Caller, pool: Named<PoolId>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsRead)?;
    let pool = show_pool(&caller.product.engine, &caller.ctx, pool.0).await?;
    Ok(HttpResponse::Ok().json(Pool::from(pool)))
}

/// Imports cards into a pool
///
/// Orders that wait for stock are delivered at once. A number that is in stock already, or was, is refused.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/cards", operation_id = "import_cards", tag = "cards",
    request_body = Import,
    params(("pool" = String, Path, description = "The pool's id", pattern = "^pool_[0-9a-f]{32}$")),
    security(("token" = ["cards:write"])),
    responses((status = 201, description = "The cards are in stock", body = Imported)))]
pub(super) async fn import(
    request: HttpRequest,
    caller: Caller,
    pool: Named<PoolId>,
    body: Body<Import>,
) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsWrite)?;
    let pool = pool.0;
    let source = Source::of(&body.0)?;
    let import = ImportCards {
        pool,
        caller_id: caller_id(&request, &caller, pool),
        file_name: "api.txt".to_owned(),
        file: Cursor::new(source.text.as_bytes().to_vec()),
        choices: FileChoices { separator: source.separator, ..FileChoices::default() },
        uses_permitted: body.0.uses_permitted,
        mode: if body.0.mode == Mode::SkipBad { ImportMode::SkipBad } else { ImportMode::AllOrNothing },
    };
    let done = import_cards(&caller.product.engine, &caller.ctx, import).await?;
    caller.product.waker.wake(caller.ctx.merchant, &done.wakes).await;
    let rejected = done.report.as_ref().map(|report| report.rejected()).unwrap_or_default();
    let lines = rejected.iter().take(NAMED).map(|line| source.named(line)).collect();
    match done.batch {
        Some(batch) => {
            let (accepted, rejected) = (done.accepted, done.rejected);
            Ok(HttpResponse::Created().json(Imported { batch, accepted, rejected, lines }))
        }
        None => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cards.rejected", "No card was imported")
            .because(format!("{} lines cannot be taken; with mode skip_bad the others are", done.rejected))
            .rejecting(lines)),
    }
}

/// By it an import is found again whose answer was lost with the process.
fn caller_id(request: &HttpRequest, caller: &Caller, pool: PoolId) -> String {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.and_then(|key| key.parse::<IdempotencyKey>().ok());
    format!("{}:{pool}:{}", caller.ctx.actor.name(), key.as_ref().map(IdempotencyKey::as_str).unwrap_or_default())
}

/// The cards as the reader of files takes them.
struct Source {
    text: Zeroizing<String>,
    separator: Option<Separator>,
    /// Lines in front of the first card.
    heading: u64,
}

impl Source {
    fn of(import: &Import) -> Result<Self, Problem> {
        match (&import.cards, &import.text) {
            (Some(cards), None) => Ok(Self { text: table(cards), separator: Some(Separator::Comma), heading: 1 }),
            (None, Some(text)) => {
                Ok(Self { text: Zeroizing::new(text.expose().to_owned()), separator: None, heading: 0 })
            }
            _ => {
                let title = "The body names no cards, or twice";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cards.source", title)
                    .because("send either `cards` or `text`"))
            }
        }
    }

    fn named(&self, line: &card_file::RejectedLine) -> RejectedLine {
        RejectedLine {
            line: line.line.saturating_sub(self.heading).max(1),
            code: line.reason.code(),
            zh: line.reason.zh(),
            en: line.reason.en(),
        }
    }
}

/// Writes cards as a table with the columns that any of them has.
fn table(cards: &[NewCard]) -> Zeroizing<String> {
    let has_secrets = cards.iter().any(|card| card.secret.is_some());
    let has_expiries = cards.iter().any(|card| card.expires_at.is_some());
    let mut text = Zeroizing::new("number".to_owned());
    for (has, name) in [(has_secrets, ",secret"), (has_expiries, ",expires_at")] {
        text.push_str(if has { name } else { "" });
    }
    for card in cards {
        text.push('\n');
        push_quoted(&mut text, card.number.expose());
        if has_secrets {
            text.push(',');
            push_quoted(&mut text, card.secret.as_ref().map(|secret| secret.expose()).unwrap_or_default());
        }
        if has_expiries {
            text.push(',');
            push_quoted(&mut text, card.expires_at.as_deref().unwrap_or_default());
        }
    }
    text.push('\n');
    text
}

fn push_quoted(text: &mut String, field: &str) {
    text.push('"');
    for letter in field.chars() {
        if letter == '"' {
            text.push('"');
        }
        text.push(letter);
    }
    text.push('"');
}

/// Lists the cards of one import, the oldest first, their numbers masked
#[utoipa::path(get, path = "/api/v1/batches/{batch}/cards", operation_id = "list_cards", tag = "cards",
    params(("batch" = String, Path, description = "The import's id", pattern = "^bat_[0-9a-f]{32}$"), PageQuery),
    security(("token" = ["cards:read"])), responses((status = 200, description = "A page of cards", body = CardList)))]
pub(super) async fn list(
    caller: Caller,
    batch: Named<BatchId>,
    query: Asked<PageQuery>,
) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsRead)?;
    let limit = pages::limit(query.0.limit)?;
    let after = pages::place::<CardId>(query.0.cursor.as_deref())?;
    // One more than is shown tells whether there is a next page.
    let mut rows = list_cards(&caller.product.engine, &caller.ctx, batch.0, after, limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|last| pages::cursor(last.id));
    Ok(HttpResponse::Ok().json(CardList { cards: rows.into_iter().map(Card::from).collect(), next }))
}

/// Takes a card out of stock
///
/// Only a card that never left us: one that is claimed, or may have been sent, stays where it is (409).
#[utoipa::path(post, path = "/api/v1/cards/{card}/void", operation_id = "void_card", tag = "cards",
    params(("card" = String, Path, description = "The card's id", pattern = "^card_[0-9a-f]{32}$")),
    security(("token" = ["cards:write"])), responses((status = 200, description = "It is out of stock", body = Voided)))]
pub(super) async fn void(caller: Caller, card: Named<CardId>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsWrite)?;
    let card = card.0;
    let request = ManageCards { cards: vec![card], action: CardAction::Void };
    let done = manage_cards(&caller.product.engine, &caller.ctx, &request).await?;
    caller.product.waker.wake(caller.ctx.merchant, &done.wakes).await;
    let stays = |detail: String| {
        Problem::new(StatusCode::CONFLICT, "card.not_in_stock", "The card is claimed, or may have left us")
            .because(detail)
    };
    match done.unchanged.first() {
        None | Some((_, Unchanged::Already)) => Ok(HttpResponse::Ok().json(Voided { card })),
        Some((_, Unchanged::Unknown)) => Err(not_found()),
        Some((_, Unchanged::Exposed)) => Err(stays("a use of it may have left us".to_owned())),
        Some((_, Unchanged::InState(state))) => Err(stays(format!("a use of it is {state}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_a_table_of_the_columns_it_has() {
        let card = |number: &str, secret: Option<&str>, expires_at: Option<&str>| NewCard {
            number: number.into(),
            secret: secret.map(Into::into),
            expires_at: expires_at.map(str::to_owned),
        };
        assert_eq!(&*table(&[card("a", None, None)]), "number\n\"a\"\n");
        let both = [card("a,\"b", Some("s"), None), card("c", None, Some("2027-01-01"))];
        assert_eq!(&*table(&both), "number,secret,expires_at\n\"a,\"\"b\",\"s\",\"\"\n\"c\",\"\",\"2027-01-01\"\n");
    }
}
