//! Zips pieces as they come.

use std::io::{self, BufWriter, Write};

use tokio::sync::mpsc;
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use super::files::{Broken, Piece};

/// Bytes of a block.
const BLOCK: usize = 64 * 1024;

type Archive = ZipWriter<StreamWriter<BufWriter<Outlet>>>;

/// Hands blocks on to who downloads.
struct Outlet(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_error| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(bytes.to_vec())).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs until the end, or breaks the download off. Called on a thread that may wait.
pub(super) fn pack(mut pieces: mpsc::Receiver<Result<Piece, Broken>>, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut archive = ZipWriter::new_stream(BufWriter::with_capacity(BLOCK, Outlet(blocks.clone())));
    if let Err(error) = fill(&mut archive, &mut pieces) {
        // Told before the archive is dropped, which would write an end to it.
        let _gone = blocks.blocking_send(Err(error));
        return;
    }
    let ended = archive.finish().map_err(io::Error::other).and_then(|written| written.into_inner().flush());
    if let Err(error) = ended {
        let _gone = blocks.blocking_send(Err(error));
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
