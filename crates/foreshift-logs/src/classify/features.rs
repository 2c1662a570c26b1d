//! What the linear model reads of a text: words, pairs of words and parts of words, hashed into buckets.

use std::collections::BTreeMap;

use super::mask::{MASK, masked_text};
use crate::miner::MAX_LINE_BYTES;

/// Words behind this one are not read: what went wrong stands near the start, and one line must not take the time of
/// ten.
const MAX_WORDS: usize = 120;
/// Lengths of the parts of words.
const PART_LENGTHS: [usize; 2] = [4, 5];
/// A part of a word says less than a word, and there are more of them.
const PART_VALUE: f32 = 0.2;
const WORD_VALUE: f32 = 1.0;
const PAIR_VALUE: f32 = 0.8;

/// Buckets of a text with their values; the squares of the values sum to 1, so that long lines are not louder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    values: Vec<(u16, f32)>,
}

impl Buckets {
    /// (bucket, value), by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (u16, f32)> + '_ {
        self.values.iter().copied()
    }
}

/// The buckets of a message.
pub fn of(message: &str) -> Buckets {
    let words = words(message);
    let mut values: BTreeMap<u16, f32> = BTreeMap::new();
    let mut previous = "^";
    for word in words.iter().map(String::as_str).take(MAX_WORDS) {
        values.insert(bucket(b'w', &[word]), WORD_VALUE);
        values.insert(bucket(b'p', &[previous, word]), PAIR_VALUE);
        for part in parts(word) {
            values.entry(bucket(b'c', &[&part])).or_insert(PART_VALUE);
        }
        previous = word;
    }
    let squares: f32 = values.values().map(|value| value * value).sum();
    let scale = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
    Buckets {
        values: values
            .into_iter()
            .map(|(bucket, value)| (bucket, value * scale))
            .collect(),
    }
}

/// Lower-case words of the masked text; compound names are split: `ConnectionRefusedError`, `no_healthy_upstream`.
pub fn words(message: &str) -> Vec<String> {
    let text = masked_text(crate::line::head(message, MAX_LINE_BYTES));
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for c in text.replace(MASK, " ").chars() {
        if !c.is_alphabetic() {
            close(&mut word, &mut words);
        } else {
            if c.is_uppercase() && previous.is_lowercase() {
                close(&mut word, &mut words);
            }
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    close(&mut word, &mut words);
    words
}

fn close(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// The parts of a word with its ends marked, so that `time` at the start differs from `time` at the end.
fn parts(word: &str) -> impl Iterator<Item = String> {
    let marked: Vec<char> = format!("<{word}>").chars().collect();
    PART_LENGTHS.into_iter().flat_map(move |length| {
        marked
            .windows(length)
            .map(|part| part.iter().collect())
            .collect::<Vec<String>>()
    })
}

/// FNV-1a, folded to a bucket: fixed, since models are stored.
fn bucket(kind: u8, words: &[&str]) -> u16 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut fold = |byte: u8| state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    fold(kind);
    for word in words {
        word.bytes().for_each(&mut fold);
        fold(b' ');
    }
    (state ^ (state >> 16) ^ (state >> 32) ^ (state >> 48)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compound_names_are_read_as_their_words() {
        assert_eq!(
            words("java.net.ConnectException: no_healthy_upstream 503"),
            ["java", "net", "connect", "exception", "no", "healthy", "upstream"]
        );
    }

    #[test]
    fn numbers_ids_and_hosts_do_not_matter() {
        assert_eq!(
            of("dial 10.0.0.1:80 by pod web-5f9c7d-x2k after 30ms"),
            of("dial 192.168.3.4:8443 by pod web-77b1aa-q9z after 1200ms")
        );
    }

    #[test]
    fn long_lines_are_as_loud_as_short_ones_and_are_cut() {
        let long = "connection refused by peer ".repeat(500);
        let norm = |text: &str| of(text).iter().map(|(_, value)| value * value).sum::<f32>();
        assert!((norm(&long) - 1.0).abs() < 1e-3);
        assert!((norm("refused") - 1.0).abs() < 1e-3);
        assert_eq!(norm(""), 0.0);
        let behind = format!("{} zebra", "a ".repeat(MAX_WORDS));
        assert_eq!(of(&behind), of(&"a ".repeat(MAX_WORDS)));
    }

    #[test]
    fn the_buckets_are_fixed_because_models_are_stored() {
        assert_eq!(bucket(b'w', &["refused"]), bucket(b'w', &["refused"]));
        assert_ne!(bucket(b'w', &["refused"]), bucket(b'p', &["refused"]));
        let first: Vec<u16> = of("refused").iter().map(|(bucket, _)| bucket).collect();
        assert_eq!(first.len(), 1 + 1 + 6 + 5);
    }
}
