//! Values that are written as text with a grammar of their own: spans of time, shares, capacities,
//! names, addresses. Each has one parser, used by the check with its place, by serde and by tests.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::str::FromStr;

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Capacity, CapacityUnit};
use foreshift_domain::names::MAX_NAME_BYTES;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest span accepted, in days: longer ones are typing mistakes, and sums of them stay far from overflow.
pub const MAX_DURATION_DAYS: i64 = 3_650;

/// The keyword that carries the grammar's name in the JSON schema; editors ignore it and use `pattern`.
pub(crate) const GRAMMAR: &str = "x-grammar";

/// Whether a text is of this grammar; the error says what was expected.
pub(crate) fn check(grammar: &str, text: &str) -> Result<(), String> {
    match grammar {
        "duration" => parse_duration(text).map(drop),
        "share" => parse_share(text).map(drop),
        "capacity" => parse_capacity(text).map(drop),
        "name" => check_name(text),
        "pattern" => check_pattern(text),
        "address" => parse_address(text).map(drop),
        "endpoint" => parse_endpoint(text).map(drop),
        "broker" => check_broker(text),
        "topic" => check_topic(text),
        other => Err(format!("has a grammar that nobody knows: {other}")),
    }
}

/// Numbers with the units `us`, `ms`, `s`, `m`, `h` and `d`, one after another: `30s`, `1h30m`, `0s`.
///
/// # Errors
/// What was expected, when the text is something else or longer than [`MAX_DURATION_DAYS`].
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a span of time such as 500ms, 30s, 2m, 1h30m or 7d";
    let wrong = || format!("{EXPECTED}, found `{text}`");
    let mut rest = text.trim();
    let mut micros: i64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let size: i64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        micros = number
            .checked_mul(size)
            .and_then(|more| micros.checked_add(more))
            .ok_or_else(wrong)?;
        rest = tail;
    }
    if micros > MAX_DURATION_DAYS * 86_400_000_000 {
        return Err(format!("`{text}` is longer than {MAX_DURATION_DAYS} days"));
    }
    Ok(Duration::from_micros(micros))
}

/// A percentage with at most two decimals, as basis points: `70%` is 7,000.
pub(crate) fn parse_share(text: &str) -> Result<u32, String> {
    let wrong =
        || format!("expected a percentage with at most two decimals such as 70% or 33.34%, found `{text}`");
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(part, 2) {
        return Err(wrong());
    }
    let hundredths: u32 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    let share = whole.parse::<u32>().map_err(|_| wrong())? * 100 + hundredths;
    if share > 10_000 {
        Err(format!("`{text}` is more than 100%"))
    } else {
        Ok(share)
    }
}

/// The units a capacity may be written in, and what they stand for.
const CAPACITY_WORDS: [(&str, CapacityUnit); 3] = [
    ("rps", CapacityUnit::RequestsPerSecond),
    ("concurrent", CapacityUnit::ConcurrentRequests),
    ("tpm", CapacityUnit::TokensPerMinute),
];

/// An amount and a unit: `500 rps`, `64 concurrent`, `200000 tpm`.
pub(crate) fn parse_capacity(text: &str) -> Result<Capacity, String> {
    let wrong = || {
        format!(
            "expected a capacity such as `500 rps`, `64 concurrent` or `200000 tpm` (tokens a minute), found `{text}`"
        )
    };
    let (amount, word) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let amount: f64 = amount.replace('_', "").parse().map_err(|_| wrong())?;
    let (_, unit) = CAPACITY_WORDS
        .into_iter()
        .find(|(one, _)| *one == word.trim())
        .ok_or_else(wrong)?;
    if amount.is_finite() && amount > 0.0 {
        Ok(Capacity { amount, unit })
    } else {
        Err(format!("a capacity must be above zero, found `{text}`"))
    }
}

fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        Err("a name may not be empty".to_owned())
    } else if text.len() > MAX_NAME_BYTES {
        Err(format!(
            "a name may have {MAX_NAME_BYTES} bytes at most, this one has {}",
            text.len()
        ))
    } else if text.trim() != text {
        Err(format!("a name may not begin or end with a space: `{text}`"))
    } else if text.chars().any(char::is_control) {
        Err("a name may not hold control characters".to_owned())
    } else {
        Ok(())
    }
}

fn check_pattern(text: &str) -> Result<(), String> {
    match text.strip_suffix('*').unwrap_or(text) {
        prefix if prefix.contains('*') => Err(format!(
            "a `*` may stand only at the end of a pattern, found `{text}`"
        )),
        "" if text == "*" => Ok(()),
        prefix => check_name(prefix),
    }
}

/// An IP address with a port; `localhost` is 127.0.0.1.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => Cow::Owned(format!("127.0.0.1:{port}")),
        None => Cow::Borrowed(text),
    };
    SocketAddr::from_str(&numeric).map_err(|_| {
        format!("expected an address to listen on such as 127.0.0.1:7400 or [::]:7400, found `{text}`")
    })
}

/// An IP address with a port that can be connected to.
pub(crate) fn parse_endpoint(text: &str) -> Result<SocketAddr, String> {
    let usable = |address: &SocketAddr| address.port() > 0 && !address.ip().is_unspecified();
    SocketAddr::from_str(text).ok().filter(usable).ok_or_else(|| {
        format!(
            "expected an IP address with a port such as 10.0.0.7:8080 or [2001:db8::7]:8080, found `{text}`"
        )
    })
}

