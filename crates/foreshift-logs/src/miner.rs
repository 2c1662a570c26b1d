//! Online template mining: each line gets the id of its template, and templates generalise as lines come in.
//!
//! A line is read once: `scan` splits and types it and folds the words, with its values masked, into a
//! fingerprint. A fingerprint that is known costs one look into a fixed table, and no allocation. Only what is new is
//! compared with templates: column by column with those of the same skeleton (same columns and punctuation), then
//! token by token where a value has another shape, then outside of quotes. A line that differs from a template in
//! columns of values alone joins it, and words become values once enough templates differ in nothing else; how many
//! are enough depends on how the words look and where they stand. A template that becomes more general gets a new id,
//! and answers to its old ones.

mod cache;
mod grouping;
mod kind;
mod learning;
mod pattern;
mod quotes;
mod scan;
mod snapshot;
mod store;
mod tokens;
mod values;
mod word;

pub use scan::MAX_LINE_BYTES;
pub use snapshot::Snapshot;

use cache::Cache;
use pattern::Pattern;
use scan::{MAX_PIECES, Piece, scan};
use store::Store;
pub(crate) use store::id_of;

/// User masks that are looked for; more are left out, since each one costs time on every word.
pub const MAX_MASKS: usize = 64;

/// Bounds of a miner's memory, and what the user wants masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Templates kept; when there are more, one that was not seen for long is forgotten.
    pub max_templates: usize,
    /// Bytes of all templates together.
    pub max_template_bytes: usize,
    /// Replaced ids that each template still answers to; the oldest are forgotten.
    pub max_old_ids: usize,
    /// Fingerprints of lines kept, 16 bytes each.
    pub max_fingerprints: usize,
    /// A word that starts with one of these is masked behind it: `tenant-` makes `tenant-acme` `tenant-<masked>`. At
    /// most [`MAX_MASKS`]. Reading gets slower with each.
    pub masks: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_templates: 16_384,
            max_template_bytes: 32 << 20,
            max_old_ids: 32,
            max_fingerprints: 65_536,
            masks: Vec::new(),
        }
    }
}

impl Settings {
    /// No bound but on the table of fingerprints: for files, where each line's template is asked for at the end.
    pub fn unbounded() -> Self {
        Self {
            max_templates: usize::MAX,
            max_template_bytes: usize::MAX,
            max_old_ids: usize::MAX,
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
    masks: Vec<String>,
}

impl Miner {
    /// An empty miner.
    pub fn new(mut settings: Settings) -> Self {
        let mut masks = std::mem::take(&mut settings.masks);
        masks.retain(|mask| !mask.is_empty());
        masks.truncate(MAX_MASKS);
        Self {
            cache: Cache::new(settings.max_fingerprints),
            store: Store::new(settings),
            pieces: Vec::with_capacity(MAX_PIECES),
            masks,
        }
    }

    /// A miner that goes on where a snapshot was taken. What does not fit the settings, or is broken, is left out.
    pub fn restore(settings: Settings, snapshot: Snapshot) -> Self {
        let mut miner = Self::new(settings);
        snapshot.restore(&mut miner.store);
        miner
    }

    /// All that is needed to go on after a restart. It holds texts of templates, and no values of lines.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.store)
    }

    /// Reads a line and learns from it. Bytes behind [`MAX_LINE_BYTES`] are not read.
    pub fn read(&mut self, line: &[u8]) -> Mined {
        let print = scan(line, &self.masks, |_| {});
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
        scan(line, &self.masks, |piece| pieces.push(piece));
        let learned = learning::learn(&mut self.store, Pattern::read(line, &self.pieces));
        self.cache.put(print, learned.slot, learned.generation);
        Mined {
            template: learned.id,
            is_new: learned.is_new,
        }
    }

    /// The template of a line, without learning from it; `None` for a blank line and when no template fits.
    pub fn find(&self, line: &[u8]) -> Option<u64> {
        let print = scan(line, &self.masks, |_| {});
        if print == 0 {
            return None;
        }
        if let Some((slot, generation)) = self.cache.get(print)
            && let Some(id) = self.store.id(slot, generation)
        {
            return Some(id);
        }
        let mut pieces = Vec::with_capacity(MAX_PIECES);
        scan(line, &self.masks, |piece| pieces.push(piece));
        learning::find(&self.store, &Pattern::read(line, &pieces))
    }

    /// The template of an id, also of one that was replaced by a more general one.
    pub fn template(&self, id: u64) -> Option<Template<'_>> {
        self.store.template(id)
    }

    /// Templates forgotten so far because there were too many.
    pub const fn evicted(&self) -> u64 {
        self.store.evicted
    }

    /// The id that replaced this one; the id itself if none did, or if the template is forgotten.
    pub fn current(&self, id: u64) -> u64 {
        self.store.template(id).map_or(id, |template| template.id)
    }

    /// All templates, in no order that means anything.
    pub fn templates(&self) -> impl Iterator<Item = Template<'_>> {
        self.store.templates()
    }
}
