//! What was found in a text, and the text without it.

use std::ops::Range;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Prompt,
    Secret,
    Card,
    Email,
    Ip,
}

impl What {
    const fn instead(self) -> &'static str {
        match self {
            Self::Prompt => "<omitted>",
            Self::Secret => "<redacted>",
            Self::Card => "<card>",
            Self::Email => "<email>",
            Self::Ip => "<ip>",
        }
    }
}

/// Places in one text, in any order, some over others.
#[derive(Debug, Default)]
pub(super) struct Found {
    places: Vec<(Range<usize>, What)>,
}

impl Found {
    pub(super) fn add(&mut self, what: What, place: Option<Range<usize>>) {
        if let Some(place) = place.filter(|place| !place.is_empty()) {
            self.places.push((place, what));
        }
    }

    /// The text with every place replaced, places that overlap as one; `None` when that changes nothing.
    pub(super) fn replaced_in(mut self, text: &str) -> Option<String> {
        if self.places.is_empty() {
            return None;
        }
        self.places
            .sort_unstable_by_key(|(place, _)| (place.start, place.end));
        let mut clean = String::with_capacity(text.len());
        let (mut end, mut changed) = (0, false);
        let mut places = self.places.into_iter().peekable();
        while let Some((mut place, mut what)) = places.next() {
            while let Some((_, other)) =
                places
                    .next_if(|(next, _)| next.start < place.end)
                    .map(|(next, other)| {
                        place.end = place.end.max(next.end);
                        (next, other)
                    })
            {
                what = what.min(other);
            }
            // Places begin and end beside ASCII, so they are always parts of the text.
            let (before, inside) = (text.get(end..place.start), text.get(place.clone()));
            clean.push_str(before.unwrap_or_default());
            clean.push_str(what.instead());
            changed |= inside != Some(what.instead());
            end = place.end;
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        changed.then_some(clean)
    }
}
