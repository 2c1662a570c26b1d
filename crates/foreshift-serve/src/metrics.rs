//! Prometheus text from the published state.

use std::fmt::Write as _;

use foreshift_domain::published::{Published, TargetState};
use foreshift_domain::signal::{Health, OutcomeKind};
use foreshift_domain::weights::{RouteWeights, TargetWeight};
use foreshift_domain::{Digest, Timestamp};

/// The most samples of one metric: a runaway number of targets must not take the monitoring down too.
const MAX_SAMPLES: usize = 20_000;

/// The longest label value, in bytes; longer ones are cut and told apart by a hash.
const MAX_LABEL_BYTES: usize = 128;

/// A metric that the process adds to those of the published state.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name without the prefix `foreshift_`; counters end in `_total`.
    pub name: String,
    /// What it says, with its unit.
    pub help: String,
    /// How it behaves.
    pub kind: MetricKind,
    /// Labels by name.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl MetricKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// All metrics in Prometheus' text format 0.0.4.
pub(crate) fn render(published: &Published, is_ready: bool, mut extra: Vec<Metric>) -> String {
    let mut text = Text::default();
    process(&mut text, published, is_ready);
    models(&mut text, published);
    routes(&mut text, published);
    targets(&mut text, published);
    // Samples of one metric must stand together.
    extra.sort_by(|a, b| a.name.cmp(&b.name));
    for metric in &extra {
        text.family(&metric.name, metric.kind, &metric.help);
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        text.sample(&labels, metric.value);
    }
    text.finish()
}

fn models(text: &mut Text, published: &Published) {
    use MetricKind::Gauge;
    let (champion, challenger) = (&published.models.champion, published.models.challenger.as_ref());
    let at_work = [
        ("champion", Some(champion)),
        ("challenger", challenger.map(|rival| &rival.model)),
    ];
    text.family("model_info", Gauge, "The models at work; always 1.");
    for (place, model) in at_work {
        let Some(model) = model else { continue };
        let simulated = if model.simulated { "true" } else { "false" };
        let name = model.version.name.as_str();
        text.sample(
            &[("place", place), ("model", name), ("simulated", simulated)],
            1.0,
        );
    }
    let Some(compared) = challenger.map(|rival| &rival.comparison) else {
        return;
    };
    text.family(
        "challenger_e_value",
        Gauge,
        "Evidence for the challenger, by test: 1 is none, both at 20 are enough.",
    );
    text.sample(&[("test", "loss")], compared.loss_e_value);
    text.sample(&[("test", "recall")], compared.recall_e_value);
    text.family(
        "challenger_passed",
        Gauge,
        "Whether the challenger may be promoted: 1 or 0.",
    );
    text.sample(&[], f64::from(u8::from(compared.passed)));
    let losses = [
        ("champion", compared.champion_log_loss),
        ("challenger", compared.challenger_log_loss),
    ];
    if losses.iter().any(|(_, loss)| loss.is_some()) {
        text.family(
            "model_log_loss",
            Gauge,
            "Mean log-loss of matured rows since the challenger came, in nats.",
        );
    }
    for (place, loss) in losses {
        if let Some(loss) = loss {
            text.sample(&[("place", place)], loss);
        }
    }
}

