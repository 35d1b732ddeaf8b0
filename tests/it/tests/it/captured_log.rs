//! What the product logs in this process, for tests that look for what must not be in it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, filter};

/// What was logged, as text.
#[derive(Clone, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    /// Begins, at every level of our own crates: for the whole process, because files are read and requests are answered
    /// on other threads.
    pub(crate) fn begin() -> Self {
        static LOG: OnceLock<CapturedLog> = OnceLock::new();
        let begin = || {
            let log = Self::default();
            let ours = filter::filter_fn(|event| event.target().starts_with("kamiflow"));
            let layer = fmt::layer().with_ansi(false).with_writer(log.clone()).with_filter(ours);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
            log
        };
        LOG.get_or_init(begin).clone()
    }

    /// Returns what was logged so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for CapturedLog {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
