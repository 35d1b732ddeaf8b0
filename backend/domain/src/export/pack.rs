//! Zips pieces as they come.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use super::files::{Broken, Piece};

/// How long a block waits for who downloads.
const STALLED: Duration = Duration::from_secs(60);
/// Bytes of a block.
const BLOCK: usize = 64 * 1024;

type Archive = ZipWriter<StreamWriter<BufWriter<Outlet>>>;

/// Hands blocks on to who downloads.
struct Outlet(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // This thread is one of few: who stops reading must not keep it.
        let sending = tokio::time::timeout(STALLED, self.0.send(Ok(bytes.to_vec())));
        match Handle::current().block_on(sending) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_gone)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs until the end, or breaks the download off. Called on a thread that may wait.
pub(super) fn pack(mut pieces: mpsc::Receiver<Result<Piece, Broken>>, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    // Kept for the last word, which must come through to who has stalled.
    let last_word = blocks.clone().try_reserve_owned().ok();
    let mut archive = ZipWriter::new_stream(BufWriter::with_capacity(BLOCK, Outlet(blocks.clone())));
    if let Err(error) = fill(&mut archive, &mut pieces) {
        // Told before the archive is dropped, which would write an end to it.
        let _sent = last_word.map(|place| place.send(Err(error)));
        return;
    }
    let ended = archive.finish().map_err(io::Error::other).and_then(|written| written.into_inner().flush());
    if let Err(error) = ended {
        let _sent = last_word.map(|place| place.send(Err(error)));
    }
}

fn fill(archive: &mut Archive, pieces: &mut mpsc::Receiver<Result<Piece, Broken>>) -> io::Result<()> {
    loop {
        // Nobody to send any more, and no end was sent: whoever reads has failed.
        let piece = pieces.blocking_recv().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        match piece.map_err(io::Error::other)? {
            Piece::File(name) => {
                let options = SimpleFileOptions::default().large_file(true);
                archive.start_file(name, options).map_err(io::Error::other)?;
            }
            Piece::Lines(lines) => archive.write_all(&lines)?,
            Piece::End => return Ok(()),
        }
    }
}
