//! Colours.

/// What a piece of text says beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Ink {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    pub(crate) fn new(colours: bool) -> Self {
        Self { colours }
    }

    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => "",
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "31",
        };
        if !self.colours || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.ink(Ink::Bold, text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.ink(Ink::Dim, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(Paint::new(false).ink(Ink::Bad, "down"), "down");
        assert_eq!(Paint::new(true).ink(Ink::Bad, "down"), "\u{1b}[31mdown\u{1b}[0m");
        assert_eq!(Paint::new(true).ink(Ink::Plain, "up"), "up");
    }
}
