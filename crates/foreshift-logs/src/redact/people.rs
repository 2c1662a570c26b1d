//! What has no name and no known beginning: numbers of cards, addresses, and tokens that look like chance.

use std::ops::Range;

use super::Depth;
use super::found::{Found, What};
use super::scan::{at, before, begins_word, run};

/// The shortest token that is taken for a secret by its looks alone.
const LEAST_CHANCE_BYTES: usize = 32;
/// The shortest hexadecimal number that people do not see: a hash, or a key.
const LEAST_HEX_BYTES: usize = 32;
/// The longest part of an e-mail address on either side.
const MAX_MAIL_BYTES: usize = 254;
/// The longest run of anything looked at.
const MAX_RUN_BYTES: usize = 8_192;
/// Digits of a card number.
const CARD_DIGITS: Range<usize> = 13..20;

/// Looks at every byte once, and at each run once more.
pub(super) fn find(bytes: &[u8], depth: Depth, found: &mut Found) {
    let mut place = 0;
    while place < bytes.len() {
        let byte = at(bytes, place);
        if byte == b'@' {
            if depth == Depth::Everything {
                found.add(What::Email, mail(bytes, place));
            }
            place += 1;
        } else if is_chance(byte) {
            let end = run(bytes, place, MAX_RUN_BYTES, is_chance);
            found.add(What::Secret, chance(bytes, place..end, depth));
            numbers(bytes, place..end, depth, found);
            place = end;
        } else {
            if byte == b':' && depth == Depth::Everything && !is_hex(before(bytes, place, 1)) {
                found.add(What::Ip, ip_v6(bytes, place));
            }
            place += 1;
        }
    }
}

const fn is_chance(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-')
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// A run of letters and digits that is long, and mixed as no word is.
fn chance(bytes: &[u8], place: Range<usize>, depth: Depth) -> Option<Range<usize>> {
    let token = bytes.get(place.clone())?;
    if token.len() < LEAST_CHANCE_BYTES {
        return None;
    }
    if depth == Depth::Everything && token.iter().filter(|byte| is_hex(**byte)).count() >= LEAST_HEX_BYTES {
        let longest = token.split(|byte| !is_hex(*byte)).map(<[u8]>::len).max();
        if longest >= Some(LEAST_HEX_BYTES) {
            return Some(place);
        }
    }
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let count = |which: u8| token.iter().filter(|byte| kind(byte) == which).count();
    let changes = token
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if kind(a) != 0 && kind(b) != 0 && kind(a) != kind(b)))
        .count();
    // Of random base64 about six in ten neighbours differ in kind; of CamelCase with numbers in it, one or two.
    let is_mixed = count(1) >= 4 && count(2) >= 4 && count(3) >= 2 && changes * 3 >= token.len();
    is_mixed.then_some(place)
}

/// Numbers that begin in a run: of cards, of machines.
fn numbers(bytes: &[u8], place: Range<usize>, depth: Depth, found: &mut Found) {
    let mut next = place.start;
    while next < place.end {
        let begins = !is_hex(before(bytes, next, 1)) && before(bytes, next, 1) != b'.';
        if at(bytes, next).is_ascii_digit() && begins {
            found.add(What::Card, card(bytes, next));
            if depth == Depth::Everything {
                found.add(What::Ip, ip_v4(bytes, next));
            }
        }
        if is_hex(at(bytes, next)) && begins && depth == Depth::Everything && before(bytes, next, 1) != b':' {
            found.add(What::Ip, ip_v6(bytes, next));
        }
        next += 1;
    }
}

/// A card's number: so many digits, in groups or not, whose check digit is right.
fn card(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if before(bytes, start, 1).is_ascii_alphanumeric() && !begins_word(bytes, start) {
        return None;
    }
    let (mut digits, mut place, mut end) = ([0_u8; CARD_DIGITS.end], start, start);
    let mut count = 0;
    loop {
        let byte = at(bytes, place);
        if byte.is_ascii_digit() {
            *digits.get_mut(count)? = byte - b'0';
            count += 1;
            end = place + 1;
        } else if !matches!(byte, b' ' | b'-') || !at(bytes, place + 1).is_ascii_digit() {
            break;
        }
        place += 1;
    }
    let number = digits.get(..count)?;
    let issued = matches!(number.first(), Some(2..=6));
    (CARD_DIGITS.contains(&count) && issued && !at(bytes, end).is_ascii_alphanumeric() && luhn(number))
        .then_some(start..end)
}

fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (1, digit) if digit > 4 => 2 * digit - 9,
            (1, digit) => 2 * digit,
            (_, digit) => digit,
        })
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}

fn ip_v4(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let mut place = start;
    for part in 0..4 {
        let end = run(bytes, place, 3, |byte| byte.is_ascii_digit());
        if end == place || (part < 3 && at(bytes, end) != b'.') {
            return None;
        }
        place = end + usize::from(part < 3);
    }
    let goes_on = at(bytes, place).is_ascii_digit()
        || (at(bytes, place) == b'.' && at(bytes, place + 1).is_ascii_digit());
    (!goes_on).then_some(start..place)
}

/// Groups of hexadecimal digits between colons: eight, or fewer with `::`; six of two are the address of a card.
fn ip_v6(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    const MOST: usize = 45;
    let end = run(bytes, start, MOST, |byte| {
        is_hex(byte) || matches!(byte, b':' | b'.')
    });
    let mut address = bytes.get(start..end)?;
    while let Some((b'.', rest)) = address.split_last().map(|(last, rest)| (*last, rest)) {
        address = rest;
    }
    // A colon at the end belongs to the sentence, but for `::`.
    if let [rest @ .., last, b':'] = address
        && *last != b':'
    {
        address = bytes.get(start..start + rest.len() + 1)?;
    }
    let colons = address.iter().filter(|byte| **byte == b':').count();
    let is_short = address.windows(2).any(|pair| pair == b"::");
    let groups_fit = address
        .split(|byte| *byte == b':')
        .all(|group| group.len() <= 4 || group.contains(&b'.'));
    let has_digit = address.iter().any(u8::is_ascii_digit);
    let begins = !before(bytes, start, 1).is_ascii_alphanumeric() || begins_word(bytes, start);
    let ends = !at(bytes, start + address.len()).is_ascii_alphanumeric();
    let is_one = match colons {
        7 => true,
        5 => address.len() == 17 || is_short,
        2..=6 => is_short,
        _ => false,
    };
    (is_one && groups_fit && has_digit && begins && ends).then(|| start..start + address.len())
}

fn mail(bytes: &[u8], sign: usize) -> Option<Range<usize>> {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let mut start = sign;
    while sign - start < MAX_MAIL_BYTES && is_local(before(bytes, start, 1)) {
        start -= 1;
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let mut end = run(bytes, sign + 1, MAX_MAIL_BYTES, is_host);
    while matches!(before(bytes, end, 1), b'.' | b'-') && end > sign {
        end -= 1;
    }
    let host = bytes.get(sign + 1..end)?;
    let top = host.rsplit(|byte| *byte == b'.').next()?;
    let is_one = start < sign
        && host.len() > top.len() + 1
        && top.len() >= 2
        && top.iter().all(u8::is_ascii_alphabetic);
    is_one.then_some(start..end)
}
