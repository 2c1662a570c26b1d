//! Simulated fleets in a closed loop: the world is given the weights that the engine decides, and answers to them.

use std::sync::Arc;

use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_engine::Engine;
use foreshift_predict::Model;
use foreshift_sim::{BreakerSettings, FleetSpec, Outcome, Policy, Recording};

use super::steered::{Relief, Steered};
use super::{Decider, Worth};
use crate::evaluate::bootstrap::quantile;
use crate::replay::driver::{Given, Replay};
use crate::train::simulated::{Fleet, Simulated};

/// What one policy came to in one world.
pub(super) struct Played {
    worth: Worth,
    /// Leads of faults with signs; `None` was not relieved before requests failed.
    leads_s: Vec<Option<f64>>,
}

/// One world under all policies: weights at rest, a reactive breaker, both deciders.
pub(super) fn play(spec: FleetSpec, model: Option<&Model>) -> anyhow::Result<Vec<Played>> {
    let fleet = Fleet::of(spec, true)?;
    let recording = &fleet.recording;
    let mut played = vec![
        Played::untouched("weights at rest", &recording.run(Policy::Stay).finish()),
        Played::untouched(
            "breaker with Envoy's defaults",
            &recording
                .run(Policy::Breaker(BreakerSettings::default()))
                .finish(),
        ),
    ];
    for decider in Decider::BOTH {
        let fallback = decider.configured(fleet.fallback.as_ref().clone());
        let model = match model {
            Some(model) => model.clone(),
            None => fleet.fresh_model(|_| true),
        };
        let engine = Engine::new(1, Arc::clone(&fallback), model);
        let mut steered = Steered::default();
        let mut world = Simulated::steered(recording, Arc::clone(&steered.fresh))?;
        let mut replay = Replay::new(engine, &fallback, Duration::ZERO, Duration::DAY, Given::ALL);
        replay.run(&mut world, &mut steered)?;
        let ahead = fallback.timing.horizons.last().copied().unwrap_or_default();
        played.push(Played::of(
            decider.as_str(),
            &world.outcome(),
            recording,
            &steered,
            ahead,
        ));
        eprintln!("fleet {}: {}", spec.seed, decider.as_str());
    }
    Ok(played)
}

impl Played {
    fn untouched(policy: &'static str, outcome: &Outcome) -> Self {
        Self {
            worth: Worth {
                policy,
                requests: outcome.requests as f64,
                lost: outcome.failed as f64,
                effective_share: f64::NAN,
                peak_load: Some(outcome.peak_survivor_load),
                ..Worth::default()
            },
            leads_s: Vec::new(),
        }
    }

    fn of(
        policy: &'static str,
        outcome: &Outcome,
        recording: &Recording,
        steered: &Steered,
        ahead: Duration,
    ) -> Self {
        let reliefs = steered.reliefs();
        let mut played = Self::untouched(policy, outcome);
        played.worth.shifts = reliefs.len();
        played.worth.needless = reliefs
            .iter()
            .filter(|relief| !has_fault(recording, relief, ahead))
            .count();
        played.worth.flips = steered.flips();
        played.worth.effective_share = steered.effective_share(recording.end());
        let with_signs = recording
            .faults
            .iter()
            .filter(|fault| fault.precursor_start.is_some());
        played.leads_s = with_signs
            .map(|fault| lead_s(&reliefs, &fault.target, fault.onset))
            .collect();
        played
    }
}

/// Whether a fault of the target, signs included, is in the relief or within `ahead` of its beginning.
fn has_fault(recording: &Recording, relief: &Relief, ahead: Duration) -> bool {
    let until = relief.until.max(relief.from + ahead);
    recording.faults.iter().any(|fault| {
        let began = fault.precursor_start.unwrap_or(fault.onset);
        fault.target == relief.target && began <= until && fault.end >= relief.from
    })
}

/// How long before the onset the relief began that was in force then.
fn lead_s(reliefs: &[Relief], target: &TargetName, onset: Timestamp) -> Option<f64> {
    let relief = reliefs
        .iter()
        .find(|relief| relief.target == *target && relief.from < onset && relief.until > onset)?;
    Some(onset.since(relief.from).as_secs_f64())
}

/// All worlds together, by policy.
pub(super) fn sum(worlds: &[Vec<Played>]) -> Vec<Worth> {
    let policies = worlds.first().map_or(0, Vec::len);
    let together = |policy: usize| {
        let played: Vec<&Played> = worlds.iter().filter_map(|world| world.get(policy)).collect();
        let mut sum = Worth::default();
        let mut leads: Vec<Option<f64>> = Vec::new();
        for one in &played {
            let worth = &one.worth;
            sum.policy = worth.policy;
            sum.requests += worth.requests;
            sum.lost += worth.lost;
            sum.shifts += worth.shifts;
            sum.needless += worth.needless;
            sum.flips += worth.flips;
            sum.effective_share += worth.effective_share / played.len() as f64;
            sum.peak_load = Some(sum.peak_load.unwrap_or(0.0).max(worth.peak_load.unwrap_or(0.0)));
            leads.extend(&one.leads_s);
        }
        if !leads.is_empty() {
            let mut known: Vec<f64> = leads.iter().flatten().copied().collect();
            known.sort_by(f64::total_cmp);
            sum.relieved_in_time = Some((known.len(), leads.len()));
            sum.lead_median_s = Some(quantile(&known, 0.5));
        }
        sum
    };
    (0..policies).map(together).collect()
}
