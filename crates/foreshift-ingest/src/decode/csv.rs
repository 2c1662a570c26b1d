//! Rows of a signal CSV.
//!
//! `time` (RFC 3339 or Unix seconds) and `target` are needed; `route`, `gateway`, `endpoint`, `status` (0 is no
//! connection), `outcome`, `health`, `latency_ms`, `ttfb_ms`, `count` are known; any other column is a gauge of
//! that name where its cells are numbers. Empty cells are missing. A row yields one signal for each thing it says.
//! In a row with `health` and neither `outcome` nor `count`, status and latency describe the probe and not traffic:
//! the latency becomes the gauge [`PROBE_LATENCY_GAUGE`], and no request is counted.

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::signal::{Gauge, Health, Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, EndpointName, GatewayName, GaugeName, RouteName, TargetName};

use super::DecodeError;
use crate::decoded::{Decoded, millis};
use crate::intern::Interner;
use crate::time_text;

/// The gauge that holds the latency of a probe, in milliseconds.
pub const PROBE_LATENCY_GAUGE: &str = "probe_latency_ms";

/// The most columns of a file: each numeric one is a gauge.
pub const MAX_COLUMNS: usize = 256;

/// Reads rows under a header.
#[derive(Debug)]
pub struct RowDecoder {
    columns: Vec<Column>,
    targets: Interner<TargetName>,
    routes: Interner<RouteName>,
    gateways: Interner<GatewayName>,
    endpoints: Interner<EndpointName>,
    probe_latency: GaugeName,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Time,
    Target,
    Route,
    Gateway,
    Endpoint,
    Status,
    Outcome,
    Health,
    LatencyMs,
    TtfbMs,
    Count,
    Gauge(GaugeName),
    Ignored,
}

/// The cells of a row, read; levels are emitted as they are met.
#[derive(Default)]
struct Row {
    status: Option<u16>,
    outcome: Option<OutcomeKind>,
    health: Option<Health>,
    latency: Option<Duration>,
    ttfb: Option<Duration>,
    count: Option<u32>,
}

impl RowDecoder {
    /// Reads the header.
    ///
    /// # Errors
    /// When `time` or `target` is missing, a known column stands twice, or there are too many.
    pub fn new<'a>(header: impl Iterator<Item = &'a [u8]>) -> Result<Self, DecodeError> {
        let columns: Vec<Column> = header.map(column).collect();
        if columns.len() > MAX_COLUMNS {
            return Err(DecodeError::TooMany { most: MAX_COLUMNS });
        }
        for (field, needed) in [("time", Column::Time), ("target", Column::Target)] {
            if !columns.contains(&needed) {
                return Err(DecodeError::Missing { field });
            }
        }
        for (at, column) in columns.iter().enumerate() {
            let twice = columns.iter().skip(at + 1).any(|other| other == column);
            if twice && *column != Column::Ignored {
                return Err(DecodeError::BadField {
                    field: "header".into(),
                    expected: "free of repeated columns",
                });
            }
        }
        Ok(Self {
            columns,
            targets: Interner::default(),
            routes: Interner::default(),
            gateways: Interner::default(),
            endpoints: Interner::default(),
            probe_latency: PROBE_LATENCY_GAUGE.into(),
        })
    }

    /// Cells that a row must have.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Reads one row. Either all of it is taken, or nothing: `out` is as before on an error.
    ///
    /// # Errors
    /// When a cell cannot be read, or the row says nothing.
    pub fn decode<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let before = out.len();
        let result = self.decode_row(cells, out);
        if result.is_err() {
            out.truncate(before);
        }
        result
    }

    fn decode_row<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let mut base = Signal {
            time: foreshift_domain::Timestamp::MIN,
            target: self.targets.get(""),
            route: None,
            gateway: None,
            endpoint: None,
            observation: Observation::Health(Health::Up),
        };
        let (mut timed, mut named) = (false, false);
        let mut row = Row::default();
        let mut levels: Vec<Gauge> = Vec::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            let cell = cell.trim_ascii();
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Time => {
                    base.time =
                        time_text::parse(cell).ok_or_else(|| bad("time", "RFC 3339 or Unix seconds"))?;
                    timed = true;
                }
                Column::Target => {
                    base.target = self.targets.get(name(cell, "target")?);
                    named = true;
                }
                Column::Route => base.route = Some(self.routes.get(name(cell, "route")?)),
                Column::Gateway => base.gateway = Some(self.gateways.get(name(cell, "gateway")?)),
                Column::Endpoint => base.endpoint = Some(self.endpoints.get(name(cell, "endpoint")?)),
                Column::Gauge(name) => {
                    if let Some(value) = level(cell, name)? {
                        levels.push(Gauge {
                            name: name.clone(),
                            value,
                            limit: None,
                        });
                    }
                }
                Column::Ignored => {}
                known => row.read(known, cell)?,
            }
        }
        if !timed {
            return Err(DecodeError::Missing { field: "time" });
        }
        if !named {
            return Err(DecodeError::Missing { field: "target" });
        }
        self.emit(&base, &row, levels, out)
    }

    fn emit(
        &self,
        base: &Signal,
        row: &Row,
        levels: Vec<Gauge>,
        out: &mut Vec<Decoded>,
    ) -> Result<(), DecodeError> {
        let before = out.len();
        let mut push = |observation| {
            let signal = Signal {
                observation,
                ..base.clone()
            };
            out.push(Decoded::Signal {
                signal,
                aliases: Vec::new(),
                source: OutcomeSource::Native,
            });
        };
        if let Some(health) = row.health {
            push(Observation::Health(health));
        }
        if row.is_probe() {
            if let Some(latency) = row.latency {
                let name = self.probe_latency.clone();
                push(Observation::Gauge(Gauge {
                    name,
                    value: latency.as_millis_f64(),
                    limit: None,
                }));
            }
        } else if let Some(outcome) = row.request() {
            push(Observation::Outcome(outcome));
        }
        levels
            .into_iter()
            .for_each(|gauge| push(Observation::Gauge(gauge)));
        if out.len() == before {
            return Err(DecodeError::Missing {
                field: "status, outcome, health, latency_ms or a gauge",
            });
        }
        Ok(())
    }
}

