//! The client: all that the demo knows of the run it reads from the server, as any client could.

use std::sync::Arc;
use std::time::{Duration as Wait, Instant};

use anyhow::{Context, bail};
use foreshift_domain::fallback::Fallback;
use foreshift_domain::published::Published;
use foreshift_domain::{Duration, Timestamp};
use foreshift_serve::client::{Client, ClientConfig, WeightNews, WeightStream};
use foreshift_sim::Recording;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::feed::Progress;
use super::moments::{Story, Timed};
use super::render::{self, TargetView, View};
use super::screen::Screen;
use super::stage;
use super::summary::Watched;

/// Time between two looks at the server's status, which publishes five times a second.
const LOOK_EVERY: Wait = Wait::from_millis(125);
/// At the end, without progress for this long after partitions count as idle, what is still missing will not come.
const GIVE_UP: Wait = Wait::from_secs(5);
/// Without any progress for this long in the middle, something is broken.
const STUCK: Wait = Wait::from_secs(60);
/// News of weights still under way when all else is over.
const LAST_NEWS: Wait = Wait::from_millis(300);

/// Follows the run until the recording is over.
pub(super) struct Viewer<'a> {
    recording: &'a Recording,
    fallback: Arc<Fallback>,
    story: Story,
    screen: &'a mut Screen,
    progress: Arc<Progress>,
    model: String,
    moved_at: Instant,
    give_up: Wait,
}

impl<'a> Viewer<'a> {
    pub(super) fn new(
        recording: &'a Recording,
        speed: f64,
        fallback: Arc<Fallback>,
        screen: &'a mut Screen,
        progress: Arc<Progress>,
    ) -> Self {
        let story = Story::new(Arc::clone(&fallback));
        let give_up = GIVE_UP + Wait::from_secs_f64(stage::idle_timeout(speed).as_secs_f64());
        let (model, moved_at) = (String::new(), Instant::now());
        Self {
            recording,
            fallback,
            story,
            screen,
            progress,
            model,
            moved_at,
            give_up,
        }
    }

    /// Watches a server until all of the recording has been seen.
    pub(super) async fn watch(mut self, server: String) -> anyhow::Result<Watched> {
        let client = Client::connect(ClientConfig {
            server,
            ..ClientConfig::default()
        })
        .await?;
        let mut news = client.watch_weights(&[]).await?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = news.next() => match told? {
                    Some(told) => self.take(told)?,
                    // The server ends streams of a certain age.
                    None => news = client.watch_weights(&[]).await?,
                },
                _ = look.tick() => {
                    let published = client.status().await.context("asking the server for its status")?;
                    self.look(&published)?;
                    if self.is_over()? {
                        break;
                    }
                }
            }
        }
        self.last_news(&mut news).await?;
        Ok(Watched {
            changes: self.story.changes().to_vec(),
            alarms: self.story.alarms().to_vec(),
            model: self.model,
            produced: self.progress.produced(),
            handled: self.progress.handled(),
        })
    }

    fn take(&mut self, news: WeightNews) -> anyhow::Result<()> {
        let mut moments = Vec::new();
        match news {
            WeightNews::Snapshot(routes) => {
                routes
                    .into_iter()
                    .for_each(|weights| self.story.weights(weights, &mut moments));
            }
            WeightNews::Changed(weights) => self.story.weights(weights, &mut moments),
            WeightNews::Removed(route) => bail!("the server removed the route {route}"),
        }
        self.tell(moments)
    }

    fn look(&mut self, published: &Published) -> anyhow::Result<()> {
        let handled = handled(published);
        if handled != self.progress.handled() {
            self.progress.set_handled(handled);
            self.moved_at = Instant::now();
        }
        if let Some(weights) = published.routes.values().next() {
            self.model = weights.model.to_string();
        }
        let mut moments = Vec::new();
        self.story.state(published, &mut moments);
        self.tell(moments)?;
        self.screen
            .draw(&view(self.recording, &self.fallback, published, handled))
    }

    fn tell(&self, mut moments: Vec<Timed>) -> anyhow::Result<()> {
        moments.sort_by_key(|timed| timed.at);
        let lines = moments
            .iter()
            .map(|timed| render::moment(timed, self.recording.start, self.screen.paint()));
        lines.into_iter().try_for_each(|line| self.screen.say(&line))
    }

    /// Whether all that was produced has been handled, or will not be any more.
    fn is_over(&self) -> anyhow::Result<bool> {
        let silent = self.moved_at.elapsed();
        if self.progress.is_finished() {
            return Ok(self.progress.handled() >= self.progress.produced() || silent >= self.give_up);
        }
        if silent >= STUCK {
            bail!("the engine has not been given anything for {} s", STUCK.as_secs());
        }
        Ok(false)
    }

    async fn last_news(&mut self, news: &mut WeightStream) -> anyhow::Result<()> {
        while let Ok(told) = timeout(LAST_NEWS, news.next()).await {
            match told? {
                Some(told) => self.take(told)?,
                None => break,
            }
        }
        let mut moments = Vec::new();
        self.story.finish(&mut moments);
        self.tell(moments)
    }
}

