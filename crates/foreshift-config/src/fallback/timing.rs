//! The time scales: what must hold between them.

use foreshift_domain::Duration;
use foreshift_domain::fallback::Timing;

use super::file::TimingFile;
use crate::report::Report;
use crate::text::Span;
use crate::tree::At;

/// The shortest bucket: below it a bucket of one request tells nothing, and buckets cost memory.
const MIN_BUCKET: Duration = Duration::from_millis(100);
/// The most buckets in the longest window, of which each target keeps what it saw.
const MAX_WINDOW_BUCKETS: i64 = 100_000;

pub(super) fn timing(file: &TimingFile, at: &At, report: &mut Report<'_>) -> Timing {
    let bucket = file.bucket.0;
    report.require(
        bucket >= MIN_BUCKET,
        &at.key("bucket"),
        format!("must be at least {MIN_BUCKET}, is {bucket}"),
        "1s is usual; 1m for monitors that probe every few minutes",
    );
    // Everything below divides by the bucket.
    let multiple = |span: Duration| {
        bucket.is_positive() && span.is_positive() && span.as_micros() % bucket.as_micros() == 0
    };
    report.require(
        multiple(file.tick.0),
        &at.key("tick"),
        format!(
            "must be a multiple of timing.bucket ({bucket}), is {}",
            file.tick.0
        ),
        "predictions are made from whole buckets",
    );
    horizons(file, at, report);
    windows(file, at, multiple, report);
    report.require(
        file.staleness.0 >= bucket,
        &at.key("staleness"),
        format!(
            "must be at least timing.bucket ({bucket}), is {}",
            file.staleness.0
        ),
        "telemetry is never younger than the bucket it waits in",
    );
    report.require(
        file.forget_after.0 >= file.staleness.0,
        &at.key("forget_after"),
        format!(
            "must be at least timing.staleness ({}), is {}",
            file.staleness.0, file.forget_after.0
        ),
        "a target may be forgotten only after it is stale",
    );
    Timing {
        bucket,
        tick: file.tick.0,
        horizons: file.horizons.iter().map(|span| span.0).collect(),
        guard: file.guard.0,
        windows: file.windows.map(|span| span.0),
        cooldown: file.cooldown.0,
        staleness: file.staleness.0,
        forget_after: file.forget_after.0,
    }
}

fn horizons(file: &TimingFile, at: &At, report: &mut Report<'_>) {
    let at = at.key("horizons");
    report.require(
        ascending(&file.horizons),
        &at,
        "must ascend, each longer than the one before",
        "sort them and remove what is there twice",
    );
    for (i, horizon) in file.horizons.iter().enumerate() {
        report.require(
            horizon.0 > file.guard.0 && horizon.0 >= file.bucket.0,
            &at.index(i),
            format!(
                "must be longer than timing.guard ({}) and not shorter than timing.bucket ({}), is {}",
                file.guard.0, file.bucket.0, horizon.0
            ),
            "a prediction looks at what lies between guard and horizon",
        );
    }
}

fn windows(file: &TimingFile, at: &At, multiple: impl Fn(Duration) -> bool, report: &mut Report<'_>) {
    let at = at.key("windows");
    report.require(
        ascending(&file.windows),
        &at,
        "must ascend, each longer than the one before",
        "sort them and remove what is there twice",
    );
    for (i, window) in file.windows.iter().enumerate() {
        report.require(
            multiple(window.0),
            &at.index(i),
            format!(
                "must be a multiple of timing.bucket ({}), is {}",
                file.bucket.0, window.0
            ),
            "windows are made of whole buckets",
        );
        report.require(
            window.0.as_micros() / file.bucket.0.as_micros().max(1) <= MAX_WINDOW_BUCKETS,
            &at.index(i),
            format!("has more than {MAX_WINDOW_BUCKETS} buckets of {}", file.bucket.0),
            "shorten the window or lengthen timing.bucket",
        );
    }
}

fn ascending(spans: &[Span]) -> bool {
    spans.is_sorted_by(|a, b| a.0 < b.0)
}
