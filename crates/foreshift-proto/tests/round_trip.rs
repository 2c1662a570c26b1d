//! What goes over the wire comes back as it was.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::sync::Arc;

use foreshift_domain::command::{Action, Command, Verdict};
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::{
    AlarmThreshold, Comparison, Contribution, Explanation, ModelVersion, Prediction, PredictionId, Risk,
};
use foreshift_domain::published::{
    AppliedVersion, ChallengerState, ModelsState, Override, Published, RouteOverride, ServedModel,
    TargetState, Why,
};
use foreshift_domain::signal::{
    EventKind, Gauge, Health, LatencyBin, Observation, Outcome, OutcomeCounts, OutcomeKind, OutcomeWindow,
    Signal,
};
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{Digest, Duration, Timestamp};
use foreshift_proto::command::{Acceptance, OperatorCall, command};
use foreshift_proto::{
    LogLine, Malformed, Names, Severity, SignalView, StatusMerge, WireError, status_parts, v1,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

/// Through bytes, as a peer would see it.
fn through_bytes<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what was encoded decodes")
}

struct Fresh;

impl Names for Fresh {}

/// The signals of a batch, each read or refused.
fn read(bytes: &[u8]) -> Result<Vec<Result<Signal, WireError>>, Malformed> {
    let views = SignalView::of_batch(bytes);
    views
        .map(|view| view.map(|view| view.signal(&mut Fresh)))
        .collect()
}

fn text() -> impl Strategy<Value = String> {
    "[a-z/0-9é@ .\"]{1,20}"
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn span() -> impl Strategy<Value = Duration> {
    (0..=i64::MAX).prop_map(Duration::from_micros)
}

fn positive_span() -> impl Strategy<Value = Duration> {
    (1..=i64::MAX).prop_map(Duration::from_micros)
}

fn finite() -> impl Strategy<Value = f64> {
    -1e300..1e300
}

fn counts() -> impl Strategy<Value = OutcomeCounts> {
    any::<[u64; 11]>().prop_map(OutcomeCounts)
}

fn observation() -> impl Strategy<Value = Observation> {
    let outcome = (
        select(OutcomeKind::ALL.to_vec()),
        option::of(span()),
        option::of(span()),
        1..=u32::MAX,
    )
        .prop_map(|(kind, latency, ttfb, count)| Outcome {
            kind,
            latency,
            ttfb,
            count,
        });
    let bins = btree_map(0..i64::MAX, any::<u64>(), 0..40).prop_map(|bins| {
        bins.into_iter()
            .map(|(upper, count)| LatencyBin {
                upper: Duration::from_micros(upper),
                count,
            })
            .collect()
    });
    let window = (positive_span(), counts(), bins).prop_map(|(length, counts, latency)| OutcomeWindow {
        length,
        counts,
        latency,
    });
    let gauge = (text(), finite(), option::of(1e-300..1e300)).prop_map(|(name, value, limit)| Gauge {
        name: name.into(),
        value,
        limit,
    });
    let events = [
        EventKind::Deploy,
        EventKind::MaintenanceStart,
        EventKind::MaintenanceEnd,
        EventKind::ConfigChange,
        EventKind::Scale,
    ];
    prop_oneof![
        outcome.prop_map(Observation::Outcome),
        window.prop_map(|window| Observation::Window(Box::new(window))),
        gauge.prop_map(Observation::Gauge),
        health().prop_map(Observation::Health),
        select(events.to_vec()).prop_map(Observation::Event),
    ]
}

fn health() -> impl Strategy<Value = Health> {
    select(vec![Health::Up, Health::Degraded, Health::Down])
}

fn signal() -> impl Strategy<Value = Signal> {
    (
        time(),
        text(),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        observation(),
    )
        .prop_map(|(time, target, route, gateway, endpoint, observation)| Signal {
            time,
            target: target.into(),
            route: route.map(Into::into),
            gateway: gateway.map(Into::into),
            endpoint: endpoint.map(Into::into),
            observation,
        })
}

fn risks() -> impl Strategy<Value = Vec<Risk>> {
    vec(
        (positive_span(), 0.0..=1.0).prop_map(|(horizon, probability)| Risk { horizon, probability }),
        0..4,
    )
}

fn version() -> impl Strategy<Value = Version> {
    any::<(u64, u64)>().prop_map(|(epoch, sequence)| Version { epoch, sequence })
}

fn model() -> impl Strategy<Value = ModelVersion> {
    (text(), any::<u64>()).prop_map(|(name, rows_learned)| ModelVersion { name, rows_learned })
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Off, Mode::Shadow, Mode::Recommend, Mode::Auto])
}

