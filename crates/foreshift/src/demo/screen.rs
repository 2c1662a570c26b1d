//! Where the demo is shown: bars on a terminal, lines elsewhere, nothing where only JSON is wanted.

use std::io::{self, IsTerminal};

use foreshift_domain::Duration;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::render::{self, View};
use crate::cli::output;
use crate::cli::render::Paint;

/// Frames a second at most.
const FRAMES_PER_S: u8 = 12;
/// Without a terminal the state of all targets is a line, this often in recorded time.
const STATUS_EVERY: Duration = Duration::from_secs(30);

/// Where the demo is shown.
pub(super) enum Screen {
    /// Bars that are redrawn, with lines above them.
    Bars(Bars),
    /// Lines on stdout.
    Lines { next_status: Duration },
    /// Nothing.
    Nothing,
}

/// Bars on a terminal: one line for each target, and one for the time.
pub(super) struct Bars {
    all: MultiProgress,
    targets: Vec<ProgressBar>,
    time: ProgressBar,
    paint: Paint,
}

impl Screen {
    /// With `json`, stdout belongs to the JSON, and bars are drawn on stderr if that is a terminal.
    pub(super) fn new(json: bool, targets: usize, length: Duration) -> anyhow::Result<Self> {
        let target = match (json, io::stdout().is_terminal(), io::stderr().is_terminal()) {
            (false, true, _) => ProgressDrawTarget::stdout_with_hz(FRAMES_PER_S),
            (false, false, _) => {
                return Ok(Self::Lines {
                    next_status: Duration::ZERO,
                });
            }
            (true, _, true) => ProgressDrawTarget::stderr_with_hz(FRAMES_PER_S),
            (true, _, false) => return Ok(Self::Nothing),
        };
        let paint = if json { Paint::new(false) } else { output::paint() };
        Ok(Self::Bars(Bars::new(target, targets, length, paint)?))
    }

    /// Colours of the lines that are shown.
    pub(super) fn paint(&self) -> Paint {
        match self {
            Self::Bars(bars) => bars.paint,
            Self::Lines { .. } | Self::Nothing => Paint::new(false),
        }
    }

    /// Shows a line that stays.
    pub(super) fn say(&self, line: &str) -> anyhow::Result<()> {
        match self {
            // An empty line would be left out.
            Self::Bars(bars) => Ok(bars.all.println(if line.is_empty() { " " } else { line })?),
            Self::Lines { .. } => output::emit(&format!("{line}\n")),
            Self::Nothing => Ok(()),
        }
    }

    /// Shows the newest state.
    pub(super) fn draw(&mut self, view: &View) -> anyhow::Result<()> {
        match self {
            Self::Bars(bars) => bars.draw(view),
            Self::Lines { next_status } => {
                if view.reached < *next_status {
                    return Ok(());
                }
                while *next_status <= view.reached {
                    *next_status = *next_status + STATUS_EVERY;
                }
                output::emit(&render::status_line(view))?;
            }
            Self::Nothing => {}
        }
        Ok(())
    }

    /// Removes what is redrawn; lines stay.
    pub(super) fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.time.finish_and_clear();
            bars.targets.iter().for_each(ProgressBar::finish_and_clear);
        }
    }
}

impl Bars {
    fn new(
        target: ProgressDrawTarget,
        targets: usize,
        length: Duration,
        paint: Paint,
    ) -> anyhow::Result<Self> {
        let all = MultiProgress::with_draw_target(target);
        let line = ProgressStyle::with_template("{wide_msg}")?;
        let targets = (0..targets)
            .map(|_| all.add(ProgressBar::new(0).with_style(line.clone())))
            .collect();
        let style = ProgressStyle::with_template("[{bar:40}] {wide_msg}")?.progress_chars("=> ");
        let millis = u64::try_from(length.as_micros() / 1_000).unwrap_or_default();
        let time = all.add(ProgressBar::new(millis).with_style(style));
        Ok(Self {
            all,
            targets,
            time,
            paint,
        })
    }

    fn draw(&self, view: &View) {
        for (bar, line) in self.targets.iter().zip(render::target_lines(view, self.paint)) {
            bar.set_message(line);
        }
        self.time
            .set_position(u64::try_from(view.reached.as_micros() / 1_000).unwrap_or_default());
        self.time.set_message(render::progress(view));
    }
}
