//! The charts of one horizon.

use super::svg::{Axis, Plot, escaped};
use crate::evaluate::Horizon;
use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::figures::Figures;
use crate::evaluate::table::{number, seconds};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
/// Methods that know the answer or nothing at all are no rivals.
const NO_RIVALS: [&str; 2] = ["oracle", "random"];

/// What is looked at, and the two methods that come nearest by average precision.
struct Lines<'a> {
    chosen: Vec<(&'static str, &'a Figures)>,
}

impl<'a> Lines<'a> {
    fn of(horizon: &'a Horizon) -> Self {
        let mut chosen: Vec<(&'static str, &Figures)> = Vec::new();
        if let Some((ours, others)) = horizon.methods.split_first() {
            let rivals = others
                .iter()
                .filter(|other| !NO_RIVALS.contains(&other.method.as_str()));
            let mut rivals: Vec<&Figures> = rivals.collect();
            rivals.sort_by(|a, b| b.average_precision.value.total_cmp(&a.average_precision.value));
            chosen.extend(["second", "third"].into_iter().zip(rivals).rev());
            chosen.push(("ours", ours));
        }
        Self { chosen }
    }

    fn draw(&self, plot: &mut Plot, points: impl Fn(&Figures) -> Vec<(f64, f64)>) {
        for (class, figures) in &self.chosen {
            plot.line(class, &points(figures));
        }
        for (class, figures) in self.chosen.iter().rev() {
            plot.name(class, &figures.method);
        }
    }
}

/// All charts of a horizon, in the order of the page.
pub(super) fn all(horizon: &Horizon) -> String {
    let charts: [fn(&Horizon) -> String; 6] =
        [precision_recall, reliability, budget, leads, distribution, forest];
    let drawn: Vec<String> = charts.iter().map(|chart| chart(horizon)).collect();
    format!("<div class=\"charts\">{}</div>", drawn.concat())
}

fn precision_recall(horizon: &Horizon) -> String {
    let mut plot = Plot::new(
        Axis::share("recall of rows"),
        Axis::share("precision of rows"),
        WIDTH,
        HEIGHT,
    );
    let base = horizon.ground.base_rate;
    plot.rule("chance", (0.0, base), (1.0, base));
    Lines::of(horizon).draw(&mut plot, |figures| figures.precision_recall.clone());
    plot.name("chance", "base rate: what chance gives");
    plot.figure("Precision and recall", "")
}

fn reliability(horizon: &Horizon) -> String {
    let Some(ours) = horizon.methods.first() else {
        return String::new();
    };
    let bins = || ours.risk_bins.iter().filter(|bin| bin.rows > 0);
    let least = bins().map(|bin| bin.expected).fold(0.1, f64::min).max(1e-7);
    let axis = |label: &str| Axis::log(least, 1.0, label, percent);
    let mut plot = Plot::new(
        axis("probability said (mean of bin)"),
        axis("share that came true"),
        WIDTH,
        HEIGHT,
    );
    plot.rule("chance", (least / 10.0, least / 10.0), (1.0, 1.0));
    let most = bins().map(|bin| bin.rows).max().unwrap_or(1) as f64;
    let seen: Vec<(f64, f64)> = bins()
        .filter(|bin| bin.positives > 0)
        .map(|bin| (bin.expected, bin.observed))
        .collect();
    plot.line("ours thin", &seen);
    for bin in bins().filter(|bin| bin.positives > 0) {
        let title = format!(
            "said {} to {}: {} rows, {} positive, expected/observed {}",
            number(bin.from, 5),
            number(bin.to, 5),
            bin.rows,
            bin.positives,
            number(bin.expected_over_observed, 2)
        );
        let radius = 2.5 + 6.5 * (bin.rows as f64 / most).sqrt();
        let class = if bin.positives >= 50 { "ours" } else { "ours thin" };
        plot.dot(class, bin.expected, bin.observed, radius, &title);
    }
    plot.name("chance", "what is said comes true");
    plot.name("ours", &ours.method);
    plot.figure(
        "Calibration",
        "A bin doubles the odds of the one before; the area of a dot is its number of rows. Pale ones hold fewer than 50 \
         positives.",
    )
}

fn budget(horizon: &Horizon) -> String {
    let lines = Lines::of(horizon);
    let curves = lines
        .chosen
        .iter()
        .flat_map(|(_, figures)| &figures.events.budget_curve);
    let most = curves.map(|point| point.0).fold(10.0, f64::max);
    let x = Axis::log(0.01, most.min(1e4), "false alarms a target-day", plain);
    let mut plot = Plot::new(x, Axis::share("incidents foreseen"), WIDTH, HEIGHT);
    if let Some((_, ours)) = lines.chosen.last() {
        plot.rule("chance", (ours.events.budget, 0.0), (ours.events.budget, 1.0));
    }
    lines.draw(&mut plot, |figures| envelope(&figures.events.budget_curve));
    plot.name("chance", "the budget");
    plot.figure("Incidents foreseen against false alarms", "")
}

/// The most that is foreseen with so many false alarms or fewer: where two alarms become one, a lower threshold costs
/// less than a higher one.
fn envelope(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points = curve.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut most = 0.0_f64;
    for point in &mut points {
        most = most.max(point.1);
        point.1 = most;
    }
    points
}

fn leads(horizon: &Horizon) -> String {
    let x = Axis::linear(0.0, horizon.ground.horizon_s, "at least so long before", seconds);
    let mut plot = Plot::new(x, Axis::share("incidents foreseen"), WIDTH, HEIGHT);
    Lines::of(horizon).draw(&mut plot, |figures| figures.events.lead_curve.clone());
    plot.figure("Lead time at the budget", "A lead is counted up to the horizon.")
}

fn distribution(horizon: &Horizon) -> String {
    let Some(ours) = horizon.methods.first() else {
        return String::new();
    };
    let shares = || {
        ours.distribution
            .iter()
            .flat_map(|(_, negative, positive)| [*negative, *positive])
    };
    let (low, high) = ours
        .distribution
        .iter()
        .filter(|(_, negative, positive)| negative + positive > 1e-4)
        .fold((0.0_f64, -4.0_f64), |(low, high), (at, ..)| {
            (low.min(*at), high.max(*at))
        });
    let percent = |at: f64| percent(1.0 / (1.0 + (-at).exp()));
    let x = Axis::linear(low - 0.5, high + 0.5, "probability said, in log-odds", percent);
    let share = |at: f64| format!("{:.0} %", 100.0 * at);
    let y = Axis::linear(0.0, 1.05 * shares().fold(0.0, f64::max), "share of rows", share);
    let mut plot = Plot::new(x, y, WIDTH, HEIGHT);
    let within = |class: fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let bins = ours.distribution.iter();
        let inside = bins.filter(|(at, ..)| (low - 0.5..=high + 0.5).contains(at));
        inside.map(|bin| (bin.0, class(bin))).collect()
    };
    let (negatives, positives) = (within(|bin| bin.1), within(|bin| bin.2));
    plot.area("chance", &negatives);
    plot.line("chance", &negatives);
    plot.area("ours", &positives);
    plot.line("ours", &positives);
    plot.name("ours", "an incident followed");
    plot.name("chance", "none did");
    plot.figure("What was said before incidents and otherwise", "")
}

