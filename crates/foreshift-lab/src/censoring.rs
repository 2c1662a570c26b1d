//! `foreshift-lab censoring`: what acting on predictions does to the models trained afterwards.
//!
//! A model acts on a simulated fleet whose faults answer to weights, is trained anew on what was seen, acts on the next
//! fleet, and so on. After each cycle it is judged on a fleet where nobody acts. Every way of learning starts from the
//! same model and is given the same fleets; the bound learns from those fleets as they go when nobody acts, which only a
//! simulation can show.

mod floor;
mod judge;
mod learn;
mod play;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_predict::Model;
use foreshift_sim::ReactingSpec;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use judge::Figures;
use learn::Way;
use play::{Event, Played};

/// Arguments of `foreshift-lab censoring`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// How many worlds, each with its own fleets.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Seed of the first.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cycles of acting and training.
    #[arg(long, default_value_t = 10)]
    cycles: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 48)]
    hours: u32,
    /// Routes of each fleet; each has four targets.
    #[arg(long, default_value_t = 10)]
    routes: usize,
    /// Share of the faults with signs that load brings about.
    #[arg(long, default_value_t = 0.5)]
    induced: f64,
    /// Alarm episodes held out where learning asks for it, of 10,000.
    #[arg(long, default_value_t = 1_000)]
    held_out_bp: u32,
    /// Train on the rows of so many cycles, the newest.
    #[arg(long, default_value_t = 2)]
    keep: usize,
    /// Also ways that are no candidates, to see what each part is worth.
    #[arg(long)]
    all: bool,
    /// Where to write all figures.
    #[arg(long, value_name = "FILE", default_value = "target/censoring.json")]
    out: PathBuf,
}

/// The figures of one way of learning in one world, by cycle.
#[derive(Serialize)]
struct Course {
    seed: u64,
    way: Way,
    cycles: Vec<Figures>,
    /// The fleets that were trained on, from the first on that was acted on.
    fleets: Vec<Fleet>,
}

/// What a fleet came to.
#[derive(Clone, Copy, Serialize)]
struct Fleet {
    incidents: usize,
    /// Share of its rows whose outcome our action hid.
    hidden: f64,
    /// Share of its rows in whose horizon an alarm was held out.
    held_out: f64,
    /// Share of predicted incidents that floor traffic showed.
    shown: f64,
}

impl Fleet {
    fn of(played: &Played) -> Self {
        let rows = played.events.iter().filter_map(|event| match event {
            Event::Row(row) => row.outcome,
            Event::Began { .. } => None,
        });
        let (mut all, mut hidden, mut held_out) = (0_u64, 0_u64, 0_u64);
        for outcome in rows {
            all += 1;
            hidden += u64::from(outcome.hidden);
            held_out += u64::from(outcome.held_out);
        }
        let incidents = played.events.iter();
        Self {
            incidents: incidents
                .filter(|event| matches!(event, Event::Began { .. }))
                .count(),
            hidden: hidden as f64 / all.max(1) as f64,
            held_out: held_out as f64 / all.max(1) as f64,
            shown: floor::Floor::shown(played),
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.seeds > 0 && args.cycles > 0 && args.keep > 0 && args.routes > 0,
        "--seeds, --cycles, --keep and --routes must be at least 1"
    );
    let ways: &[Way] = if args.all { &Way::ALL } else { &Way::MAIN };
    let plays = args.seeds * (2 + args.cycles * ways.len() as u64);
    let bar = ProgressBar::new(plays);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} fleets, {eta} left {msg}") {
        bar.set_style(style);
    }
    let mut courses = Vec::new();
    for seed in args.seed..args.seed + args.seeds {
        courses.extend(one_world(args, ways, seed, &bar)?);
    }
    bar.finish_and_clear();
    print!("{}", table(ways, &courses));
    let text = serde_json::to_string_pretty(&courses)?;
    if let Some(folder) = args.out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(&args.out, text).with_context(|| format!("cannot write {}", args.out.display()))
}