/// Signals and log lines that the engine was given.
fn handled(published: &Published) -> u64 {
    let count = |name: &str| published.counters.get(name).copied().unwrap_or_default();
    count("signals") + count("log_events")
}

fn view(recording: &Recording, fallback: &Fallback, published: &Published, handled: u64) -> View {
    let reached = if published.now == Timestamp::MIN {
        Duration::ZERO
    } else {
        published
            .now
            .since(recording.start)
            .max(Duration::ZERO)
            .min(recording.length)
    };
    let routes = fallback.routes.iter();
    let targets = routes.flat_map(|route| {
        let horizon = route
            .settings
            .triggers
            .risk
            .as_ref()
            .map(|trigger| trigger.horizon);
        route.targets.iter().map(move |target| {
            let state = published.targets.get(&target.target);
            let prediction = state.and_then(|state| state.prediction.as_ref());
            let risk = prediction.and_then(|one| one.risks.iter().find(|risk| Some(risk.horizon) == horizon));
            let weights = published.routes.get(&route.name);
            let weight =
                weights.and_then(|weights| weights.targets.iter().find(|one| one.target == target.target));
            TargetView {
                route: route.name.clone(),
                target: target.target.clone(),
                role: target.role,
                risk: risk.map(|risk| risk.probability),
                weight_bp: weight.map_or(target.baseline_bp, |weight| weight.weight_bp),
                baseline_bp: target.baseline_bp,
                health: weight
                    .and_then(|weight| weight.health)
                    .or(state.and_then(|state| state.health)),
                in_incident: state.is_some_and(|state| state.incident_since.is_some()),
            }
        })
    });
    View {
        reached,
        length: recording.length,
        handled,
        targets: targets.collect(),
    }
}

#[cfg(test)]
mod tests {
    use foreshift_sim::Scenario;

    use super::*;

    #[test]
    fn before_the_server_knows_anything_every_target_is_at_rest_at_the_beginning() {
        let recording = Scenario::Demo.recording(7);
        let fallback = stage::fallback(&recording).unwrap();
        let view = view(
            &recording,
            &fallback,
            &Published {
                now: Timestamp::MIN,
                ..Published::default()
            },
            0,
        );
        assert_eq!((view.reached, view.targets.len()), (Duration::ZERO, 5));
        assert!(
            view.targets
                .iter()
                .all(|target| target.weight_bp == target.baseline_bp && target.risk.is_none())
        );
    }

    #[test]
    fn what_was_handled_is_the_sum_of_signals_and_log_lines() {
        let mut published = Published::default();
        assert_eq!(handled(&published), 0);
        published.counters = [
            ("signals".to_owned(), 7),
            ("log_events".to_owned(), 2),
            ("ticks".to_owned(), 9),
        ]
        .into();
        assert_eq!(handled(&published), 9);
    }
}
