//! Online template mining: each line gets the id of its template, and templates generalise as lines come in.
//!
//! A line is read once: [`scan`](scan::scan) splits and types it and folds the words, with its values masked, into a
//! fingerprint. A fingerprint that is known costs one look into a fixed table. Only what is new is compared, with the
//! templates of the same skeleton (same columns and punctuation): a line that differs from them in columns of
//! values alone joins, and words become values once enough lines differ in nothing else.

mod cache;
mod grouping;
mod kind;
mod pattern;
mod scan;
mod store;
mod tokens;
mod values;
mod word;

pub use scan::MAX_LINE_BYTES;

use cache::Cache;
use pattern::Pattern;
use scan::{MAX_PIECES, Piece, scan};
use store::Store;

/// Bounds of a miner's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Templates kept; when there are more, one that was not seen for long is forgotten.
    pub max_templates: usize,
    /// Bytes of all templates together.
    pub max_template_bytes: usize,
    /// Fingerprints of lines kept, 16 bytes each.
    pub max_fingerprints: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_templates: 16_384,
            max_template_bytes: 32 << 20,
            max_fingerprints: 65_536,
        }
    }
}

impl Settings {
    /// No bound but on the table of fingerprints: for files, where each line's template is asked for at the end.
    pub fn unbounded() -> Self {
        Self {
            max_templates: usize::MAX,
            max_template_bytes: usize::MAX,
            ..Self::default()
        }
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mined {
    /// Id of its template; 0 for a blank line only.
    pub template: u64,
    /// Whether the text of the template is new: it was never seen, or has just become more general.
    pub is_new: bool,
}

/// A template as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    id: u64,
    text: &'a str,
    lines: u64,
}

impl<'a> Template<'a> {
    /// Hash of the text; never 0.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The text with typed masks: `connect to <ip>:<num> failed`.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The text with `<*>` for each part that varies: `connect to <*>:<*> failed`.
    pub fn starred(&self) -> String {
        kind::starred(self.text)
    }

    /// Lines it was given to, those of templates that it replaced included.
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

/// The miner of one shard.
#[derive(Debug)]
pub struct Miner {
    cache: Cache,
    store: Store,
    pieces: Vec<Piece>,
}

impl Miner {
    /// An empty miner.
    pub fn new(settings: Settings) -> Self {
        Self {
            cache: Cache::new(settings.max_fingerprints),
            store: Store::new(settings),
            pieces: Vec::with_capacity(MAX_PIECES),
        }
    }

    /// Reads a line and learns from it. Bytes behind [`MAX_LINE_BYTES`] are not read.
    pub fn read(&mut self, line: &[u8]) -> Mined {
        let print = scan(line, |_| {});
        if print == 0 {
            return Mined::default();
        }
        if let Some((slot, generation)) = self.cache.get(print)
            && let Some(template) = self.store.hit(slot, generation)
        {
            return Mined {
                template,
                is_new: false,
            };
        }
        self.pieces.clear();
        let pieces = &mut self.pieces;
        scan(line, |piece| pieces.push(piece));
        let learned = self.store.learn(Pattern::read(line, &self.pieces));
        self.cache.put(print, learned.slot, learned.generation);
        Mined {
            template: learned.id,
            is_new: learned.is_new,
        }
    }

    /// The template of a line, without learning from it; `None` for a blank line and when no template fits.
    pub fn find(&self, line: &[u8]) -> Option<u64> {
        let print = scan(line, |_| {});
        if print == 0 {
            return None;
        }
        if let Some((slot, generation)) = self.cache.get(print)
            && let Some(id) = self.store.id(slot, generation)
        {
            return Some(id);
        }
        let mut pieces = Vec::with_capacity(MAX_PIECES);
        scan(line, |piece| pieces.push(piece));
        self.store.find(&Pattern::read(line, &pieces))
    }

    /// The template of an id, also of one that was replaced by a more general one.
    pub fn template(&self, id: u64) -> Option<Template<'_>> {
        self.store.template(id)
    }

    /// The id that replaced this one, or the id itself.
    pub fn current(&self, id: u64) -> u64 {
        self.store.template(id).map_or(id, |template| template.id)
    }

    /// All templates, in no order that means anything.
    pub fn templates(&self) -> impl Iterator<Item = Template<'_>> {
        self.store.templates()
    }
}
