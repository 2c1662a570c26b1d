//! RFC 3339 times, read and written without a calendar library: the proleptic Gregorian calendar in UTC.

use crate::time::Timestamp;

/// The point in time that an RFC 3339 text names, such as `2025-03-01T12:00:00.25Z` or `…+02:00`. `None` when it
/// names none. A blank instead of the `T` is accepted, a leap second counts as the second after it, and what is
/// finer than a microsecond is cut.
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
    let (hour, minute, second) = (
        digits(bytes, 11, 2)?,
        digits(bytes, 14, 2)?,
        digits(bytes, 17, 2)?,
    );
    let separators = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
    let separated = separators.iter().all(|(at, allowed)| {
        bytes
            .get(*at)
            .is_some_and(|byte| allowed.as_bytes().contains(byte))
    });
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !separated || !in_range {
        return None;
    }
    let (micros, rest) = fraction(bytes.get(19..)?)?;
    let seconds =
        days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s(rest)?;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros))
}

/// The point in time as RFC 3339 in UTC, with microseconds where there are any. Years outside 0 to 9999, which
/// RFC 3339 cannot say, are written with a sign or with more digits.
pub fn format(time: Timestamp) -> String {
    let micros = time.as_micros().rem_euclid(1_000_000);
    let seconds = time.as_micros().div_euclid(1_000_000);
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    bytes.get(at..at + count)?.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

/// Microseconds of a fraction of a second, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else {
        return Some((0, bytes));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let padded = rest.iter().take(length).copied().chain(std::iter::repeat(b'0'));
    let micros = padded
        .take(6)
        .fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    Some((micros, rest.get(length..)?))
}

/// Seconds east of UTC.
fn offset_s(bytes: &[u8]) -> Option<i64> {
    let sign = match bytes.first()? {
        b'Z' | b'z' if bytes.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(bytes, 1, 2)?, digits(bytes, 4, 2)?);
    let well_formed = bytes.len() == 6 && bytes.get(3) == Some(&b':') && hours <= 23 && minutes <= 59;
    well_formed.then_some(sign * (hours * 3_600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01. Years are counted from March, so that the leap day is the last one of a year.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_since_epoch`].
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let carry = if month <= 2 { 1 } else { 0 };
    (
        era * 400 + year + carry,
        month,
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> Option<i64> {
        parse(text).map(Timestamp::as_micros)
    }

    #[test]
    fn known_moments_are_read() {
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("2024-02-29T12:30:15.25Z"), Some(1_709_209_815_250_000));
        assert_eq!(micros("2024-02-29T14:30:15+02:00"), Some(1_709_209_815_000_000));
        assert_eq!(micros("1969-12-31T23:59:59.999999999-00:00"), Some(-1));
        assert_eq!(micros("2016-12-31T23:59:60Z"), micros("2017-01-01 00:00:00z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+2:00",
            "2024-01-01T00:00:00Zx",
            "2024/01/01T00:00:00Z",
            "+024-01-01T00:00:00Z",
            "２０２４-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in 0_i64..253_402_300_799_999_999) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(parse(&format(time)), Some(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", tail in "[0-9TZ:+. -]{0,30}") {
            parse(&text);
            parse(&format!("2024-01-01T00:00:00{tail}"));
            parse(&tail);
        }
    }
}
