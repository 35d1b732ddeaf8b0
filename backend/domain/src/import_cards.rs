//! Imports a file of cards into a pool: all of it, or what of it is good; a repeated import finds the first one.

use std::io::{self, Read, Seek};

use kamiflow_kernel::{BatchId, Permission, PoolId};
use kamiflow_store::cards::{BatchRow, BatchSource, NewBatch, SealedCard};
use kamiflow_store::{DataKey, SealError, StoreError, cards};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::acts;
use crate::card_file::{
    CardFileError, CardFileReader, CardLine, CardRow, FileKind, ImportReport, Limits, NumberHashKey, ReadOptions,
    Reason, RejectedLine, Separator, TextEncoding,
};
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::pool_access;
use crate::stock_in::{self, PORTIONS_AHEAD, StockIn};

/// What becomes of a file that has bad lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// One bad line, and nothing is imported.
    AllOrNothing,
    /// Bad lines are reported, the others are imported.
    SkipBad,
}

/// What the merchant says about the file; what is `None` is found out from it.
#[derive(Debug, Clone, Default)]
pub struct FileChoices {
    /// What stands between the fields.
    pub separator: Option<Separator>,
    /// The encoding of a text file.
    pub encoding: Option<TextEncoding>,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// How large the file may be.
    pub limits: Limits,
}

