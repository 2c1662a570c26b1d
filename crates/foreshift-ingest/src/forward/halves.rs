//! OTLP exports that are longer than a record: halved until each part fits. A part names its resource and scope again.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;

/// An export of OTLP.
pub(crate) trait Export: Message + Sized {
    /// Metrics, log records or spans in it.
    fn items(&self) -> u64;

    /// Keeps one half and gives back the other; `None` when there is only one thing in it.
    fn halve(&mut self) -> Option<Self>;
}

/// The export as records of at most `most` bytes, in order.
///
/// # Errors
/// The length of a part that cannot be halved.
pub(super) fn records<E: Export>(export: E, most: usize) -> Result<Vec<Vec<u8>>, usize> {
    let (mut parts, mut records) = (vec![export], Vec::new());
    while let Some(mut part) = parts.pop() {
        let length = part.encoded_len();
        if length <= most {
            records.push(part.encode_to_vec());
            continue;
        }
        let rest = part.halve().ok_or(length)?;
        parts.push(rest);
        parts.push(part);
    }
    Ok(records)
}

/// The second half of a list; `None` of a list of one, which is not touched.
fn second_half<T>(list: &mut Vec<T>) -> Option<Vec<T>> {
    (list.len() > 1).then(|| list.split_off(list.len() / 2))
}

/// Halves a list, or the one element that it has.
fn halve_list<T>(list: &mut Vec<T>, halve_one: impl Fn(&mut T) -> Option<T>) -> Option<Vec<T>> {
    match list.as_mut_slice() {
        [one] => halve_one(one).map(|other| vec![other]),
        _ => second_half(list),
    }
}

/// Halves a list inside of something; what surrounds the list is in both halves.
macro_rules! halve_inside {
    ($of:ident.$list:ident, $halve:expr) => {{
        let mut list = std::mem::take(&mut $of.$list);
        let rest = $halve(&mut list);
        let mut other = $of.clone();
        $of.$list = list;
        rest.map(|rest| {
            other.$list = rest;
            other
        })
    }};
}

macro_rules! export {
    ($export:ty, $resources:ident: $resource:ty, $scopes:ident: $scope:ty, $items:ident, $halve_item:expr) => {
        impl Export for $export {
            fn items(&self) -> u64 {
                let scopes = self
                    .$resources
                    .iter()
                    .flat_map(|resource| &resource.$scopes);
                scopes.map(|scope| scope.$items.len() as u64).sum()
            }

            fn halve(&mut self) -> Option<Self> {
                let rest = halve_list(&mut self.$resources, |resource: &mut $resource| {
                    halve_inside!(resource.$scopes, |scopes| {
                        halve_list(scopes, |scope: &mut $scope| {
                            halve_inside!(scope.$items, |items| halve_list(items, $halve_item))
                        })
                    })
                });
                rest.map(|$resources| Self { $resources })
            }
        }
    };
}

export!(ExportLogsServiceRequest, resource_logs: ResourceLogs, scope_logs: ScopeLogs, log_records, |_| None);
export!(ExportTraceServiceRequest, resource_spans: ResourceSpans, scope_spans: ScopeSpans, spans, |_| None);
export!(ExportMetricsServiceRequest, resource_metrics: ResourceMetrics, scope_metrics: ScopeMetrics, metrics, halve_points);

/// Halves the points of a metric.
fn halve_points(metric: &mut Metric) -> Option<Metric> {
    let rest = match metric.data.as_mut()? {
        Data::Gauge(of) => halve_inside!(of.data_points, second_half).map(Data::Gauge),
        Data::Sum(of) => halve_inside!(of.data_points, second_half).map(Data::Sum),
        Data::Histogram(of) => halve_inside!(of.data_points, second_half).map(Data::Histogram),
        Data::ExponentialHistogram(of) => {
            halve_inside!(of.data_points, second_half).map(Data::ExponentialHistogram)
        }
        Data::Summary(of) => halve_inside!(of.data_points, second_half).map(Data::Summary),
    }?;
    let kept = metric.data.take();
    let mut other = metric.clone();
    metric.data = kept;
    other.data = Some(rest);
    Some(other)
}