/// All ways of learning in one world.
fn one_world(args: &Args, ways: &[Way], seed: u64, bar: &ProgressBar) -> anyhow::Result<Vec<Course>> {
    const FLEETS_OF_A_WORLD: u64 = 1_000;
    /// The fleet that models are judged on is so much longer, so that chance moves the figures less.
    const JUDGED_LONGER: u32 = 3;
    let spec = |fleet: u64| ReactingSpec {
        seed: seed * FLEETS_OF_A_WORLD + fleet,
        hours: args.hours,
        routes: args.routes,
        induced_share: args.induced,
    };
    let fresh = play::fresh_model(&spec(0))?;
    let untouched = |fleet: u64| -> anyhow::Result<Played> {
        let played = play::untouched(&spec(fleet), &fresh)?;
        bar.inc(1);
        Ok(played)
    };
    let longer = ReactingSpec {
        hours: args.hours * JUDGED_LONGER,
        ..spec(FLEETS_OF_A_WORLD - 1)
    };
    let judged_on = play::untouched(&longer, &fresh)?;
    bar.inc(1);
    let first = untouched(0)?;
    let begun = learn::train(&fresh, &[&first], Way::Bound, seed)?;
    let mut courses = Vec::new();
    for way in ways {
        let mut model: Model = begun.clone();
        let mut kept: Vec<Played> = Vec::new();
        let mut cycles = vec![judge::judge(&model, &judged_on)];
        let mut fleets = Vec::new();
        for fleet in 1..=args.cycles {
            let held_out_bp = if way.holds_out() { args.held_out_bp } else { 0 };
            let played = match way {
                Way::Bound => play::untouched(&spec(fleet), &fresh)?,
                _ => play::acted_on(&spec(fleet), &model, held_out_bp)?,
            };
            fleets.push(Fleet::of(&played));
            kept.push(played);
            if kept.len() > args.keep {
                kept.remove(0);
            }
            let rows: Vec<&Played> = kept.iter().collect();
            model = learn::train(&fresh, &rows, *way, seed)?;
            let figures = judge::judge(&model, &judged_on);
            bar.inc(1);
            bar.set_message(format!("({}: {:.3})", way.as_str(), figures.average_precision));
            cycles.push(figures);
        }
        courses.push(Course {
            seed,
            way: *way,
            cycles,
            fleets,
        });
    }
    Ok(courses)
}

/// Means over the worlds, by cycle; below them what each way loses against the bound, cycle by cycle.
fn table(ways: &[Way], courses: &[Course]) -> String {
    let mut text = "| cycle |".to_owned();
    for way in ways {
        text += &format!(" {} AP | log-loss | recall |", way.as_str());
    }
    text += &format!("\n|---|{}\n", "---|".repeat(3 * ways.len()));
    let cycles = courses.first().map_or(0, |course| course.cycles.len());
    for cycle in 0..cycles {
        text += &format!("| {cycle} |");
        for way in ways {
            let of = |read: fn(&Figures) -> f64| mean(courses, *way, cycle..cycle + 1, read);
            text += &format!(
                " {:.3} | {:.4} | {:.2} |",
                of(|figures| figures.average_precision),
                of(|figures| figures.log_loss),
                of(|figures| figures.recall)
            );
        }
        text += "\n";
    }
    text += "\nAgainst the bound, mean over the cycles after the first:\n\n";
    text += "| learning | average precision | log-loss | recall | expected / observed | incidents a fleet | rows hidden |\n";
    text += "|---|---|---|---|---|---|---|\n";
    for way in ways {
        let against = |read: fn(&Figures) -> f64| {
            let (own, bound) = (
                mean(courses, *way, 1..cycles, read),
                mean(courses, Way::Bound, 1..cycles, read),
            );
            100.0 * (own / bound - 1.0)
        };
        text += &format!(
            "| {} | {:+.1} % | {:+.1} % | {:+.1} % | {:.2} | {:.0} | {:.1} % |\n",
            way.as_str(),
            against(|figures| figures.average_precision),
            against(|figures| figures.log_loss),
            against(|figures| figures.recall),
            mean(courses, *way, 1..cycles, |figures| figures.expected_over_observed),
            mean_of_fleets(courses, *way, |fleet| fleet.incidents as f64),
            100.0 * mean_of_fleets(courses, *way, |fleet| fleet.hidden),
        );
    }
    text
}

fn mean(courses: &[Course], way: Way, cycles: std::ops::Range<usize>, read: fn(&Figures) -> f64) -> f64 {
    let values: Vec<f64> = courses
        .iter()
        .filter(|course| course.way == way)
        .flat_map(|course| course.cycles.get(cycles.clone()).unwrap_or_default())
        .map(read)
        .collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn mean_of_fleets(courses: &[Course], way: Way, read: fn(&Fleet) -> f64) -> f64 {
    let own = courses.iter().filter(|course| course.way == way);
    let values: Vec<f64> = own.flat_map(|course| &course.fleets).map(read).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests;
