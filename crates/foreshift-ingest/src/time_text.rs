//! Times as text: RFC 3339, or Unix seconds with a fraction. Exact to the microsecond, without floats.

use foreshift_domain::Timestamp;

/// The longest text read as a time: RFC 3339 with nanoseconds and an offset has 35 bytes.
const MAX_TIME_BYTES: usize = 40;

/// Reads a time; `None` for anything else. Digits past the microsecond are cut off.
pub fn parse(text: &[u8]) -> Option<Timestamp> {
    let text = text.trim_ascii();
    if text.len() > MAX_TIME_BYTES {
        return None;
    }
    // RFC 3339 has a `-` after the year; a Unix time has one only in front.
    match text.get(4) {
        Some(b'-') => rfc3339(text),
        _ => unix_seconds(text),
    }
}

fn unix_seconds(text: &[u8]) -> Option<Timestamp> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let dot = digits
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at_checked(dot)?;
    let seconds = number(whole)?;
    let micros = fraction_micros(fraction.get(1..).unwrap_or_default())?;
    let total = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    Some(Timestamp::from_micros(if negative { -total } else { total }))
}

/// `2026-01-02T03:04:05.678Z`, also with a blank for the `T`, in any case, and an offset.
fn rfc3339(text: &[u8]) -> Option<Timestamp> {
    let part = |from: usize, to: usize| number(text.get(from..to)?);
    let is = |at: usize, what: &[u8]| text.get(at).is_some_and(|byte| what.contains(byte));
    let marks = is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    if !marks {
        return None;
    }
    let days = days_from_civil(part(0, 4)?, part(5, 7)?, part(8, 10)?)?;
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // A leap second is taken as the second after it, as POSIX clocks do.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.split_first() {
        Some((b'.', tail)) => {
            let end = tail
                .iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(tail.len());
            (fraction_micros(tail.get(..end)?)?, tail.get(end..)?)
        }
        _ => (0, rest),
    };
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(zone)?;
    Some(Timestamp::from_micros(seconds * 1_000_000 + fraction))
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let sign = match zone.first()? {
        b'Z' | b'z' if zone.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match zone.len() {
        6 if zone.get(3) == Some(&b':') => (number(zone.get(1..3)?)?, number(zone.get(4..6)?)?),
        5 => (number(zone.get(1..3)?)?, number(zone.get(3..5)?)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since the Unix epoch of a day of the Gregorian calendar; `None` when there is no such day.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn fraction_micros(digits: &[u8]) -> Option<i64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some(padded.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        parse(text.as_bytes()).map(Timestamp::as_micros)
    }

    #[test]
    fn both_forms_name_the_same_moment() {
        assert_eq!(micros("1608245460"), Some(1_608_245_460_000_000));
        assert_eq!(micros("2020-12-17T22:51:00Z"), Some(1_608_245_460_000_000));
        assert_eq!(
            micros("2020-12-17 23:51:00.250+01:00"),
            Some(1_608_245_460_250_000)
        );
        assert_eq!(micros("2020-12-17T17:21:00-0530"), Some(1_608_245_460_000_000));
        assert_eq!(micros("1608245460.25"), Some(1_608_245_460_250_000));
    }

    #[test]
    fn fractions_are_exact_and_cut_at_the_microsecond() {
        assert_eq!(micros("0.1234567"), Some(123_456));
        assert_eq!(micros("-1.5"), Some(-1_500_000));
        assert_eq!(
            micros("2000-02-29T00:00:00.000001999Z"),
            Some(951_782_400_000_001)
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            " ",
            "nan",
            "inf",
            "1e9",
            "12:00",
            "2021-02-29T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:00:00",
            "2021-01-01",
            "99999999999999999999",
            "1.2.3",
            "--1",
            "2021-01-01T00:00:00+1",
            "2021-01-01T00:00:00.Zz",
        ] {
            assert_eq!(micros(text), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..50)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn whole_seconds_survive(secs in -4_000_000_000_i64..8_000_000_000) {
            proptest::prop_assert_eq!(micros(&secs.to_string()), Some(secs * 1_000_000));
        }
    }
}