/// Average precision of all methods with intervals.
fn forest(horizon: &Horizon) -> String {
    let methods: Vec<&Figures> = horizon
        .methods
        .iter()
        .filter(|figures| figures.method != "oracle")
        .collect();
    let best = methods
        .iter()
        .map(|figures| figures.average_precision.high)
        .fold(0.0, f64::max);
    let (left, right, step) = (170.0, 60.0, 24.0);
    let height = step * methods.len() as f64 + 26.0;
    let x = |value: f64| left + (WIDTH - left - right) * value / best.max(1e-6);
    let mut body = String::new();
    for (row, figures) in methods.iter().enumerate() {
        let y = step * row as f64 + 18.0;
        let Estimate { value, low, high } = figures.average_precision;
        let class = if row == 0 { "ours" } else { "other" };
        body += &format!(
            "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            left - 10.0,
            y + 4.0,
            escaped(&figures.method)
        );
        if value.is_finite() && low.is_finite() {
            body += &format!(
                "<line class=\"whisker {class}\" x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\"/>\
                 <circle class=\"dot {class}\" cx=\"{:.1}\" cy=\"{y}\" r=\"4\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{value:.3}</text>",
                x(low),
                x(high),
                x(value),
                x(high) + 8.0,
                y + 4.0
            );
        }
    }
    format!(
        "<figure><figcaption>Average precision, 95 % intervals</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"average precision by method\">{body}</svg></figure>"
    )
}

/// A probability as people say it.
pub(super) fn percent(value: f64) -> String {
    let percent = 100.0 * value;
    // One digit that counts, and near certainty two.
    let digits = match percent {
        _ if percent > 99.0 && percent < 99.95 => 1.0,
        _ => (-percent.log10()).ceil().clamp(0.0, 6.0),
    };
    format!("{percent:.*} %", digits as usize)
}

fn plain(value: f64) -> String {
    format!("{value}")
}
