//! A progress bar on a terminal; silence elsewhere.

use foreshift_ingest::source::CsvProgress;
use indicatif::{ProgressBar, ProgressStyle};

/// How far a replay has come.
pub(crate) struct Progress {
    bar: ProgressBar,
    bytes: Option<CsvProgress>,
}

impl Progress {
    /// By bytes of the file read.
    pub(crate) fn bytes(bytes: CsvProgress) -> Self {
        let bar = ProgressBar::new(bytes.total_bytes);
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} % of {total_bytes}, {eta} left");
        Self {
            bar: style.map_or(bar.clone(), |style| bar.with_style(style)),
            bytes: Some(bytes),
        }
    }

    /// Without a known end.
    pub(crate) fn spinner() -> Self {
        Self {
            bar: ProgressBar::new_spinner(),
            bytes: None,
        }
    }

    /// By steps of a known number.
    pub(crate) fn steps(what: &str, of: usize) -> Self {
        let bar = ProgressBar::new(of as u64).with_message(what.to_owned());
        let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}, {eta} left");
        Self {
            bar: style.map_or(bar.clone(), |style| bar.with_style(style)),
            bytes: None,
        }
    }

    /// Draws how many steps are done.
    pub(crate) fn reach(&self, steps: usize) {
        self.bar.set_position(steps as u64);
    }

    /// Draws what has been reached.
    pub(crate) fn show(&self) {
        match &self.bytes {
            Some(bytes) => self.bar.set_position(bytes.read_bytes()),
            None => self.bar.tick(),
        }
    }

    /// Prints a line beside the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