fn check_broker(text: &str) -> Result<(), String> {
    let bare = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    let well = bare.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains([' ', ',', '/']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if well {
        Ok(())
    } else {
        Err(format!(
            "expected a broker such as kafka-1.internal:9092, found `{text}`"
        ))
    }
}

/// The longest name of a topic that Kafka accepts.
const MAX_TOPIC_BYTES: usize = 249;

fn check_topic(text: &str) -> Result<(), String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !text.is_empty()
        && text.len() <= MAX_TOPIC_BYTES
        && text.chars().all(letters)
        && !matches!(text, "." | "..")
    {
        Ok(())
    } else {
        Err(format!(
            "expected the name of a topic (letters, digits, `.`, `_`, `-`, at most {MAX_TOPIC_BYTES}), found `{text}`"
        ))
    }
}

/// Makes a text with a grammar a type of the files: read by `parse`, written by `Display` of `$show`.
macro_rules! text_type {
    ($(#[$doc:meta])* $type:ident($inner:ty), $schema:expr, $parse:expr, $show:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) struct $type(pub(crate) $inner);

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&$show(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(from)?;
                $parse(&text).map(Self).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

text_type!(
    /// A span of time.
    Span(Duration),
    json_schema!({ "type": "string", "pattern": "^([0-9]+(us|ms|s|m|h|d))+$", "x-grammar": "duration" }),
    parse_duration,
    |span: Duration| span.to_string()
);
text_type!(
    /// A share of a route as a percentage, held in basis points.
    Share(u32),
    json_schema!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,2})?%$", "x-grammar": "share" }),
    parse_share,
    |bp: u32| format!("{}.{:02}%", bp / 100, bp % 100)
);
text_type!(
    /// A capacity in one text.
    CapacityText(Capacity),
    json_schema!({ "type": "string", "pattern": "^[0-9._]+ +(rps|concurrent|tpm)$", "x-grammar": "capacity" }),
    parse_capacity,
    |capacity: Capacity| {
        let word = CAPACITY_WORDS.iter().find(|(_, unit)| *unit == capacity.unit).map_or("", |(word, _)| word);
        format!("{} {word}", capacity.amount)
    }
);
text_type!(
    /// An address to listen on.
    Address(SocketAddr),
    json_schema!({ "type": "string", "x-grammar": "address" }),
    parse_address,
    |address: SocketAddr| address.to_string()
);

text_type!(
    /// The address of an endpoint.
    EndpointText(SocketAddr),
    json_schema!({ "type": "string", "x-grammar": "endpoint" }),
    parse_endpoint,
    |address: SocketAddr| address.to_string()
);

/// A `Duration` of the domain as text, for `#[serde(with = "...")]`.
pub(crate) mod duration {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        Span(*span).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Span::deserialize(from).map(|span| span.0)
    }
}

/// A socket address as text, for `#[serde(with = "...")]`.
pub(crate) mod address {
    use super::{Address, Deserialize, Deserializer, Serialize, Serializer, SocketAddr};

    pub(crate) fn serialize<S: Serializer>(address: &SocketAddr, to: S) -> Result<S::Ok, S::Error> {
        Address(*address).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
        Address::deserialize(from).map(|address| address.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in [
            "",
            "30",
            "s",
            "-5s",
            "1.5s",
            "5 s",
            "5x",
            "99999999999999999999s",
            "4000d",
            "5S",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_exact_percentages() {
        assert_eq!(parse_share("70%"), Ok(7_000));
        assert_eq!(parse_share("33.34%"), Ok(3_334));
        assert_eq!(parse_share("0.5%"), Ok(50));
        for wrong in ["70", "%", "101%", "33.333%", "-1%", "1e1%", ".5%", "5.%"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn capacities_have_an_amount_and_a_unit() {
        let capacity = parse_capacity("1_000 rps").expect("valid");
        assert_eq!(
            (capacity.amount, capacity.unit),
            (1_000.0, CapacityUnit::RequestsPerSecond)
        );
        assert!(parse_capacity("64 concurrent").is_ok() && parse_capacity("2e5 tpm").is_ok());
        for wrong in ["500", "0 rps", "-1 rps", "inf rps", "NaN rps", "500 qps", "rps"] {
            assert!(parse_capacity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_only_at_the_end_of_a_pattern() {
        assert!(check_pattern("*").is_ok() && check_pattern("a/*").is_ok() && check_pattern("a").is_ok());
        assert!(check_pattern("a*b").is_err() && check_pattern("**").is_err() && check_pattern("").is_err());
    }

    #[test]
    fn names_are_short_and_printable() {
        assert!(check_name("frontends/Proxi Tok").is_ok());
        assert!(check_name("").is_err() && check_name(" a").is_err() && check_name("a\u{7}").is_err());
        assert!(check_name(&"x".repeat(MAX_NAME_BYTES + 1)).is_err());
    }

    #[test]
    fn brokers_topics_and_addresses_are_checked() {
        assert!(check_broker("kafka:9092").is_ok() && check_broker("SASL_SSL://k.example:9093").is_ok());
        assert!(
            check_broker("kafka").is_err()
                && check_broker("kafka:0").is_err()
                && check_broker("a b:1").is_err()
        );
        assert!(
            check_topic("otlp_metrics").is_ok()
                && check_topic("a topic").is_err()
                && check_topic("").is_err()
        );
        assert!(parse_address("localhost:80").is_ok_and(|address| address.ip().is_loopback()));
        assert!(parse_address("example.com:80").is_err());
    }

    proptest! {
        #[test]
        fn what_the_domain_prints_is_read_back(micros in 0..MAX_DURATION_DAYS * 86_400_000_000) {
            let span = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&span.to_string()), Ok(span));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,12}") {
            for grammar in ["duration", "share", "capacity", "name", "pattern", "address", "broker", "topic"] {
                let _ = check(grammar, &text);
            }
        }
    }
}
