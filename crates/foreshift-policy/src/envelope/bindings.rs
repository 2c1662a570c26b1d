//! Collects which rules bound, for the decision's record (rule 14).

use std::collections::BTreeMap;

use foreshift_domain::decision::Clause;

use crate::plan::{Note, Scene};
use crate::rules::rule;

/// Rules that bound so far. One clause for each rule and target; the largest of what was held back.
pub(crate) struct Bindings<'a> {
    scene: &'a Scene<'a>,
    bound: BTreeMap<(u8, Option<usize>), u32>,
    notes: Vec<Note>,
}

impl<'a> Bindings<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>) -> Self {
        Self {
            scene,
            bound: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// A rule bound a target, or the route, and held back so many basis points of the route.
    pub(crate) fn bind(&mut self, rule: u8, target: Option<usize>, held_back_bp: u32) {
        let held = self.bound.entry((rule, target)).or_default();
        *held = (*held).max(held_back_bp);
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Clauses by ascending rule, the route before its targets; and the notes.
    pub(crate) fn finish(self) -> (Vec<Clause>, Vec<Note>) {
        let clauses = self
            .bound
            .into_iter()
            .map(|((number, target), held_back_bp)| Clause {
                rule: number,
                name: rule(number).map_or("", |rule| rule.name).to_owned(),
                target: target.and_then(|at| self.scene.name(at).cloned()),
                held_back_bp,
            })
            .collect();
        (clauses, self.notes)
    }
}
