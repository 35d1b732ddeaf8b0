//! Takes a merchant's data out: a zip of CSV files that is made while it is downloaded and kept nowhere.
//!
//! ```text
//! files::send: pages of rows, each in a short transaction ──► pack: a thread that zips ──► the download
//! ```
//! Both channels are short, so who downloads slowly slows the reading down, and who stops ends it. A file is whole or the
//! download breaks off: the archive's end is written for the piece `End` only. Contents of cards are not in it, whoever
//! asks; a member limited to shops takes out what belongs to those.

mod files;
mod pack;

use std::io;

use kamiflow_kernel::Permission;
use serde_json::json;
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Pieces that wait for the packer.
const PIECES_AHEAD: usize = 4;
/// Blocks that wait for who downloads.
const BLOCKS_AHEAD: usize = 8;

/// What is downloaded, block by block; an error ends it before it is whole.
pub type Download = mpsc::Receiver<io::Result<Vec<u8>>>;

/// Begins an export of all the actor sees.
///
/// # Errors
/// When the actor may not take data out, a fresh proof is needed, or the store fails.
pub async fn export(engine: &Engine, accounts: &Accounts, ctx: &Ctx) -> Result<Download, ActError> {
    ctx.require(Permission::Export)?;
    ctx.require_sudo()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let is_limited = ctx.shops().is_some();
    acts::record(&mut tx, ctx, "export.start", ctx.merchant, json!({ "some_shops_only": is_limited })).await?;
    tx.commit().await?;
    let (pieces, waiting) = mpsc::channel(PIECES_AHEAD);
    let (blocks, download) = mpsc::channel(BLOCKS_AHEAD);
    let (engine, accounts, ctx) = (engine.clone(), accounts.clone(), ctx.clone());
    tokio::spawn(async move { files::send(&engine, &accounts, &ctx, pieces).await });
    tokio::task::spawn_blocking(move || pack::pack(waiting, &blocks));
    Ok(download)
}
