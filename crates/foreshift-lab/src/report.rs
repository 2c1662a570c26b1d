//! `foreshift-lab report`: one HTML page about how good predictions are. It needs no network and no script, and the
//! same rows and model give the same page.

mod charts;
mod page;
mod svg;
mod timelines;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;

use crate::evaluate::{self, Horizon, Judged, table};
use timelines::Subject;

/// Arguments of `foreshift-lab report`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: evaluate::SubjectArgs,
    /// Where to write the page.
    #[arg(long, value_name = "HTML")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let judged = Judged::new(&args.subject)?;
    ensure!(
        !judged.said.is_empty(),
        "a report is about something: name it with --model or --predictions"
    );
    let horizons = judged.horizons()?;
    let sections: Vec<String> = horizons.iter().map(|horizon| section(&judged, horizon)).collect();
    let names: Vec<&str> = judged.said.iter().map(|(name, _)| name.as_str()).collect();
    let title = format!("How good are the predictions of {}?", names.join(", "));
    let rows = args
        .subject
        .grounds
        .rows
        .file_name()
        .and_then(|name| name.to_str());
    let subtitle = format!("Measured on {}", rows.unwrap_or("rows"));
    let text = page::page(&title, &subtitle, &sections, &horizons);
    std::fs::write(&args.out, text).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(())
}

fn section(judged: &Judged, horizon: &Horizon) -> String {
    let ground = &horizon.ground;
    let events = horizon.methods.first().map(|figures| &figures.events);
    let mut text = format!(
        "<section id=\"h{}\"><h2>Incidents within {}</h2><p class=\"ground\">{} rows of {} targets over {} target-days, {} \
         positive; {} with unknown labels left out</p>",
        ground.horizon_s,
        table::seconds(ground.horizon_s),
        table::grouped(ground.rows),
        table::grouped(ground.targets),
        events.map_or("-".to_owned(), |events| table::number(events.target_days, 1)),
        table::grouped(ground.positives),
        table::grouped(ground.unknown)
    );
    for warning in &horizon.warnings {
        text += &format!("<p class=\"warn\">Careful: {}.</p>", svg::escaped(warning));
    }
    text += &page::tiles(horizon);
    text += &charts::all(horizon);
    text += &page::methods(horizon);
    let place = judged
        .panels
        .iter()
        .position(|panel| panel.horizon.as_secs_f64() == ground.horizon_s);
    if let (Some(place), Some(events)) = (place, events) {
        text += &about_rows(judged, place, events);
    }
    text + "</section>"
}

/// What needs rows and not only figures.
fn about_rows(judged: &Judged, place: usize, events: &evaluate::events::Events) -> String {
    let judge = judged.judges().nth(place);
    let said = judged.said.first().and_then(|(_, said)| said.get(place));
    let (Some(judge), Some(said)) = (judge, said) else {
        return String::new();
    };
    let subject = Subject {
        panel: judge.panel,
        judged: &judge.judged,
        said,
        events,
    };
    let mut text = "<h3>Before incidents</h3><p class=\"note\">The probability that was said, up to the onset. The dashed line \
                    is the threshold at the budget, the shaded part one horizon. Chosen evenly over all incidents.</p>"
        .to_owned();
    text += &subject.timelines();
    if let Some(of) = judged.contributions.get(place) {
        text += &page::contributions(of);
    }
    text += "<h3>By target</h3>";
    text + &subject.targets()
}
