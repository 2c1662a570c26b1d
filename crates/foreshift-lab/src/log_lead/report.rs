//! Faults, and what each model gave of warning before them.

use std::fmt;

use foreshift_domain::{Duration, TargetName};
use foreshift_sim::{FaultKind, Recording};
use serde::Serialize;

use super::alarms::Judged;
use super::timeline::second;

/// A fault's logs speak early when at least so many of its own lines are written so long before it.
const EARLY_LINES: usize = 3;
const EARLY: Duration = Duration::from_secs(60);

/// Resamples of the bootstrap.
const RESAMPLES: usize = 10_000;

/// A fault of a held-out fleet.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) target: TargetName,
    pub(super) kind: FaultKind,
    /// The second of its first sign; `None` has none.
    pub(super) signs_second: Option<usize>,
    pub(super) onset_second: usize,
    /// How long before the failure its own first log line was written.
    first_line_s: Option<f64>,
    logs_early: bool,
}

impl Case {
    pub(super) fn of_fleet(seed: u64, recording: &Recording) -> Vec<Self> {
        let case = |fault: &foreshift_sim::Fault| {
            let lines = recording.worried_lines(fault);
            let early = lines.iter().filter(|at| fault.onset.since(**at) >= EARLY).count();
            Self {
                seed,
                target: fault.target.clone(),
                kind: fault.kind,
                signs_second: fault.precursor_start.map(|at| second(recording.start, at)),
                onset_second: second(recording.start, fault.onset),
                first_line_s: lines.first().map(|at| fault.onset.since(*at).as_secs_f64()),
                logs_early: early >= EARLY_LINES,
            }
        };
        recording.faults.iter().map(case).collect()
    }

    fn signs_s(&self) -> Option<f64> {
        self.signs_second
            .map(|signs| self.onset_second.saturating_sub(signs) as f64)
    }
}

type Belongs = fn(&Case) -> bool;

/// Which faults a row is about.
const GROUPS: [(&str, Belongs); 5] = [
    ("announced in logs (a disk, a replica, a certificate)", |case| {
        case.kind == FaultKind::AnnouncedErrors
    }),
    ("three log lines of its own a minute before, any kind", |case| {
        case.logs_early
    }),
    ("signs, but fewer log lines", |case| {
        case.signs_second.is_some() && !case.logs_early
    }),
    ("signs of any kind", |case| case.signs_second.is_some()),
    ("no sign at all: alarms are chance", |case| {
        case.signs_second.is_none()
    }),
];

/// Everything that is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    budget: f64,
    horizons: Vec<Horizon>,
}

#[derive(Debug, Serialize)]
struct Horizon {
    horizon_s: f64,
    models: Vec<Told>,
    groups: Vec<Group>,
}

/// A model at its threshold.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    threshold: f64,
    false_alarms_validation: f64,
    false_alarms: f64,
}

#[derive(Debug, Serialize)]
struct Group {
    faults: &'static str,
    count: usize,
    /// Medians, in seconds before the failure.
    signs_s: Option<f64>,
    first_line_s: Option<f64>,
    /// By model: against metrics alone the second, against the second those after it.
    by_model: Vec<Warned>,
}

#[derive(Debug, Serialize)]
struct Warned {
    share_alarmed: f64,
    mean_lead_s: f64,
    /// Mean gain against another model, with its 95 % interval over faults.
    gain_s: f64,
    low_s: f64,
    high_s: f64,
}

impl Report {
    /// `judged` holds, for each model in the order of `names`, what it gave by horizon.
    pub(super) fn new(
        budget: f64,
        horizons: &[Duration],
        cases: &[Case],
        names: &[&str],
        judged: &[Vec<Judged>],
    ) -> Self {
        let of = |(head, horizon): (usize, &Duration)| {
            let models: Vec<&Judged> = judged.iter().filter_map(|by_head| by_head.get(head)).collect();
            let told = names.iter().zip(&models).map(|(name, judged)| Told {
                name: (*name).to_owned(),
                threshold: judged.threshold,
                false_alarms_validation: judged.false_alarms_validation,
                false_alarms: judged.false_alarms,
            });
            Horizon {
                horizon_s: horizon.as_secs_f64(),
                models: told.collect(),
                groups: GROUPS
                    .iter()
                    .map(|(faults, belongs)| Group::new(faults, *belongs, cases, &models))
                    .collect(),
            }
        };
        Self {
            budget,
            horizons: horizons.iter().enumerate().map(of).collect(),
        }
    }
}

