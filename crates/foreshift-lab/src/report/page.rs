//! The page around charts and tables.

use super::svg::escaped;
use crate::baselines;
use crate::evaluate::Horizon;
use crate::evaluate::events::Events;
use crate::evaluate::figures::Figures;
use crate::evaluate::table::{number, seconds, with_interval};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(title: &str, subtitle: &str, sections: &[String], horizons: &[Horizon]) -> String {
    let links = horizons.iter().map(|horizon| {
        let name = seconds(horizon.ground.horizon_s);
        format!("<a href=\"#h{}\">{name}</a>", horizon.ground.horizon_s)
    });
    let links: Vec<String> = links.collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\
         <header><h1>{title}</h1><p>{}</p><nav>Horizons: {}</nav></header>\n<main>{}{}</main></body></html>\n",
        escaped(subtitle),
        links.join(" "),
        sections.join("\n"),
        about(),
        title = escaped(title)
    )
}

/// What a horizon comes to, in four numbers.
pub(super) fn tiles(horizon: &Horizon) -> String {
    let Some((ours, others)) = horizon.methods.split_first() else {
        return String::new();
    };
    let rivals = others
        .iter()
        .filter(|other| !["oracle", "random"].contains(&other.method.as_str()));
    let best = rivals.max_by(|a, b| a.average_precision.value.total_cmp(&b.average_precision.value));
    let against = best.map_or_else(String::new, |best| {
        format!("{}: {}", best.method, number(best.average_precision.value, 3))
    });
    let events = &ours.events;
    let tile = |name: &str, value: &str, under: &str| {
        format!(
            "<div class=\"tile\"><b>{}</b><span>{}</span><small>{}</small></div>",
            escaped(value),
            escaped(name),
            escaped(under)
        )
    };
    let interval =
        |low: f64, high: f64, digits: usize| format!("{} to {}", number(low, digits), number(high, digits));
    let tiles = [
        tile(
            "average precision",
            &number(ours.average_precision.value, 3),
            &format!("base rate {}; {against}", number(horizon.ground.base_rate, 4)),
        ),
        foreseen(events, &tile),
        tile(
            "median lead",
            &seconds(events.lead_median_s.value),
            &format!("a tenth has less than {}", seconds(events.lead_p10_s)),
        ),
        tile(
            "expected / observed",
            &number(ours.expected_over_observed.value, 2),
            &format!(
                "{}; Brier skill {}",
                interval(
                    ours.expected_over_observed.low,
                    ours.expected_over_observed.high,
                    2
                ),
                number(ours.brier_skill.value, 2)
            ),
        ),
    ];
    format!("<div class=\"tiles\">{}</div>", tiles.concat())
}

/// How many incidents were foreseen: those with signs, where anybody knows which they are.
fn foreseen(events: &Events, tile: &dyn Fn(&str, &str, &str) -> String) -> String {
    let percent = |share: f64| format!("{} %", number(100.0 * share, 0));
    let cost = format!(
        "{} false alarms a target-day",
        number(events.false_alarms_per_target_day, 2)
    );
    let Some(with_signs) = &events.with_signs else {
        let interval = format!(
            "{} to {}",
            percent(events.recall.low),
            percent(events.recall.high)
        );
        return tile(
            "of incidents foreseen",
            &percent(events.recall.value),
            &format!("{interval} of {}, {cost}", events.incidents),
        );
    };
    let abrupt = events.abrupt.as_ref().map_or_else(String::new, |abrupt| {
        format!(
            "; of {} abrupt ones {}",
            abrupt.incidents,
            percent(abrupt.recall.value)
        )
    });
    tile(
        "of incidents with signs foreseen",
        &percent(with_signs.recall.value),
        &format!(
            "{} to {} of {}, {cost}{abrupt}",
            percent(with_signs.recall.low),
            percent(with_signs.recall.high),
            with_signs.incidents
        ),
    )
}

/// All methods with intervals.
pub(super) fn methods(horizon: &Horizon) -> String {
    let header = [
        "method",
        "average precision",
        "AUC",
        "log-loss",
        "Brier skill",
        "expected / observed",
        "foreseen at the budget",
        "precision of alarms",
        "median lead",
        "own alarm: false a day, foreseen",
    ];
    let line = |figures: &Figures| {
        let own = figures.own_alarm.map_or("-".to_owned(), |(rate, recall)| {
            format!("{}, {}", number(rate, 1), number(recall, 2))
        });
        [
            escaped(&figures.method),
            with_interval(&figures.average_precision, 3),
            with_interval(&figures.auc, 3),
            with_interval(&figures.log_loss, 4),
            with_interval(&figures.brier_skill, 3),
            with_interval(&figures.expected_over_observed, 2),
            with_interval(&figures.events.recall, 2),
            with_interval(&figures.events.precision, 2),
            seconds(figures.events.lead_median_s.value),
            own,
        ]
    };
    let cells = |cells: &[String], tag: &str| -> String {
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", narrow(cell)))
            .collect();
        format!("<tr>{}</tr>", cells.concat())
    };
    let lines: Vec<String> = horizon
        .methods
        .iter()
        .map(|figures| cells(&line(figures), "td"))
        .collect();
    format!(
        "<div class=\"wide\"><table class=\"methods\"><thead>{}</thead><tbody>{}</tbody></table></div>",
        cells(&header.map(str::to_owned), "th"),
        lines.concat()
    )
}

/// The interval in small print under the number.
fn narrow(cell: &str) -> String {
    match cell.split_once(" [") {
        Some((value, interval)) => format!(
            "{value}<small>{}</small>",
            interval.trim_end_matches(']').replace(", ", " to ")
        ),
        None => cell.to_owned(),
    }
}

/// Features by how much they move the log-odds on average.
pub(super) fn contributions(of: &[(String, f64)]) -> String {
    let most = of.iter().map(|(_, size)| *size).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let bar = |(name, size): &(String, f64)| {
        format!(
            "<tr><td>{}</td><td class=\"bar\"><i style=\"width:{:.1}%\"></i></td><td>{}</td></tr>",
            escaped(name),
            100.0 * size / most,
            number(*size, 3)
        )
    };
    let bars: Vec<String> = of.iter().take(20).map(bar).collect();
    format!(
        "<h3>What moves the prediction</h3><p class=\"note\">Mean size of each feature's exact contribution to the \
         log-odds, over a sample of rows.</p><table class=\"bars\"><tbody>{}</tbody></table>",
        bars.concat()
    )
}

fn about() -> String {
    let lines = baselines::ALL
        .iter()
        .map(|baseline| format!("<dt>{}</dt><dd>{}</dd>", baseline.name, escaped(baseline.about)));
    let lines: Vec<String> = lines.collect();
    format!(
        "<section><h2>What the methods are</h2><dl>{}</dl><p class=\"note\">All methods are measured on the same rows; \
         baselines get their probabilities by isotonic regression on the rows before. Rows with unknown labels are left \
         out. Intervals hold 95 % and draw whole target-days or incidents. Nothing is point-adjusted: rows above the threshold \
         within a horizon of each other are one alarm, which counts as false when no incident begins within the horizon of \
         any of them.</p></section>",
        lines.concat()
    )
}
