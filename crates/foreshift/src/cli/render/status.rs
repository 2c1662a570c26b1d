//! The first screen of somebody on call: is the data good, what moves and why, what does it cost, how to stop it.

mod people;
mod routes;

use foreshift_domain::fallback::Fallback;
use foreshift_domain::published::{Published, TargetState};
use foreshift_domain::signal::Health;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, Timestamp};

use super::paint::{Ink, Paint};
use super::receipt::command_line;
use super::words::{age, clean, clock, quoted};

/// A watermark or a clock further behind than this is worth a colour.
const FAR_BEHIND: Duration = Duration::from_secs(60);

/// The most routes in the overview; those that move or would move come first.
const MAX_ROUTES: usize = 30;

/// What the screen is made of.
pub(crate) struct StatusView<'a> {
    pub(crate) published: &'a Published,
    /// The machine's clock.
    pub(crate) wall: Timestamp,
    /// The fallback configuration, where it is at hand: says how much room targets have.
    pub(crate) fallback: Option<&'a Fallback>,
    /// Only these routes; all when empty.
    pub(crate) only: &'a [String],
    /// Every route, every target, every gateway.
    pub(crate) all: bool,
    /// Flags that reach the same server.
    pub(crate) flags: &'a str,
    pub(crate) paint: Paint,
}

/// The screen.
pub(crate) fn status(view: &StatusView<'_>) -> String {
    let mut routes: Vec<&RouteWeights> = view
        .published
        .routes
        .values()
        .map(AsRef::as_ref)
        .filter(|weights| view.only.is_empty() || view.only.iter().any(|only| only == weights.route.as_str()))
        .collect();
    routes.sort_by_key(|weights| {
        let (moved, would) = (routes::moved_bp(weights), routes::would_move_bp(weights));
        (std::cmp::Reverse(moved.max(would)), weights.route.clone())
    });
    let most = if view.all { usize::MAX } else { MAX_ROUTES };
    let mut sections = vec![
        view.head(),
        view.age_of_data(),
        routes::overview(view, &routes, most),
    ];
    sections.extend(
        routes
            .iter()
            .take(most)
            .filter_map(|weights| routes::detail(view, weights)),
    );
    sections.extend(view.challenger());
    sections.extend(people::overrides(view));
    sections.extend(people::gateways(view, &routes));
    sections.extend(people::notes(view));
    sections.push(view.how_to_stop(&routes));
    sections.join("\n")
}

impl StatusView<'_> {
    /// How the challenger does in the champion's shadow.
    fn challenger(&self) -> Option<String> {
        let models = &self.published.models;
        let challenger = models.challenger.as_ref()?;
        Some(format!(
            "challenger {} in the shadow of {} since {}: the gate has {}\n",
            clean(&challenger.model.version.to_string()),
            clean(&models.champion.version.to_string()),
            clock(challenger.since),
            challenger.comparison
        ))
    }

    fn head(&self) -> String {
        let published = self.published;
        let model = published
            .routes
            .values()
            .map(|weights| weights.model.to_string())
            .next();
        let model = model.map_or(String::new(), |model| format!("  model {}", clean(&model)));
        let line = format!(
            "epoch {}  clock {}  decisions {}{model}",
            published.epoch,
            clock(published.now),
            published.decisions
        );
        format!("{}  {line}\n", self.paint.bold("foreshift"))
    }

    fn age_of_data(&self) -> String {
        let published = self.published;
        if published.watermark == Timestamp::MIN {
            return format!("{}  nothing was heard yet\n", self.label("DATA", Ink::Warn));
        }
        let lag = published.now.since(published.watermark).max(Duration::ZERO);
        let mut line = format!("events are in up to {} behind the clock", age(lag));
        let stalest = self
            .published
            .targets
            .iter()
            .min_by_key(|(_, state)| state.last_seen);
        if let Some((name, state)) = stalest {
            let silent = heard(published, state);
            line.push_str(&format!(
                "; silent for longest: {} ({silent})",
                clean(name.as_str())
            ));
        }
        let ink = if lag > FAR_BEHIND { Ink::Warn } else { Ink::Good };
        let mut text = format!("{}  {line}\n", self.label("DATA", ink));
        let behind = self.wall.since(published.now);
        if behind > FAR_BEHIND {
            let line = format!(
                "the engine's clock is {} behind this machine's: recorded telemetry, or a stalled process",
                age(behind)
            );
            text.push_str(&format!("         {}\n", self.paint.ink(Ink::Warn, &line)));
        }
        text.push_str(&format!(
            "{}  {}\n",
            self.label("TARGETS", Ink::Plain),
            self.targets_line()
        ));
        text
    }

    fn targets_line(&self) -> String {
        let targets = &self.published.targets;
        let of = |health: Option<Health>| targets.values().filter(|state| state.health == health).count();
        let ill = targets
            .values()
            .filter(|state| state.incident_since.is_some())
            .count();
        let counts = [
            (of(Some(Health::Up)), "up", Ink::Plain),
            (of(Some(Health::Degraded)), "degraded", Ink::Warn),
            (of(Some(Health::Down)), "down", Ink::Bad),
            (of(None), "unknown", Ink::Plain),
            (ill, "in an incident", Ink::Bad),
        ];
        let counts = counts
            .iter()
            .filter(|(count, word, _)| *count > 0 || *word == "up");
        let words = counts.map(|(count, word, ink)| self.paint.ink(*ink, &format!("{count} {word}")));
        format!(
            "{} known: {}",
            targets.len(),
            words.collect::<Vec<_>>().join(", ")
        )
    }

    fn how_to_stop(&self, routes: &[&RouteWeights]) -> String {
        let frozen = self.published.fleet_freeze.is_some();
        let mut lines = Vec::new();
        let mut line = |what: &str, order: &str| {
            lines.push(format!(
                "  {what:<32}{}\n",
                self.paint.bold(&command_line(order, self.flags))
            ));
        };
        if frozen {
            line("end the freeze of all routes", "unfreeze");
        } else {
            line("hold all weights as they are", "freeze --for 30m");
        }
        line("stop acting, go on predicting", "mode --all shadow");
        if let Some(first) = routes.first() {
            let route = quoted(first.route.as_str());
            line("one route alone", &format!("freeze {route} --for 30m"));
            line("", &format!("mode {route} shadow"));
        }
        format!("{}\n{}", self.paint.bold("HOW TO STOP IT"), lines.concat())
    }

    /// A word at the beginning of a line, in columns of its own.
    fn label(&self, word: &str, ink: Ink) -> String {
        let blanks = " ".repeat(7_usize.saturating_sub(word.len()));
        format!("{}{blanks}", self.paint.ink(ink, word))
    }
}

/// How long ago a target was heard of.
fn heard(published: &Published, state: &TargetState) -> String {
    if state.last_seen == Timestamp::MIN {
        "never heard".to_owned()
    } else {
        age(published.telemetry_age(state))
    }
}