fn prediction() -> impl Strategy<Value = Prediction> {
    (text(), time(), risks(), model(), any::<bool>()).prop_map(|(target, tick, risks, model, in_incident)| {
        Prediction {
            id: PredictionId {
                target: target.into(),
                tick,
            },
            risks,
            model,
            in_incident,
        }
    })
}

fn explanation() -> impl Strategy<Value = Explanation> {
    let contribution =
        (text(), option::of(finite()), finite()).prop_map(|(feature, value, logit)| Contribution {
            feature,
            value,
            logit,
        });
    let threshold =
        (text(), 0.0..=1.0, option::of(finite())).prop_map(|(route, probability, budget_per_day)| {
            AlarmThreshold {
                route: route.into(),
                probability,
                budget_per_day,
            }
        });
    (
        positive_span(),
        0.0..=1.0,
        finite(),
        finite(),
        vec(contribution, 0..5),
        any::<bool>(),
        vec(threshold, 0..3),
    )
        .prop_map(
            |(horizon, probability, logit, base, contributions, simulated, thresholds)| Explanation {
                simulated,
                thresholds,
                horizon,
                probability,
                logit,
                base,
                contributions,
            },
        )
}

fn route_weights() -> impl Strategy<Value = RouteWeights> {
    let reasons = [
        Reason::Baseline,
        Reason::PredictedRisk,
        Reason::Degraded,
        Reason::HardDown,
        Reason::Restore,
        Reason::Pinned,
        Reason::Frozen,
        Reason::StaleHold,
        Reason::StaleDecay,
        Reason::NoTarget,
        Reason::HeldOut,
    ];
    let target = |weight_bp: u32| {
        (
            text(),
            select(vec![Role::Primary, Role::Secondary]),
            0..=10_000_u32,
            0..=10_000_u32,
            option::of(health()),
            risks(),
        )
            .prop_map(
                move |(target, role, baseline_bp, planned_bp, health, risks)| TargetWeight {
                    target: target.into(),
                    role,
                    baseline_bp,
                    weight_bp,
                    planned_bp,
                    health,
                    risks,
                },
            )
    };
    let targets = (0..=10_000_u32).prop_flat_map(move |share| (target(share), target(10_000 - share)));
    (
        text(),
        version(),
        mode(),
        targets,
        select(reasons.to_vec()),
        any::<u64>(),
        model(),
        (time(), time()),
        (any::<bool>(), 0.001..=1.0),
    )
        .prop_map(
            |(
                route,
                version,
                mode,
                targets,
                reason,
                decision,
                model,
                times,
                (baseline_confirmed, propensity),
            )| {
                RouteWeights {
                    route: route.into(),
                    version,
                    mode,
                    targets: vec![targets.0, targets.1],
                    reason,
                    decision,
                    model,
                    decided_at: times.0,
                    valid_until: times.1,
                    baseline_confirmed,
                    propensity,
                }
            },
        )
}

fn override_() -> impl Strategy<Value = Override> {
    (text(), text(), time(), time()).prop_map(|(actor, reason, since, expires_at)| Override {
        actor,
        reason,
        since,
        expires_at,
    })
}

fn target_state() -> impl Strategy<Value = TargetState> {
    (
        (option::of(health()), time(), counts()),
        any::<[u64; 4]>(),
        option::of(finite()),
        option::of(time()),
        option::of(prediction()),
        vec(explanation(), 0..2),
    )
        .prop_map(
            |(seen, numbers, rate_rps, incident_since, prediction, explanations)| TargetState {
                health: seen.0,
                last_seen: seen.1,
                outcomes: seen.2,
                signals: numbers[0],
                late_signals: numbers[1],
                log_lines: numbers[2],
                rate_rps,
                incidents: numbers[3],
                incident_since,
                prediction,
                explanations,
                why: Why::default(),
            },
        )
}