impl Group {
    fn new(faults: &'static str, belongs: Belongs, cases: &[Case], models: &[&Judged]) -> Self {
        let places: Vec<usize> = (0..cases.len())
            .filter(|place| cases.get(*place).is_some_and(belongs))
            .collect();
        let mine = || places.iter().filter_map(|place| cases.get(*place));
        let leads = |judged: &Judged| -> Vec<f64> {
            let leads = places.iter().filter_map(|place| judged.leads_s.get(*place));
            leads.copied().collect()
        };
        // Metrics alone stands first and with logs second: gains are over the first, losses of the others from the second.
        let against = |index: usize| {
            models
                .get(usize::from(index > 1))
                .map_or_else(Vec::new, |judged| leads(judged))
        };
        let by_model = models.iter().enumerate().map(|(index, judged)| {
            let leads = leads(judged);
            let gains: Vec<f64> = leads
                .iter()
                .zip(against(index))
                .map(|(ours, theirs)| ours - theirs)
                .collect();
            let (low_s, high_s) = interval(&gains);
            Warned {
                share_alarmed: mean(leads.iter().map(|lead| f64::from(u8::from(*lead > 0.0)))),
                mean_lead_s: mean(leads.iter().copied()),
                gain_s: mean(gains.iter().copied()),
                low_s,
                high_s,
            }
        });
        Self {
            faults,
            count: places.len(),
            signs_s: median(mine().filter_map(Case::signs_s).collect()),
            first_line_s: median(mine().filter_map(|case| case.first_line_s).collect()),
            by_model: by_model.collect(),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / f64::from(count)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// 95 % interval of the mean, by bootstrap over faults. Seeded: the same faults give the same interval.
fn interval(gains: &[f64]) -> (f64, f64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let place = (u128::from(state) * gains.len() as u128) >> 64;
        gains.get(place as usize).copied().unwrap_or(f64::NAN)
    };
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| mean((0..gains.len()).map(|_| draw())))
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means.get((share * RESAMPLES as f64) as usize).copied();
    (at(0.025).unwrap_or(f64::NAN), at(0.975).unwrap_or(f64::NAN))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for horizon in &self.horizons {
            horizon.write(f, self.budget)?;
        }
        Ok(())
    }
}

impl Horizon {
    fn write(&self, f: &mut fmt::Formatter<'_>, budget: f64) -> fmt::Result {
        writeln!(
            f,
            "\nHorizon {} s, at most {budget} false alarms for each target and quiet day on validation fleets:\n",
            self.horizon_s
        )?;
        writeln!(
            f,
            "| model | threshold | false alarms, validation | held out |\n|---|---|---|---|"
        )?;
        for told in &self.models {
            writeln!(
                f,
                "| {} | {:.3} | {:.2} | {:.2} |",
                told.name, told.threshold, told.false_alarms_validation, told.false_alarms
            )?;
        }
        writeln!(
            f,
            "\n| faults | | signs begin | first log line | metrics: warned | lead | with logs: warned | lead | gain (95 %) |\n|---|---|---|---|---|---|---|---|---|"
        )?;
        for group in &self.groups {
            group.write(f)?;
        }
        let ablated: Vec<_> = self.models.iter().enumerate().skip(2).collect();
        if !ablated.is_empty() {
            writeln!(
                f,
                "\n| without | faults | warned | lead | change (95 %) |\n|---|---|---|---|---|"
            )?;
        }
        for (index, told) in ablated {
            for group in &self.groups {
                if let Some(warned) = group.by_model.get(index) {
                    writeln!(
                        f,
                        "| {} | {} | {warned} | {} |",
                        told.name,
                        group.faults,
                        warned.change()
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl Group {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} s"));
        write!(
            f,
            "| {} | {} | {} | {} |",
            self.faults,
            self.count,
            seconds(self.signs_s),
            seconds(self.first_line_s)
        )?;
        for warned in self.by_model.iter().take(2) {
            write!(f, " {warned} |")?;
        }
        let gain = self.by_model.get(1).map(Warned::change).unwrap_or_default();
        writeln!(f, " {gain} |")
    }
}

impl fmt::Display for Warned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} % | {:.1} s",
            100.0 * self.share_alarmed,
            self.mean_lead_s
        )
    }
}

impl Warned {
    fn change(&self) -> String {
        format!(
            "{:+.1} s ({:+.1} to {:+.1})",
            self.gain_s, self.low_s, self.high_s
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_narrows_with_more_faults() {
        let gains = |count: usize| (0..count).map(|at| (at % 10) as f64).collect::<Vec<_>>();
        let (few, many) = (interval(&gains(20)), interval(&gains(2_000)));
        assert!(few.0 < 4.5 && 4.5 < few.1 && many.0 < 4.5 && 4.5 < many.1);
        assert!(many.1 - many.0 < (few.1 - few.0) / 5.0);
        assert_eq!(interval(&[3.0; 7]), (3.0, 3.0));
    }
}