fn process(text: &mut Text, published: &Published, is_ready: bool) {
    use MetricKind::{Counter, Gauge};
    text.family("info", Gauge, "The running version; always 1.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    text.family("ready", Gauge, "Whether the process is ready to serve: 1 or 0.");
    text.sample(&[], f64::from(u8::from(is_ready)));
    text.family("epoch", Gauge, "The epoch of this process.");
    text.sample(&[], published.epoch as f64);
    text.family("decisions_total", Counter, "Decisions of the engine.");
    text.sample(&[], published.decisions as f64);
    if published.watermark > Timestamp::MIN {
        text.family(
            "watermark_age_seconds",
            Gauge,
            "How far the watermark is behind the engine's clock.",
        );
        text.sample(&[], published.now.since(published.watermark).as_secs_f64());
    }
    text.family("fleet_frozen", Gauge, "Whether all routes are frozen: 1 or 0.");
    text.sample(&[], f64::from(u8::from(published.fleet_freeze.is_some())));
    for (name, count) in &published.counters {
        text.family(
            &format!("engine_{name}_total"),
            Counter,
            "A counter of the engine.",
        );
        text.sample(&[], *count as f64);
    }
}

fn routes(text: &mut Text, published: &Published) {
    type Read = fn(&TargetWeight) -> u32;
    let shares: [(&str, &str, Read); 3] = [
        (
            "weight_bp",
            "Published share of the route, in basis points.",
            |target| target.weight_bp,
        ),
        (
            "planned_bp",
            "Share that mode auto would publish, in basis points.",
            |target| target.planned_bp,
        ),
        ("baseline_bp", "Share at rest, in basis points.", |target| {
            target.baseline_bp
        }),
    ];
    for (name, help, read) in shares {
        text.family(name, MetricKind::Gauge, help);
        for weights in published.routes.values() {
            for target in &weights.targets {
                let labels = [
                    ("route", weights.route.as_str()),
                    ("target", target.target.as_str()),
                ];
                text.sample(&labels, f64::from(read(target)));
            }
        }
    }
    type Of = fn(&Published, &RouteWeights) -> f64;
    let of_routes: [(&str, &str, Of); 5] = [
        (
            "route_mode",
            "0 off, 1 shadow, 2 recommend, 3 auto.",
            |_, weights| f64::from(weights.mode as u8),
        ),
        (
            "route_valid_seconds",
            "How long the route's weights are still valid, by the engine's clock.",
            |published, weights| weights.valid_until.since(published.now).as_secs_f64(),
        ),
        (
            "route_pinned",
            "Whether the route is pinned: 1 or 0.",
            |published, weights| {
                let set = published.overrides.get(&weights.route);
                f64::from(u8::from(set.is_some_and(|set| set.pin.is_some())))
            },
        ),
        (
            "route_frozen",
            "Whether the route is frozen by a person: 1 or 0.",
            |published, weights| {
                let set = published.overrides.get(&weights.route);
                f64::from(u8::from(set.is_some_and(|set| set.freeze.is_some())))
            },
        ),
        (
            "route_gateways_behind",
            "Gateways that refused the route's newest version, or applied only an older one.",
            |published, weights| {
                let said = published.applied.get(&weights.route).into_iter().flatten();
                said.filter(|(_, said)| said.error.is_some() || said.version < weights.version)
                    .count() as f64
            },
        ),
    ];
    for (name, help, read) in of_routes {
        text.family(name, MetricKind::Gauge, help);
        for weights in published.routes.values() {
            text.sample(&[("route", weights.route.as_str())], read(published, weights));
        }
    }
}

fn targets(text: &mut Text, published: &Published) {
    use MetricKind::{Counter, Gauge};
    type Of = fn(&Published, &TargetState) -> Option<f64>;
    let of_targets: [(&str, MetricKind, &str, Of); 7] = [
        ("target_up", Gauge, "1 up, 0.5 degraded, 0 down.", |_, state| {
            state.health.map(|health| match health {
                Health::Up => 1.0,
                Health::Degraded => 0.5,
                Health::Down => 0.0,
            })
        }),
        (
            "target_telemetry_age_seconds",
            Gauge,
            "Age of the newest telemetry.",
            |published, state| Some(published.telemetry_age(state).as_secs_f64()),
        ),
        (
            "target_in_incident",
            Gauge,
            "Whether it is in an incident: 1 or 0.",
            |_, state| Some(f64::from(u8::from(state.incident_since.is_some()))),
        ),
        ("target_signals_total", Counter, "Signals folded.", |_, state| {
            Some(state.signals as f64)
        }),
        (
            "target_late_signals_total",
            Counter,
            "Signals too late to be folded.",
            |_, state| Some(state.late_signals as f64),
        ),
        (
            "target_log_lines_total",
            Counter,
            "Log lines folded.",
            |_, state| Some(state.log_lines as f64),
        ),
        (
            "target_incidents_total",
            Counter,
            "Incidents seen.",
            |_, state| Some(state.incidents as f64),
        ),
    ];
    for (name, kind, help, read) in of_targets {
        text.family(name, kind, help);
        for (target, state) in &published.targets {
            if let Some(value) = read(published, state) {
                text.sample(&[("target", target.as_str())], value);
            }
        }
    }
    text.family(
        "target_log_lines_by_class_total",
        Counter,
        "Log lines by what they say went wrong.",
    );
    for (target, summary) in published.logs.iter() {
        for lines in &summary.classes {
            let labels = [("target", target.as_str()), ("class", lines.class.as_str())];
            text.sample(&labels, lines.total as f64);
        }
    }
    text.family("target_requests_total", Counter, "Requests by how they ended.");
    for (target, state) in &published.targets {
        for kind in OutcomeKind::ALL
            .into_iter()
            .filter(|kind| state.outcomes.of(*kind) > 0)
        {
            let labels = [("target", target.as_str()), ("outcome", kind.as_str())];
            text.sample(&labels, state.outcomes.of(kind) as f64);
        }
    }
    text.family(
        "target_risk",
        Gauge,
        "Newest probability of an incident within the horizon.",
    );
    for (target, state) in &published.targets {
        for risk in state.prediction.iter().flat_map(|prediction| &prediction.risks) {
            let horizon = risk.horizon.to_string();
            let labels = [("target", target.as_str()), ("horizon", horizon.as_str())];
            text.sample(&labels, risk.probability);
        }
    }
}

#[derive(Default)]
struct Text {
    text: String,
    name: String,
    samples: usize,
    omitted: u64,
}

impl Text {
    /// Begins a metric; says nothing when it is the one at hand.
    fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        let name = format!("foreshift_{}", legal_name(name));
        if name == self.name {
            return;
        }
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        self.name = name;
        self.samples = 0;
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        if self.samples == MAX_SAMPLES {
            self.omitted += 1;
            return;
        }
        self.samples += 1;
        self.text.push_str(&self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{}=\"{}\"", legal_name(name), label_value(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value {
            f64::INFINITY => writeln!(self.text, " +Inf"),
            f64::NEG_INFINITY => writeln!(self.text, " -Inf"),
            value => writeln!(self.text, " {value}"),
        };
    }

    fn finish(mut self) -> String {
        let omitted = self.omitted as f64;
        self.family(
            "metrics_omitted",
            MetricKind::Gauge,
            "Samples left out of this answer, since a metric had too many.",
        );
        self.sample(&[], omitted);
        self.text
    }
}

/// The name with everything that Prometheus does not allow replaced.
fn legal_name(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

/// The value, escaped and of bounded length.
fn label_value(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (at, letter) in value.char_indices() {
        if value.len() > MAX_LABEL_BYTES && at >= MAX_LABEL_BYTES - 16 {
            let _ = write!(escaped, "~{:016x}", Digest::of(value.as_bytes()).short());
            break;
        }
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
