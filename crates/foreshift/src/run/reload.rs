//! Hot reload of the fallback configuration. A bad file keeps the old one in force, and says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::Digest;
use foreshift_domain::fallback::Fallback;
use tokio::sync::{mpsc, watch};

/// How often the file is looked at. Mounted configuration changes by renaming, which file watchers miss.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Follows the file until the process stops.
pub(crate) fn watch(path: PathBuf, to: mpsc::Sender<Arc<Fallback>>, mut stopping: watch::Receiver<bool>) {
    tokio::spawn(async move {
        let mut known = content(&path);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = content(&path);
            if now.is_none() || now == known {
                continue;
            }
            known = now;
            if let Some(fallback) = read(&path) {
                tracing::info!(path = %path.display(), digest = %fallback.digest, "a new fallback configuration");
                if to.send(Arc::new(fallback)).await.is_err() {
                    return;
                }
            }
        }
    });
}

fn content(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

fn read(path: &Path) -> Option<Fallback> {
    let checked = foreshift_config::load_fallback(path)
        .map_err(|errors| errors.to_string())
        .and_then(|loaded| {
            foreshift_config::refuse_for_live(&loaded.value)?;
            Ok(loaded)
        });
    match checked {
        Ok(loaded) => {
            loaded
                .warnings
                .iter()
                .for_each(|warning| tracing::warn!("{warning}"));
            Some(loaded.value)
        }
        Err(errors) => {
            tracing::error!(path = %path.display(), "the new fallback configuration is refused, the old one stays:\n{errors}");
            None
        }
    }
}
