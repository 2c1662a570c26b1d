//! Template ids: a hash of the line with what varies masked.

use crate::miner::MAX_LINE_BYTES;

/// A quoted part longer than this is taken as text with a stray quote.
const MAX_QUOTED_BYTES: usize = 512;
/// Runs of hexadecimal letters of at least this length are ids even without a digit.
const MIN_HEX_LETTERS: usize = 8;

const MASK: u8 = b'#';

/// The template id of a line: equal for lines that differ only in numbers, hexadecimal ids, addresses and quoted
/// parts. Never 0, which stands for "no template"; 0 only for a blank line.
pub fn template_id(message: &str) -> u64 {
    let bytes = message.as_bytes();
    let bytes = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes);
    let mut hash = Fold::default();
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let taken = match first {
            _ if is_word(first) => word(rest, &mut hash),
            b'"' | b'\'' | b'`' => quoted(rest, &mut hash),
            _ if first.is_ascii_whitespace() => {
                hash.space();
                1
            }
            _ => {
                hash.push(first);
                1
            }
        };
        rest = rest.get(taken..).unwrap_or(tail);
    }
    hash.finish()
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Hashes the run of word bytes at the start, masked when it holds a digit or looks like an id; gives its length.
fn word(bytes: &[u8], hash: &mut Fold) -> usize {
    let length = bytes
        .iter()
        .position(|byte| !is_word(*byte))
        .unwrap_or(bytes.len());
    let run = bytes.get(..length).unwrap_or(bytes);
    let has_digit = run.iter().any(u8::is_ascii_digit);
    let is_hex = run.len() >= MIN_HEX_LETTERS && run.iter().all(u8::is_ascii_hexdigit);
    if has_digit || is_hex {
        hash.mask();
    } else {
        run.iter().for_each(|byte| hash.push(*byte));
    }
    length
}

/// Masks the quoted part at the start, if its quote is closed; gives the length taken.
fn quoted(bytes: &[u8], hash: &mut Fold) -> usize {
    let quote = bytes.first().copied().unwrap_or_default();
    let inside = bytes.get(1..).unwrap_or_default();
    // The apostrophe of "can't" is no quote: it follows a letter, and what follows it is no closed part.
    if quote == b'\'' && hash.last.is_ascii_alphanumeric() {
        hash.push(quote);
        return 1;
    }
    match inside
        .iter()
        .take(MAX_QUOTED_BYTES)
        .position(|byte| *byte == quote)
    {
        Some(length) => {
            hash.push(quote);
            hash.mask();
            length + 2
        }
        None => {
            hash.push(quote);
            1
        }
    }
}

/// FNV-1a over the masked bytes: fixed for ever, since template ids are stored.
struct Fold {
    state: u64,
    last: u8,
    /// Separators after a mask, held back: `#.#.#:#` is one mask.
    held: Option<u8>,
    any: bool,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            state: 0xcbf2_9ce4_8422_2325,
            last: 0,
            held: None,
            any: false,
        }
    }
}

impl Fold {
    fn raw(&mut self, byte: u8) {
        self.state = (self.state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.last = byte;
        self.any = true;
    }

    fn push(&mut self, byte: u8) {
        let joins = matches!(byte, b'.' | b':' | b'-' | b',' | b'/');
        if joins && self.last == MASK && self.held.is_none() {
            self.held = Some(byte);
            return;
        }
        self.release();
        self.raw(byte);
    }

    fn mask(&mut self) {
        self.held = None;
        if self.last != MASK {
            self.raw(MASK);
        }
    }

    /// Runs of blanks count as one; blanks at the start do not count.
    fn space(&mut self) {
        self.release();
        if self.any && self.last != b' ' {
            self.raw(b' ');
        }
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.raw(held);
        }
    }

    fn finish(mut self) -> u64 {
        self.release();
        match (self.any, self.state) {
            (false, _) => 0,
            (true, 0) => 1,
            (true, state) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        template_id(left) == template_id(right)
    }

    #[test]
    fn lines_that_differ_in_what_varies_share_a_template() {
        assert!(same(
            "connect to 10.0.0.1:8080 failed after 30ms",
            "connect to 192.168.7.21:443 failed after 1200ms"
        ));
        assert!(same(
            "request 4f9a-11aa-deadbeef done",
            "request 00aa-7777-cafebabe done"
        ));
        assert!(same("no \"alice\" in  table", "no \"bob and carol\" in table"));
        assert!(same("can't open 'a.txt'", "can't open 'b.txt'"));
    }

    #[test]
    fn lines_with_other_words_do_not_share_a_template() {
        assert!(!same("connection refused", "connection reset"));
        assert!(!same("retry 3", "retries 3"));
        assert!(!same("a 1 b", "a b 1"));
    }

    #[test]
    fn a_blank_line_has_no_template() {
        assert_eq!(template_id(""), 0);
        assert_eq!(template_id("  \n"), 0);
        assert_ne!(template_id("x"), 0);
    }

    #[test]
    fn what_lies_behind_the_bound_is_not_read() {
        let long = "x ".repeat(MAX_LINE_BYTES);
        assert!(same(&long, &format!("{long} and more")));
    }

    #[test]
    fn the_id_is_fixed_because_it_is_stored() {
        assert_eq!(
            template_id("connection refused by 10.0.0.1"),
            template_id("connection refused by 9")
        );
        assert_eq!(template_id("a"), 0xaf63_dc4c_8601_ec8c);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_template_and_numbers_never_matter(text in "\\PC{0,200}", a in 0u64.., b in 0u64..) {
            let _ = template_id(&text);
            proptest::prop_assert_eq!(
                template_id(&format!("x {a} y")),
                template_id(&format!("x {b} y"))
            );
        }
    }
}
