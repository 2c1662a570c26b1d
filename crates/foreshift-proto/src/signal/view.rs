//! Reads signals from their bytes without a string for each name: most names were met before.

use foreshift_domain::signal::Signal;
use foreshift_domain::{EndpointName, GatewayName, RouteName, TargetName};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, int64, skip_field};

use super::observation;
use crate::error::WireError;
use crate::field;
use crate::v1::signal::Observation as Wire;

/// Makes names of texts, each anew unless told otherwise. Who reads many signals shares those that come again.
pub trait Names {
    /// The name of a target.
    fn target(&mut self, text: &str) -> TargetName {
        text.into()
    }

    /// The name of a route.
    fn route(&mut self, text: &str) -> RouteName {
        text.into()
    }

    /// The name of a gateway.
    fn gateway(&mut self, text: &str) -> GatewayName {
        text.into()
    }

    /// The name of an endpoint.
    fn endpoint(&mut self, text: &str) -> EndpointName {
        text.into()
    }
}

/// A `foreshift.v1.Signal` whose names lie in the bytes that it was read from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignalView<'a> {
    time_unix_us: i64,
    target: &'a str,
    route: &'a str,
    gateway: &'a str,
    endpoint: &'a str,
    observation: Option<Wire>,
}

/// Bytes that are no `foreshift.v1.SignalBatch`. `v1::SignalBatch` refuses them too, and says where and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> SignalView<'a> {
    /// The signals of a `foreshift.v1.SignalBatch`, up to the first that is malformed.
    pub fn of_batch(bytes: &'a [u8]) -> impl Iterator<Item = Result<Self, Malformed>> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let next = next_of_batch(&mut rest).ok_or(Malformed).transpose();
            if matches!(next, Some(Err(_))) {
                rest = &[];
            }
            next
        })
    }

    /// `None` when malformed.
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut view = Self::default();
        while !bytes.is_empty() {
            let (tag, wire_type) = decode_key(&mut bytes).ok()?;
            let context = DecodeContext::default();
            match tag {
                1 => int64::merge(wire_type, &mut view.time_unix_us, &mut bytes, context).ok()?,
                2 => view.target = text(wire_type, &mut bytes)?,
                3 => view.route = text(wire_type, &mut bytes)?,
                4 => view.gateway = text(wire_type, &mut bytes)?,
                5 => view.endpoint = text(wire_type, &mut bytes)?,
                10..=14 => Wire::merge(&mut view.observation, tag, wire_type, &mut bytes, context).ok()?,
                _ => skip_field(wire_type, tag, &mut bytes, context).ok()?,
            }
        }
        Some(view)
    }

    /// The signal, if it keeps the promises of its fields.
    ///
    /// # Errors
    /// Names the field that does not.
    pub fn signal(self, names: &mut impl Names) -> Result<Signal, WireError> {
        let missing = |field| WireError::Missing { field };
        Ok(Signal {
            time: field::time(self.time_unix_us),
            target: field::optional_text("target", self.target)?
                .map(|text| names.target(text))
                .ok_or(missing("target"))?,
            route: field::optional_text("route", self.route)?.map(|text| names.route(text)),
            gateway: field::optional_text("gateway", self.gateway)?.map(|text| names.gateway(text)),
            endpoint: field::optional_text("endpoint", self.endpoint)?.map(|text| names.endpoint(text)),
            observation: observation(self.observation.ok_or(missing("observation"))?)?,
        })
    }
}

/// `None` when malformed, `Some(None)` at the end.
fn next_of_batch<'a>(rest: &mut &'a [u8]) -> Option<Option<SignalView<'a>>> {
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(rest).ok()?;
        if tag == 1 {
            return SignalView::read(delimited(wire_type, rest)?).map(Some);
        }
        skip_field(wire_type, tag, rest, DecodeContext::default()).ok()?;
    }
    Some(None)
}

fn text<'a>(wire_type: WireType, bytes: &mut &'a [u8]) -> Option<&'a str> {
    str::from_utf8(delimited(wire_type, bytes)?).ok()
}

/// The bytes of a field that says how many they are.
fn delimited<'a>(wire_type: WireType, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    if wire_type != WireType::LengthDelimited {
        return None;
    }
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}