impl Row {
    fn read(&mut self, column: &Column, cell: &[u8]) -> Result<(), DecodeError> {
        match column {
            Column::Status => {
                let status = text(cell)
                    .and_then(|text| text.parse().ok())
                    .filter(|status| *status < 1_000);
                self.status = Some(status.ok_or_else(|| bad("status", "0 or an HTTP status"))?);
            }
            Column::Outcome => {
                let kind = text(cell).and_then(OutcomeKind::parse);
                self.outcome = Some(kind.ok_or_else(|| bad("outcome", "a kind of outcome"))?);
            }
            Column::Health => {
                self.health = Some(match cell {
                    b"up" => Health::Up,
                    b"degraded" => Health::Degraded,
                    b"down" => Health::Down,
                    _ => return Err(bad("health", "up, degraded or down")),
                });
            }
            Column::LatencyMs => self.latency = span(cell, "latency_ms")?,
            Column::TtfbMs => self.ttfb = span(cell, "ttfb_ms")?,
            Column::Count => {
                let count = text(cell)
                    .and_then(|text| text.parse().ok())
                    .filter(|count| *count > 0);
                self.count = Some(count.ok_or_else(|| bad("count", "a whole number from 1"))?);
            }
            _ => {}
        }
        Ok(())
    }

    const fn is_probe(&self) -> bool {
        self.health.is_some() && self.outcome.is_none() && self.count.is_none()
    }

    fn request(&self) -> Option<Outcome> {
        let measured = self.latency.is_some() || self.ttfb.is_some() || self.count.is_some();
        let kind = match (self.outcome, self.status) {
            (Some(kind), _) => kind,
            (None, Some(status)) => OutcomeKind::from_http_status(status),
            (None, None) if measured => OutcomeKind::Success,
            (None, None) => return None,
        };
        Some(Outcome {
            kind,
            latency: self.latency,
            ttfb: self.ttfb,
            count: self.count.unwrap_or(1),
        })
    }
}

fn column(name: &[u8]) -> Column {
    match name.trim_ascii() {
        b"time" => Column::Time,
        b"target" => Column::Target,
        b"route" => Column::Route,
        b"gateway" => Column::Gateway,
        b"endpoint" => Column::Endpoint,
        b"status" => Column::Status,
        b"outcome" => Column::Outcome,
        b"health" => Column::Health,
        b"latency_ms" => Column::LatencyMs,
        b"ttfb_ms" => Column::TtfbMs,
        b"count" => Column::Count,
        other => match text(other) {
            Some(name) if !name.is_empty() && name.len() <= MAX_NAME_BYTES => Column::Gauge(name.into()),
            _ => Column::Ignored,
        },
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn bad(field: &str, expected: &'static str) -> DecodeError {
    DecodeError::BadField {
        field: field.to_owned(),
        expected,
    }
}

fn name<'a>(cell: &'a [u8], field: &str) -> Result<&'a str, DecodeError> {
    let name = text(cell).filter(|name| name.len() <= MAX_NAME_BYTES);
    name.ok_or_else(|| bad(field, "UTF-8 of at most 512 bytes"))
}

/// Words that tools write for a missing number.
fn is_missing(cell: &[u8]) -> bool {
    [&b"nan"[..], b"null", b"na", b"none", b"-"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word))
}

fn span(cell: &[u8], field: &'static str) -> Result<Option<Duration>, DecodeError> {
    if is_missing(cell) {
        return Ok(None);
    }
    let value = text(cell)
        .and_then(|text| text.parse::<f64>().ok())
        .and_then(millis);
    value
        .map(Some)
        .ok_or_else(|| bad(field, "a number of milliseconds, at least 0"))
}

/// A level; `None` when the cell is no number, so that the column is no gauge here.
fn level(cell: &[u8], name: &GaugeName) -> Result<Option<f64>, DecodeError> {
    if is_missing(cell) {
        return Ok(None);
    }
    match text(cell).and_then(|text| text.parse::<f64>().ok()) {
        Some(value) if value.is_finite() => Ok(Some(value)),
        Some(_) => Err(bad(name.as_str(), "a finite number")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
