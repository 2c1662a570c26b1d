//! What a piece of a line is: a word that is part of the template, or a value that is masked.

/// The kind of a piece. Everything but words and punctuation is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Text that stands in the template.
    Word,
    /// A run of one punctuation byte.
    Punct,
    /// An integer.
    Num,
    /// A number with a decimal point.
    Float,
    /// A hexadecimal number or hash.
    Hex,
    Uuid,
    Ip,
    /// A link-layer address.
    Mac,
    /// A host name that is followed by a port.
    Host,
    Email,
    Path,
    Url,
    Duration,
    Size,
    /// A day: `2015-10-18`.
    Date,
    /// A time of day: `12:30:01`.
    Time,
    /// Day and time in one.
    Timestamp,
    /// A name with digits in it.
    Id,
    /// A part in quotes.
    Quoted,
    /// Text matched by one of the user's masks.
    Masked,
    /// Any of the above: seen with several kinds or words.
    Any,
}

impl Kind {
    /// Whether the piece is a value, not text of the template.
    pub(super) const fn is_mask(self) -> bool {
        !matches!(self, Self::Word | Self::Punct)
    }

    /// How the parts of a value of this kind are written where all that varies is `<*>`.
    const fn stars(self) -> &'static str {
        match self {
            Self::Float => "<*>.<*>",
            Self::Date => "<*>-<*>-<*>",
            Self::Time | Self::Timestamp => "<*>:<*>:<*>",
            _ => "<*>",
        }
    }

    /// How a value of this kind is written in a template.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Word | Self::Punct => "",
            Self::Num => "<num>",
            Self::Float => "<float>",
            Self::Hex => "<hex>",
            Self::Uuid => "<uuid>",
            Self::Ip => "<ip>",
            Self::Mac => "<mac>",
            Self::Host => "<host>",
            Self::Email => "<email>",
            Self::Path => "<path>",
            Self::Url => "<url>",
            Self::Duration => "<duration>",
            Self::Size => "<size>",
            Self::Date => "<date>",
            Self::Time => "<time>",
            Self::Timestamp => "<timestamp>",
            Self::Id => "<id>",
            Self::Quoted => "<quoted>",
            Self::Masked => "<masked>",
            Self::Any => "<*>",
        }
    }
}

const MASKS: [Kind; 19] = [
    Kind::Num,
    Kind::Float,
    Kind::Hex,
    Kind::Uuid,
    Kind::Ip,
    Kind::Mac,
    Kind::Host,
    Kind::Email,
    Kind::Path,
    Kind::Url,
    Kind::Duration,
    Kind::Size,
    Kind::Date,
    Kind::Time,
    Kind::Timestamp,
    Kind::Id,
    Kind::Quoted,
    Kind::Masked,
    Kind::Any,
];

/// The text before the first mask, the mask, and the text behind it.
pub(super) fn split_mask(text: &str) -> (&str, Option<Kind>, &str) {
    for (at, _) in text.match_indices('<') {
        let (before, tail) = text.split_at(at);
        if let Some(kind) = MASKS.into_iter().find(|kind| tail.starts_with(kind.name())) {
            return (
                before,
                Some(kind),
                tail.get(kind.name().len()..).unwrap_or_default(),
            );
        }
    }
    (text, None, "")
}

/// A template's text with `<*>` for each part that varies, as parsers without types write it.
pub(super) fn starred(text: &str) -> String {
    let mut starred = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, mask, tail) = split_mask(rest);
        starred.push_str(before);
        let Some(kind) = mask else { return starred };
        starred.push_str(kind.stars());
        rest = tail;
    }
}
