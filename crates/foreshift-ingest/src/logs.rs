//! The log reader that the decoders of a process share: a template has one id and one class wherever its lines come
//! from, and is private until all sources together have shown it often enough.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foreshift_logs::{LogReader, ReaderInvalid, ReaderSettings};

/// A log reader, shared. Held for one record at a time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs(Arc<Mutex<LogReader>>);

impl Logs {
    /// A reader that has seen nothing.
    ///
    /// # Errors
    /// When its tables cannot be used, which a test excludes.
    pub fn new(settings: ReaderSettings) -> Result<Self, ReaderInvalid> {
        Ok(Self::from(LogReader::new(settings)?))
    }

    /// The reader, for as long as the guard is held: decoders wait meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, LogReader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<LogReader> for Logs {
    fn from(reader: LogReader) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }
}
