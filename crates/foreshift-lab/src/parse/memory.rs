//! `foreshift-lab parse-memory`: whether the miner's memory stays flat over a long stream.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_logs::miner::{Miner, Settings};
use indicatif::{ProgressBar, ProgressStyle};

/// Words of each template.
const WORDS: usize = 6;
/// Rows printed.
const ROWS: u64 = 10;
/// Growth allowed between the first row and the last: pages come and go, and a byte kept of each line would be sixfold.
const MAX_GROWTH: f64 = 0.1;

/// Arguments of `foreshift-lab parse-memory`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Lines to mine.
    #[arg(long, default_value_t = 100_000_000)]
    lines: u64,
    /// Templates that the lines are made from.
    #[arg(long, default_value_t = 10_000)]
    templates: u64,
}

/// Mines made-up lines; prints resident memory along the way, and fails if it grows.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut miner = Miner::new(Settings::default());
    let mut line = String::new();
    let mut chance = Chance(7);
    let openings: Vec<String> = (0..args.templates).map(opening).collect();
    let bar = ProgressBar::new(args.lines);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {percent:>3} %, {eta} left",
    )?);
    println!("| lines | templates | resident KiB |");
    println!("|---|---|---|");
    let every = (args.lines / ROWS).max(1);
    let mut first = None;
    for done in 1..=args.lines {
        let template = chance.next() % args.templates.max(1);
        let words = openings.get(template as usize).context("no templates")?;
        write_line(&mut line, words, &mut chance)?;
        miner.read(line.as_bytes());
        if done % every == 0 {
            let resident = resident_kib()?;
            bar.suspend(|| println!("| {done} | {} | {resident} |", miner.templates().count()));
            bar.set_position(done);
            let first = *first.get_or_insert(resident);
            let growth = resident as f64 / first as f64 - 1.0;
            ensure!(growth <= MAX_GROWTH, "memory grew from {first} to {resident} KiB");
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn write_line(line: &mut String, words: &str, chance: &mut Chance) -> std::fmt::Result {
    line.clear();
    let value = chance.next();
    write!(
        line,
        "{words} from 10.{}.{}.7:{} took {} ms, id {value:016x}",
        value & 255,
        value >> 8 & 255,
        value >> 16 & 0xffff,
        value >> 32 & 0xffff
    )
}

/// Words that no other template has.
fn opening(template: u64) -> String {
    let mut chance = Chance(template.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let words: Vec<String> = (0..WORDS)
        .map(|_| {
            let letters = chance.next();
            (0..8)
                .map(|at| char::from(b'g' + (letters >> (8 * at) & 15) as u8))
                .collect()
        })
        .collect();
    words.join(" ")
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Resident memory of this process. From Linux's /proc.
fn resident_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("resident memory is read from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("no VmRSS")?.parse().context("VmRSS")
}