fn models() -> impl Strategy<Value = ModelsState> {
    let served = || {
        (text(), any::<u64>(), any::<bool>()).prop_map(|(name, rows_learned, simulated)| ServedModel {
            digest: Digest::of(name.as_bytes()),
            version: ModelVersion { name, rows_learned },
            simulated,
        })
    };
    let comparison = (any::<u64>(), option::of(finite()), finite(), any::<bool>()).prop_map(
        |(count, loss, evidence, passed)| Comparison {
            alpha: 0.05,
            blocks: count,
            champion_log_loss: loss,
            challenger_log_loss: loss,
            loss_e_value: evidence,
            incidents: count,
            foretold_by_champion: count / 2,
            foretold_by_challenger: count / 3,
            recall_margin: 0.1,
            recall_e_value: evidence,
            passed,
        },
    );
    let challenger = (served(), time(), comparison).prop_map(|(model, since, comparison)| ChallengerState {
        model,
        since,
        comparison,
    });
    (served(), option::of(challenger)).prop_map(|(champion, challenger)| ModelsState { champion, challenger })
}

fn published() -> impl Strategy<Value = Published> {
    let override_of_route = (
        option::of(override_()),
        option::of(override_()),
        option::of(mode()),
    )
        .prop_map(|(pin, freeze, mode)| RouteOverride { pin, freeze, mode });
    let applied = (version(), time(), option::of(text())).prop_map(|(version, time, error)| AppliedVersion {
        version,
        time,
        error,
    });
    (
        (any::<u64>(), time(), time(), any::<u64>()),
        vec(route_weights(), 0..4),
        btree_map(text(), target_state(), 0..4),
        btree_map(text(), override_of_route, 0..3),
        option::of(override_()),
        btree_map(text(), btree_map(text(), applied, 1..3), 0..3),
        btree_map(text(), any::<u64>(), 0..5),
        models(),
    )
        .prop_map(
            |(head, routes, targets, overrides, fleet_freeze, applied, counters, models)| Published {
                models,
                epoch: head.0,
                now: head.1,
                watermark: head.2,
                decisions: head.3,
                logs: Arc::default(),
                routes: routes
                    .into_iter()
                    .map(|weights| (weights.route.clone(), Arc::new(weights)))
                    .collect(),
                targets: targets
                    .into_iter()
                    .map(|(name, state)| (name.into(), Arc::new(state)))
                    .collect(),
                overrides: overrides
                    .into_iter()
                    .map(|(name, set)| (name.into(), set))
                    .collect(),
                fleet_freeze,
                applied: applied
                    .into_iter()
                    .map(|(route, gateways)| {
                        let gateways = gateways.into_iter().map(|(name, said)| (name.into(), said));
                        (route.into(), gateways.collect())
                    })
                    .collect(),
                counters,
            },
        )
}

fn action() -> impl Strategy<Value = Action> {
    let shares = || vec((text().prop_map(Into::into), 0..=10_000_u32), 0..4);
    let route = || option::of(text().prop_map(Into::into));
    let verdicts = [
        Verdict::Confirmed,
        Verdict::FalseAlarm,
        Verdict::Expected,
        Verdict::Reviewed,
        Verdict::Missed,
    ];
    let millis = (-1_000_000_000_000_i64..10_000_000_000_000).prop_map(Timestamp::from_millis);
    prop_oneof![
        (text(), shares()).prop_map(|(route, weights)| Action::Pin {
            route: route.into(),
            weights
        }),
        text().prop_map(|route| Action::Unpin { route: route.into() }),
        route().prop_map(|route| Action::Freeze { route }),
        route().prop_map(|route| Action::Unfreeze { route }),
        (route(), mode()).prop_map(|(route, mode)| Action::SetMode { route, mode }),
        (text(), shares()).prop_map(|(route, baseline)| Action::ConfirmBaseline {
            route: route.into(),
            baseline
        }),
        (text(), time(), option::of(time())).prop_map(|(target, start, end)| Action::MarkIncident {
            target: target.into(),
            start,
            end
        }),
        (text(), millis, select(verdicts.to_vec())).prop_map(|(target, tick, verdict)| {
            Action::Verdict {
                prediction: PredictionId {
                    target: target.into(),
                    tick,
                },
                verdict,
            }
        }),
    ]
}

fn command_of(call: OperatorCall, accepted: Acceptance<'_>) -> Result<Command, WireError> {
    match call {
        OperatorCall::Pin(request) => command(through_bytes(&request), accepted),
        OperatorCall::Unpin(request) => command(through_bytes(&request), accepted),
        OperatorCall::Freeze(request) => command(through_bytes(&request), accepted),
        OperatorCall::Unfreeze(request) => command(through_bytes(&request), accepted),
        OperatorCall::SetMode(request) => command(through_bytes(&request), accepted),
        OperatorCall::ConfirmBaseline(request) => command(through_bytes(&request), accepted),
        OperatorCall::MarkIncident(request) => command(through_bytes(&request), accepted),
        OperatorCall::GiveVerdict(request) => command(through_bytes(&request), accepted),
    }
}

