use foreshift_domain::GaugeName;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["failure_trend", "latency_z", "request_rate_shift"];

fn find(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

fn read(name: &GaugeName, reading: Reading) -> f64 {
    match (name.as_str(), reading) {
        ("queue.depth", Reading::Mean(0)) => 6.0,
        ("queue.depth", Reading::Mean(3)) => 2.0,
        _ => f64::NAN,
    }
}

fn value(text: &str, row: [f64; 3]) -> f64 {
    Expression::parse(text, &find)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .value(&row, &read)
}

#[test]
fn operators_bind_as_in_arithmetic() {
    let row = [2.0, 3.0, 0.5];
    for (text, expected) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 / 2 / 2", 2.0),
        ("7 - 2 - 1", 4.0),
        ("-failure_trend * -2", 4.0),
        ("- - 3", 3.0),
        ("1.5e1 + .5", 15.5),
        ("failure_trend * max(latency_z, 0) > 5", 1.0),
        ("latency_z < failure_trend", 0.0),
        ("2 <= 2", 1.0),
        ("clamp(latency_z, 0, 1)", 1.0),
        ("if(request_rate_shift >= 1, 10, 20)", 20.0),
        ("log2(8) + sqrt(9) + abs(-1) + exp2(3) + min(1, 2)", 16.0),
        (
            "gauge('queue.depth', mean_fast) / gauge('queue.depth', mean_long)",
            3.0,
        ),
    ] {
        assert_eq!(value(text, row), expected, "{text}");
    }
}

#[test]
fn what_is_missing_stays_missing_unless_it_is_asked_for() {
    let row = [f64::NAN, 3.0, f64::NAN];
    for text in [
        "failure_trend + 1",
        "failure_trend < 1",
        "if(failure_trend, 1, 2)",
        "clamp(failure_trend, 0, 1)",
        "1 / 0",
        "log2(0)",
        "sqrt(-1)",
        "gauge('unknown', value)",
        "missing(failure_trend) / 0",
    ] {
        assert!(value(text, row).is_nan(), "{text}");
    }
    assert_eq!(value("max(failure_trend, 1)", row), 1.0);
    assert_eq!(value("or(failure_trend, latency_z)", row), 3.0);
    assert_eq!(value("missing(failure_trend) + missing(latency_z)", row), 1.0);
}

#[test]
fn an_error_says_where_and_what_would_do() {
    for (text, at, what) in [
        ("latency_y", 1, "there is no feature `latency_y`"),
        (
            "1 + sum(2)",
            5,
            "there is no function `sum`; there are gauge, abs",
        ),
        (
            "max(1)",
            6,
            "`,` is missing between the 2 arguments of `max`: found `)`",
        ),
        (
            "(1 + 2",
            7,
            "`)` is missing after what the parenthesis holds: found the end",
        ),
        ("1 2", 3, "`2` follows a whole expression"),
        ("1 +", 4, "an operand is missing"),
        ("é", 1, "`é` begins no operand"),
        ("1.2.3", 1, "`1.2.3` is no number"),
        (
            "gauge('q', middle)",
            12,
            "`middle` is no reading of a gauge; there are value, mean_fast",
        ),
        ("", 1, "an operand is missing"),
    ] {
        let error = Expression::parse(text, &find).unwrap_err();
        assert!(error.at == at && error.what.starts_with(what), "{text}: {error}");
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(MAX_DEPTH - 1), &find).is_ok());
    let error = Expression::parse(&nested(MAX_DEPTH), &find).unwrap_err();
    assert!(error.what.contains("nested deeper"), "{error}");
    let error = Expression::parse(&"1+".repeat(MAX_EXPRESSION), &find).unwrap_err();
    assert!(error.what.contains("bytes"), "{error}");
}

#[test]
fn the_widest_nesting_fits_the_stack() {
    let levels = MAX_DEPTH - 1;
    let text = format!(
        "{}7{}",
        "0 < 1 + 1 * if(0, 1, ".repeat(levels),
        ")".repeat(levels)
    );
    assert_eq!(value(&text, [0.0; 3]), 1.0);
    let text = format!(
        "{}-7{}",
        "0 < 1 + 1 * if(0, 1, ".repeat(levels),
        ")".repeat(levels)
    );
    assert_eq!(value(&text.replace("0 < ", ""), [0.0; 3]), levels as f64 - 7.0);
}

#[test]
fn every_function_of_the_list_is_known_with_its_arguments() {
    for (name, arguments) in FUNCTIONS {
        let text = format!("{name}({})", vec!["1"; *arguments].join(", "));
        assert!(Expression::parse(&text, &find).is_ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_no_row_an_infinity(
        text in "[a-z0-9_ ().,'+*/<>=-]{0,60}",
        row in prop::array::uniform3(prop::num::f64::ANY),
    ) {
        if let Ok(expression) = Expression::parse(&text, &find) {
            prop_assert!(!expression.value(&row, &read).is_infinite() || row.iter().any(|value| value.is_infinite()));
        }
    }

    #[test]
    fn sums_and_products_are_those_of_floats(a in -1e6..1e6f64, b in -1e6..1e6f64) {
        prop_assert_eq!(value("failure_trend + latency_z * failure_trend", [a, b, 0.0]), a + b * a);
    }
}