/// The request. The file is on this machine: an upload is received in full before it is imported.
#[derive(Debug)]
pub struct ImportCards<R> {
    /// Into which pool.
    pub pool: PoolId,
    /// The caller's id of this import: with pool and the file's hash it makes a repetition harmless.
    pub caller_id: String,
    /// The file's name.
    pub file_name: String,
    /// The file.
    pub file: R,
    /// What the merchant says about it.
    pub choices: FileChoices,
    /// How often each card may be used, from 1 to 1000.
    pub uses_permitted: i32,
    /// What becomes of a file that has bad lines.
    pub mode: ImportMode,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCards {
    /// The batch; `None` when no card was imported.
    pub batch: Option<BatchId>,
    /// Cards imported.
    pub accepted: u64,
    /// Lines refused.
    pub rejected: u64,
    /// Every refused line with its reason; `None` for a repetition, whose file is not read again.
    pub report: Option<ImportReport>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportCardsError {
    /// The file as a whole cannot be read.
    #[error("the file cannot be imported")]
    File(#[from] CardFileError),
    /// The file has no line that could be a card.
    #[error("the file has no cards")]
    Empty,
    /// Not from 1 to 1000.
    #[error("{0} uses of a card are not possible; choose 1 to 1000")]
    UsesPermitted(i32),
    /// The pool does not exist for this merchant.
    #[error("the card pool was not found")]
    PoolUnknown,
    /// The connection was lost at the end and nothing was stored: the same import may be repeated.
    #[error("the cards were not stored; import the file again")]
    NotStored(#[source] StoreError),
    /// The thread that reads the file ended early.
    #[error("the import was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the cards could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ImportCardsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::PoolUnknown,
            other => Self::Store(other),
        }
    }
}

/// Imports a file. Under [`ImportMode::AllOrNothing`] a file with bad lines is a success without a batch.
///
/// # Errors
/// See [`ImportCardsError`]; nothing was imported then.
pub async fn import_cards<R>(
    engine: &Engine,
    ctx: &Ctx,
    request: ImportCards<R>,
) -> Result<ImportedCards, ImportCardsError>
where
    R: Read + Seek + Send + 'static,
{
    ctx.require(Permission::ManageCards)?;
    if !(1..=1000).contains(&request.uses_permitted) {
        return Err(ImportCardsError::UsesPermitted(request.uses_permitted));
    }
    pool_access::require(engine, ctx, request.pool).await?;
    let mut file = request.file;
    let (file, hash) = tokio::task::spawn_blocking(move || hash(&mut file).map(|hash| (file, hash)))
        .await?
        .map_err(CardFileError::from)?;
    // The same file into another pool is another import.
    let key = format!("{}:{}:{}", request.caller_id, request.pool, hex(&hash));
    if let Some(batch) = stock_in::find(engine, ctx, &key).await? {
        return Ok(repeated(&batch));
    }
    let batch = NewBatch {
        id: BatchId::generate(),
        pool: request.pool,
        source: BatchSource::Import,
        idempotency_key: &key,
        file_name: &request.file_name,
        file_hash: Some(&hash),
        at: ctx.now,
    };
    let stock = match StockIn::begin(engine, ctx, &batch, request.uses_permitted, "imported").await {
        Err(error) if stock_in::is_repeated(&error) => return read_again(engine, ctx, &key, error).await,
        stock => stock?,
    };
    let source = Source {
        file,
        options: options(ctx, &request.file_name, request.choices),
        portion: StockIn::portion(request.uses_permitted),
    };
    let import = Import { stock, report: ImportReport::default(), mode: request.mode, storing: true };
    let import = import.run(source).await?;
    import.finish(engine, ctx, &batch).await
}

fn options(ctx: &Ctx, file_name: &str, choices: FileChoices) -> ReadOptions {
    ReadOptions {
        kind: FileKind::from_file_name(file_name),
        separator: choices.separator,
        encoding: choices.encoding,
        sheet: choices.sheet,
        limits: choices.limits,
        ..ReadOptions::new(ctx.now, NumberHashKey::new(rand::random()))
    }
}

fn repeated(batch: &BatchRow) -> ImportedCards {
    let count = |n: i32| u64::try_from(n).unwrap_or(0);
    ImportedCards {
        batch: Some(batch.id),
        accepted: count(batch.accepted),
        rejected: count(batch.rejected),
        report: None,
        wakes: Vec::new(),
    }
}

async fn read_again(
    engine: &Engine,
    ctx: &Ctx,
    key: &str,
    error: StoreError,
) -> Result<ImportedCards, ImportCardsError> {
    match stock_in::find_after_lost_commit(engine, ctx, key).await? {
        Some(batch) => Ok(repeated(&batch)),
        None => Err(ImportCardsError::NotStored(error)),
    }
}

/// A file that is read and sealed on a thread of its own.
struct Source<R> {
    file: R,
    options: ReadOptions,
    portion: usize,
}

/// Some lines of the file.
#[derive(Default)]
struct Portion {
    lines: Vec<u64>,
    cards: Vec<SealedCard>,
    rejected: Vec<RejectedLine>,
}

impl<R: Read> Source<R> {
    fn read(self, key: &DataKey, portions: &mpsc::Sender<Portion>) -> Result<(), ImportCardsError> {
        let mut portion = Portion::default();
        for row in CardFileReader::open(self.file, self.options)? {
            match row? {
                CardRow::Card(card) => {
                    portion.lines.push(card.line);
                    portion.cards.push(seal(key, &card).map_err(StoreError::from)?);
                }
                CardRow::Rejected(line) => portion.rejected.push(line),
            }
            // The other side is gone when the store failed; its error is the one that counts.
            if portion.lines.len() + portion.rejected.len() >= self.portion
                && portions.blocking_send(std::mem::take(&mut portion)).is_err()
            {
                return Ok(());
            }
        }
        let _ = portions.blocking_send(portion);
        Ok(())
    }
}

fn seal(key: &DataKey, card: &CardLine) -> Result<SealedCard, SealError> {
    SealedCard::seal(key, &card.number, card.secret.as_ref(), card.expires_at)
}

/// An import under way.
struct Import {
    stock: StockIn,
    report: ImportReport,
    mode: ImportMode,
    /// False once a bad line has decided that nothing is imported: from there lines are only checked.
    storing: bool,
}

impl Import {
    async fn run<R>(mut self, source: Source<R>) -> Result<Self, ImportCardsError>
    where
        R: Read + Send + 'static,
    {
        let (sender, mut portions) = mpsc::channel(PORTIONS_AHEAD);
        let key = std::sync::Arc::clone(&self.stock.key);
        let reader = tokio::task::spawn_blocking(move || source.read(&key, &sender));
        while let Some(portion) = portions.recv().await {
            self.take(portion).await?;
        }
        reader.await??;
        Ok(self)
    }

    async fn take(&mut self, portion: Portion) -> Result<(), ImportCardsError> {
        if !portion.rejected.is_empty() {
            self.refuse_all().await?;
        }
        for line in portion.rejected {
            self.report.reject(line);
        }
        let fresh =
            if self.storing { self.stock.insert(&portion.cards).await? } else { self.check(&portion.cards).await? };
        if fresh.contains(&false) {
            self.refuse_all().await?;
        }
        for (line, fresh) in portion.lines.into_iter().zip(fresh) {
            if fresh {
                self.report.accept();
            } else {
                self.report.reject(RejectedLine { line, reason: Reason::DuplicateInStock });
            }
        }
        Ok(())
    }

    async fn refuse_all(&mut self) -> Result<(), StoreError> {
        if self.storing && self.mode == ImportMode::AllOrNothing {
            self.storing = false;
            self.stock.take_back().await?;
        }
        Ok(())
    }

    /// Finds duplicates against stock without storing anything.
    async fn check(&mut self, portion: &[SealedCard]) -> Result<Vec<bool>, StoreError> {
        let hashes: Vec<&[u8; 32]> = portion.iter().map(SealedCard::number_hash).collect();
        let mut known = cards::list_known_hashes(&mut self.stock.tx, &hashes).await?;
        known.sort_unstable();
        let is_known = |hash: &[u8; 32]| known.binary_search_by(|known| known.as_slice().cmp(hash)).is_ok();
        Ok(hashes.into_iter().map(|hash| !is_known(hash)).collect())
    }

    async fn finish(
        mut self,
        engine: &Engine,
        ctx: &Ctx,
        batch: &NewBatch<'_>,
    ) -> Result<ImportedCards, ImportCardsError> {
        let rejected = self.report.rejected_count();
        let accepted = u64::try_from(self.stock.accepted()).unwrap_or(u64::MAX);
        if accepted == 0 {
            // Nothing to store; the transaction ends without a commit.
            return if rejected == 0 {
                Err(ImportCardsError::Empty)
            } else {
                Ok(ImportedCards { batch: None, accepted: 0, rejected, report: Some(self.report), wakes: Vec::new() })
            };
        }
        let detail = json!({ "pool": batch.pool, "accepted": accepted, "rejected": rejected });
        acts::record(&mut self.stock.tx, ctx, "cards.import", batch.id, detail).await?;
        match self.stock.commit(ctx, rejected).await {
            Ok(wakes) => {
                Ok(ImportedCards { batch: Some(batch.id), accepted, rejected, report: Some(self.report), wakes })
            }
            Err(error @ StoreError::CommitUnknown(_)) => {
                let stored = read_again(engine, ctx, batch.idempotency_key, error).await?;
                Ok(ImportedCards { report: Some(self.report), ..stored })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn hash(file: &mut (impl Read + Seek)) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    file.rewind()?;
    Ok(hasher.finalize().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