proptest! {
    #[test]
    fn a_signal_comes_back_as_it_was(signals in vec(signal(), 0..8)) {
        let batch: v1::SignalBatch = signals.iter().cloned().collect();
        let back = read(&batch.encode_to_vec());
        prop_assert_eq!(back, Ok(signals.into_iter().map(Ok).collect()));
    }

    #[test]
    fn damaged_signals_are_read_as_prost_reads_them(
        signals in vec(signal(), 0..8),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<proptest::sample::Index>(),
    ) {
        let batch: v1::SignalBatch = signals.into_iter().collect();
        let mut bytes = batch.encode_to_vec();
        for (place, byte) in damage {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes.truncate(cut.index(2 * bytes.len() + 1));
        let theirs = v1::SignalBatch::decode(bytes.as_slice()).map_err(|_| Malformed);
        let theirs = theirs.and_then(|batch| read(&batch.encode_to_vec()));
        prop_assert_eq!(read(&bytes), theirs);
    }

    #[test]
    fn route_weights_come_back_as_they_were(weights in route_weights()) {
        prop_assert_eq!(through_bytes(&v1::RouteWeights::from(&weights)).try_into(), Ok(weights));
    }

    #[test]
    fn a_published_state_comes_back_as_it_was(published in published()) {
        let published = Arc::new(published);
        let mut merge = StatusMerge::default();
        for part in status_parts(Arc::clone(&published)) {
            prop_assert_eq!(merge.add(through_bytes(&part)), Ok(()));
        }
        prop_assert_eq!(merge.finish(), Ok(published.as_ref().clone()));
    }

    #[test]
    fn a_command_comes_back_as_it_was(
        action in action(),
        texts in (text(), text(), option::of(text())),
        times in (time(), option::of(time())),
        expected_version in option::of(version()),
    ) {
        prop_assume!(!texts.0.trim().is_empty() && !texts.1.trim().is_empty());
        let asked = Command {
            request_id: texts.0,
            actor: "ada".to_owned(),
            on_behalf_of: texts.2,
            reason: texts.1,
            issued_at: times.0,
            expires_at: times.1,
            expected_version,
            action,
        };
        let header = v1::CommandHeader {
            reason: asked.reason.clone(),
            expires_at_unix_us: asked.expires_at.map(Timestamp::as_micros),
            expires_in_us: None,
            request_id: asked.request_id.clone(),
            expected_version: asked.expected_version.map(Into::into),
            on_behalf_of: asked.on_behalf_of.clone().unwrap_or_default(),
        };
        let accepted = Acceptance { actor: "ada", at: asked.issued_at };
        prop_assert_eq!(command_of(OperatorCall::new(header, &asked.action), accepted), Ok(asked));
    }

    #[test]
    fn a_log_line_comes_back_as_it_was(
        time in time(),
        texts in (text(), option::of(text()), text(), option::of(text()), option::of(text())),
        severity in option::of(select(vec![
            Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal,
        ])),
        attributes in btree_map(text(), text(), 0..5),
        http_status in option::of(prop_oneof![Just(0), 100..=599_u16]),
        grpc_status in option::of(0..=16_u8),
        count in 1..=u32::MAX,
    ) {
        let line = LogLine {
            time,
            target: texts.0.into(),
            route: texts.1.map(Into::into),
            severity,
            body: texts.2,
            attributes,
            http_status,
            grpc_status,
            provider_error_code: texts.3,
            provider_error_type: texts.4,
            count,
        };
        prop_assert_eq!(through_bytes(&v1::LogRecord::from(&line)).try_into(), Ok(line));
    }

    #[test]
    fn no_bytes_make_a_conversion_panic(bytes in vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
        if let Ok(batch) = v1::LogBatch::decode(bytes.as_slice()) {
            batch.records.into_iter().for_each(|wire| drop(LogLine::try_from(wire)));
        }
        if let Ok(part) = v1::GetStatusResponse::decode(bytes.as_slice()) {
            drop(StatusMerge::default().add(part));
        }
        if let Ok(request) = v1::PinRequest::decode(bytes.as_slice()) {
            drop(command(request, Acceptance { actor: "ada", at: Timestamp::MAX }));
        }
    }
}
