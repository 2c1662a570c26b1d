//! Attributes: which target they name, and how a request ended by them.

use foreshift_domain::signal::OutcomeKind;
use foreshift_domain::{Duration, EndpointName, GatewayName, RouteName, TargetName};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::outcome::{from_error_type, from_grpc_status};

/// Attributes that name a target by themselves, in order.
const TARGET_KEYS: [&str; 9] = [
    "foreshift.target",
    "upstream_cluster",
    "envoy.cluster_name",
    "envoy_cluster_name",
    "peer.service",
    "gen_ai.provider.name",
    "gen_ai.system",
    // Traefik's.
    "service",
    "traefik.service.name",
];

/// The attributes of a point, record or span over those of its resource.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    own: &'a [KeyValue],
    resource: &'a [KeyValue],
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) target: TargetName,
    pub(super) aliases: Vec<TargetName>,
    pub(super) route: Option<RouteName>,
    pub(super) gateway: Option<GatewayName>,
    pub(super) endpoint: Option<EndpointName>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(own: &'a [KeyValue], resource: Option<&'a Resource>) -> Self {
        Self {
            own,
            resource: resource
                .map(|resource| resource.attributes.as_slice())
                .unwrap_or_default(),
        }
    }

    pub(super) const fn own(&self) -> &'a [KeyValue] {
        self.own
    }

    pub(super) const fn resource(&self) -> &'a [KeyValue] {
        self.resource
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        let found = self
            .own
            .iter()
            .chain(self.resource)
            .find(|attribute| attribute.key == key);
        found?.value.as_ref()?.value.as_ref()
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            Value::StringValue(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A whole number, also when it was sent as text.
    pub(super) fn number(&self, key: &str) -> Option<u16> {
        match self.value(key)? {
            Value::IntValue(number) => u16::try_from(*number).ok(),
            Value::StringValue(text) => text.parse().ok(),
            Value::DoubleValue(number) if (0.0..65_536.0).contains(number) => Some(*number as u16),
            _ => None,
        }
    }

    /// A finite number.
    pub(super) fn real(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Value::IntValue(number) => Some(*number as f64),
            Value::DoubleValue(number) => Some(*number).filter(|number| number.is_finite()),
            _ => None,
        }
    }

    /// A span of time that was sent in seconds.
    pub(super) fn seconds(&self, key: &str) -> Option<Duration> {
        // Longer than a day is no answer to a request.
        let seconds = self
            .real(key)
            .filter(|seconds| (0.0..86_400.0).contains(seconds))?;
        Some(Duration::from_micros((seconds * 1e6) as i64))
    }

    /// Who is meant. What a server says of itself is about its own service; what a client says, about the one it
    /// called.
    pub(super) fn subject(&self, by_server: bool) -> Option<Subject> {
        let address = self.text("server.address").or_else(|| self.text("net.peer.name"));
        let port = self
            .number("server.port")
            .or_else(|| self.number("net.peer.port"));
        let service = self.text("service.name");
        let with_port = address
            .zip(port)
            .map(|(address, port)| format!("{address}:{port}"));
        let mut names: Vec<String> = TARGET_KEYS
            .iter()
            .filter_map(|key| self.text(key))
            .map(str::to_owned)
            .collect();
        let called = with_port.clone().into_iter().chain(address.map(str::to_owned));
        let own = service.map(str::to_owned).into_iter();
        if by_server {
            names.extend(own.chain(called));
        } else {
            names.extend(called.chain(own));
        }
        let mut names = names.into_iter().map(TargetName::from);
        let seen_by = if by_server {
            self.text("service.instance.id")
        } else {
            service
        };
        Some(Subject {
            target: names.next()?,
            aliases: names.collect(),
            route: self
                .text("foreshift.route")
                .or_else(|| self.text("route_name"))
                .map(Into::into),
            gateway: seen_by.map(Into::into),
            endpoint: with_port.or_else(|| address.map(str::to_owned)).map(Into::into),
        })
    }

    pub(super) fn http_status(&self) -> Option<u16> {
        let keys = [
            "http.response.status_code",
            "http.status_code",
            "code",
            "status_code",
            "response_code",
        ];
        keys.iter().find_map(|key| self.number(key))
    }

    pub(super) fn grpc_status(&self) -> Option<u16> {
        let keys = ["rpc.grpc.status_code", "rpc.response.status_code", "grpc_status"];
        keys.iter().find_map(|key| self.number(key))
    }

    pub(super) fn error_type(&self) -> Option<&'a str> {
        self.text("error.type").or_else(|| self.text("exception.type"))
    }

    /// How requests with these attributes ended; `None` when nothing tells.
    pub(super) fn outcome(&self) -> Option<OutcomeKind> {
        if let Some(kind) = self.text("foreshift.outcome").and_then(OutcomeKind::parse) {
            return Some(kind);
        }
        if let Some(status) = self.grpc_status().filter(|status| *status != 0) {
            return Some(from_grpc_status(status));
        }
        if let Some(status) = self.http_status().filter(|status| *status != 0) {
            return Some(OutcomeKind::from_http_status(status));
        }
        if let Some(word) = self.error_type() {
            return Some(from_error_type(word));
        }
        let class = self
            .text("envoy.response_code_class")
            .or_else(|| self.text("envoy_response_code_class"));
        match class.and_then(|class| class.as_bytes().first()) {
            Some(b'1'..=b'3') => Some(OutcomeKind::Success),
            Some(b'4') => Some(OutcomeKind::ClientError),
            Some(b'5') => Some(OutcomeKind::ServerError),
            _ => self.grpc_status().map(from_grpc_status),
        }
    }
}

/// A fixed hash of what identifies a stream (128-bit FNV-1a): it is stored in snapshots.
pub(super) struct StreamHash(u128);

impl StreamHash {
    pub(super) const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        self
    }

    /// Attributes in any order are the same stream.
    pub(super) fn attributes(self, attributes: &[KeyValue]) -> Self {
        let mut sum: u128 = 0;
        for attribute in attributes {
            let one = Self::new()
                .bytes(attribute.key.as_bytes())
                .value(attribute.value.as_ref());
            sum = sum.wrapping_add(one.0);
        }
        self.bytes(&sum.to_be_bytes())
    }

    fn value(self, value: Option<&AnyValue>) -> Self {
        match value.and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => self.bytes(text.as_bytes()),
            Some(Value::IntValue(number)) => self.bytes(&number.to_be_bytes()),
            Some(Value::BoolValue(flag)) => self.bytes(&[u8::from(*flag)]),
            Some(Value::DoubleValue(number)) => self.bytes(&number.to_bits().to_be_bytes()),
            Some(other) => self.bytes(format!("{other:?}").as_bytes()),
            None => self,
        }
    }

    pub(super) const fn finish(self) -> u128 {
        self.0
    }
}
