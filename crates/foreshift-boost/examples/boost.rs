//! Trains on one table and predicts another, and says how long both took: what `tests/models/batch.py` compares
//! with other libraries.
//!
//! `boost TRAIN TEST FEATURES PARAMS OUT [REPEATS]`: tables are little-endian doubles, row by row: label, weight,
//! then FEATURES values. PARAMS is a JSON file. OUT gets a double for each row of TEST, its log-odds.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use foreshift_boost::{BoostError, Columns, Params, Rows, train};

type Failure = Box<dyn std::error::Error>;

struct Table {
    labels: Vec<f64>,
    weights: Vec<f64>,
    values: Vec<f64>,
    features: usize,
}

impl Table {
    fn read(path: &str, features: usize) -> Result<Self, Failure> {
        let bytes = fs::read(path)?;
        let numbers: Vec<f64> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect();
        let mut table = Self {
            labels: Vec::new(),
            weights: Vec::new(),
            values: Vec::new(),
            features,
        };
        for row in numbers.chunks_exact(features + 2) {
            if let [label, weight, values @ ..] = row {
                table.labels.push(*label);
                table.weights.push(*weight);
                table.values.extend_from_slice(values);
            }
        }
        Ok(table)
    }

    fn rows(&self) -> Result<Rows<'_>, BoostError> {
        Ok(Rows {
            columns: Columns::from_rows(&self.values, self.features)?,
            labels: &self.labels,
            weights: Some(&self.weights),
            offsets: None,
        })
    }
}

/// Seconds that this thread has had a processor; where the system does not say, seconds since `start`.
fn worked_s(start: Instant) -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_cpu_ns = stat.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    on_cpu_ns.map_or_else(|| start.elapsed().as_secs_f64(), |on_cpu_ns| on_cpu_ns * 1e-9)
}

/// The shortest of several runs, in seconds of this thread, and what the last gave.
fn shortest<T>(repeats: usize, mut run: impl FnMut() -> T) -> (f64, T) {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut made;
    let mut done = 0;
    loop {
        let before = worked_s(start);
        made = run();
        best = best.min(worked_s(start) - before);
        done += 1;
        if done >= repeats {
            return (best, made);
        }
    }
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [learned, asked, features, params, out, rest @ ..] = args.as_slice() else {
        return Err("usage: boost TRAIN TEST FEATURES PARAMS OUT [REPEATS]".into());
    };
    let repeats = rest.first().map_or(Ok(1), |repeats| repeats.parse())?;
    let features = features.parse()?;
    let (learned, asked) = (Table::read(learned, features)?, Table::read(asked, features)?);
    let params: Params = serde_json::from_str(&fs::read_to_string(params)?)?;

    let rows = learned.rows()?;
    let (fit_s, trained) = shortest(repeats, || train(&rows, None, &params, |_| {}));
    let trees = trained?.trees;
    let mut logits = vec![0.0; asked.labels.len()];
    let (batch_s, ()) = shortest(5 * repeats, || {
        trees.logits(&asked.values, black_box(&mut logits))
    });
    let (single_s, _) = shortest(5 * repeats, || {
        asked
            .values
            .chunks_exact(features)
            .map(|row| trees.logit(black_box(row)))
            .sum::<f64>()
    });
    let explained = asked.values.chunks_exact(features).take(1000);
    let mut added = vec![0.0; features];
    let explained_rows = explained.len();
    let (explain_s, _) = shortest(1, || {
        explained
            .clone()
            .map(|row| trees.contributions(row, black_box(&mut added)))
            .sum::<f64>()
    });
    fs::write(
        out,
        logits
            .iter()
            .flat_map(|logit| logit.to_le_bytes())
            .collect::<Vec<u8>>(),
    )?;
    let per_row = |seconds: f64, rows: usize| seconds * 1e9 / rows.max(1) as f64;
    println!(
        "{{\"fit_s\":{fit_s},\"batch_ns\":{},\"single_ns\":{},\"explain_ns\":{},\"trees\":{},\"json_bytes\":{}}}",
        per_row(batch_s, logits.len()),
        per_row(single_s, logits.len()),
        per_row(explain_s, explained_rows),
        trees.len(),
        serde_json::to_string(&trees)?.len(),
    );
    Ok(())
}
