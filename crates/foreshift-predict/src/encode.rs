//! From a feature row to the few coordinates it touches.
//!
//! Every input has knots. A value between two knots touches both, each by its nearness (a linear
//! interpolation), so the model can learn any continuous bend with as many weights as a one-hot bin
//! would need, and a value near a knot never jumps. A missing value has a coordinate of its own, so that
//! missing is learned from and never read as zero. Crossed inputs touch the products.

use serde::{Deserialize, Serialize};

/// The most inputs of a model: a row is placed on the stack, so that predicting allocates nothing.
pub const MAX_INPUTS: usize = 256;

/// Values between knots further out than this are not given: their squares have no sum.
const MOST_KNOT: f64 = 1e100;

/// Nearness is kept in this many parts, so that a waiting row stays small.
const PARTS: f64 = 65_536.0;

/// One input of a model, in the order of the feature row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The feature's name.
    pub name: String,
    /// Its knots, ascending, in the feature's unit. Values beyond the first and last count as those.
    /// No knots: only whether the value is missing counts.
    pub edges: Vec<f64>,
    /// The horizons that read it, one bit each. A feature that was computed for one horizon is noise to another.
    #[serde(default = "all_heads")]
    pub heads: u8,
    /// Whether a missing value is learned from; else it adds nothing.
    #[serde(default = "yes")]
    pub missing_tells: bool,
    /// Whether it says how rare something is, in decades: the anomaly expert reads the strongest of these.
    #[serde(default)]
    pub rarity: bool,
}

const fn yes() -> bool {
    true
}

/// Every horizon reads the input.
pub const ALL_HEADS: u8 = u8::MAX;

const fn all_heads() -> u8 {
    ALL_HEADS
}

/// Where a value lies between the knots of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The knot at or below the value; the slot after the last knot is missing.
    knot: u16,
    /// Nearness to the next knot, in parts of 65,536.
    beyond: u16,
}

impl Position {
    /// Nearness to the next knot, 0 to 1.
    #[inline]
    fn share(self) -> f64 {
        f64::from(self.beyond) * (1.0 / PARTS)
    }

    /// The touched slots (of this input) with their nearness. The second may have none.
    #[inline]
    pub(crate) fn touched(self) -> [(usize, f64); 2] {
        let (knot, share) = (usize::from(self.knot), self.share());
        [(knot, 1.0 - share), (knot + 1, share)]
    }
}

/// A row in its places.
pub(crate) struct Placed {
    positions: [Position; MAX_INPUTS],
    inputs: usize,
}

impl std::ops::Deref for Placed {
    type Target = [Position];

    fn deref(&self) -> &[Position] {
        self.positions.get(..self.inputs).unwrap_or_default()
    }
}

/// One input, ready to place values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    edges: Vec<f64>,
    /// Parts per unit above each knot but the last.
    parts_per_unit: Vec<f64>,
}

impl Scale {
    pub(crate) fn new(edges: &[f64]) -> Self {
        let widths = edges.windows(2).map(|pair| match pair {
            [low, high] => PARTS / (high - low),
            _ => 0.0,
        });
        Self {
            edges: edges.to_vec(),
            parts_per_unit: widths.collect(),
        }
    }

    /// How many slots it needs: its knots (at least one) and one for missing.
    pub(crate) fn slots(&self) -> usize {
        self.edges.len().max(1) + 1
    }

    #[inline]
    pub(crate) fn place(&self, value: f64) -> Position {
        if !value.is_finite() {
            return Position {
                knot: (self.slots() - 1) as u16,
                beyond: 0,
            };
        }
        let knot = self
            .edges
            .partition_point(|edge| *edge <= value)
            .saturating_sub(1);
        let beyond = match (self.edges.get(knot), self.parts_per_unit.get(knot)) {
            (Some(edge), Some(parts_per_unit)) => ((value - edge) * parts_per_unit) as u16,
            _ => 0,
        };
        Position {
            knot: knot as u16,
            beyond,
        }
    }

    /// Each slot's knot and how far the next one is; none where there is no other place for a value, and for missing.
    fn gaps(&self) -> impl Iterator<Item = Option<(f64, f64)>> {
        let gap = move |slot: usize| {
            let knot = self.edges.get(slot).filter(|_| self.edges.len() > 1)?;
            let next = self.edges.get(slot + 1).unwrap_or(knot);
            let is_within = knot.abs() <= MOST_KNOT && next.abs() <= MOST_KNOT;
            is_within.then_some((*knot, next - knot))
        };
        (0..self.slots()).map(gap)
    }
}

/// Where an input's slots lie, and who reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    first: usize,
    /// The slot of what is missing, counted from the first.
    missing: u16,
    heads: u8,
    missing_tells: bool,
}

impl Run {
    fn end(&self) -> usize {
        self.first + usize::from(self.missing) + 1
    }

    #[inline]
    fn tells(&self, position: Position) -> bool {
        self.missing_tells || position.knot < self.missing
    }

    /// Every touched slot with its input value in (0, 1].
    #[inline]
    fn visit(&self, position: Position, mut touch: impl FnMut(usize, f64)) {
        if !self.tells(position) {
            return;
        }
        for (slot, share) in self.within(position).touched() {
            if share > 0.0 {
                touch(self.first + slot, share);
            }
        }
    }

    /// The position as if a stored one came from this input: never outside its slots.
    #[inline]
    fn within(&self, position: Position) -> Position {
        if position.knot < self.missing.saturating_sub(1) {
            position
        } else {
            Position {
                knot: position.knot.min(self.missing),
                beyond: 0,
            }
        }
    }
}

/// Whether these heads, one bit each, are some but not the first.
const fn is_left(heads: u8) -> bool {
    heads != 0 && heads & 1 == 0
}

/// Slots of the model's own that a row touches, at most.
const OWN_ROOM: usize = 8;

/// The slots of all inputs and crosses, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    scales: Vec<Scale>,
    runs: Vec<Run>,
    /// The inputs that are read, but not by the first head: few, and every row that is learned asks for them.
    left: Vec<usize>,
    crosses: Vec<Cross>,
    slots: usize,
    /// By slot: its input's knot, and how far the next one is.
    gaps: Vec<Option<(f64, f64)>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Cross {
    a: usize,
    b: usize,
    /// Those that read both.
    heads: u8,
    first_slot: usize,
    stride: usize,
}

/// A slot that a row touches, with its input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Touch {
    pub(crate) slot: usize,
    pub(crate) input: f64,
}

/// The slots that a row touches, gathered once and then walked without a branch: learning walks them twice. Only room
/// to work in, so it is equal to any other and a copy of it is empty.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    room: Vec<Touch>,
    count: usize,
    /// So many, the first ones, are of inputs and crosses.
    of_layout: usize,
}

impl Clone for Touched {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Touched {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Touched {
    /// Nothing touched, and room for so many slots.
    pub(crate) fn clear(&mut self, room: usize) {
        if self.room.len() < room {
            self.room.resize(room, Touch::default());
        }
        (self.count, self.of_layout) = (0, 0);
    }

    /// Adds a slot that is not of an input or cross.
    #[inline]
    pub(crate) fn push(&mut self, slot: usize, input: f64) {
        let mut filling = Filling {
            room: &mut self.room,
            count: self.count,
        };
        filling.push_if(true, slot, input);
        self.count = filling.count;
    }

    /// What was touched, in the order of the pushes.
    #[inline]
    pub(crate) fn all(&self) -> &[Touch] {
        self.room.get(..self.count).unwrap_or_default()
    }

    /// What was touched of inputs and crosses.
    #[inline]
    pub(crate) fn of_layout(&self) -> &[Touch] {
        self.all().get(..self.of_layout).unwrap_or_default()
    }

    /// What was touched of the model's own slots.
    #[inline]
    pub(crate) fn of_model(&self) -> &[Touch] {
        self.all().get(self.of_layout..).unwrap_or_default()
    }
}

/// Room that is being filled.
struct Filling<'a> {
    room: &'a mut [Touch],
    count: usize,
}

impl Filling<'_> {
    #[inline]
    fn push_if(&mut self, touched: bool, slot: usize, input: f64) {
        if let Some(touch) = self.room.get_mut(self.count) {
            *touch = Touch { slot, input };
            self.count += usize::from(touched);
        }
    }
}

/// What a position stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen {
    /// A value between the first and last knot, in the feature's unit.
    Value(f64),
    /// Missing, and that tells.
    Missing,
    /// What tells nothing: an input of less than two knots, a missing value that tells nothing.
    Nothing,
}

/// Whose coordinate is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Input(usize),
    Cross(usize, usize),
}

impl Layout {
    /// `reserved` slots at the front belong to the model itself. Crosses of inputs that do not exist
    /// are left out; the model's store refuses them first.
    pub(crate) fn new(reserved: usize, inputs: &[InputSpec], crosses: &[(u16, u16)]) -> Self {
        let scales: Vec<Scale> = inputs.iter().map(|input| Scale::new(&input.edges)).collect();
        let mut slots = reserved;
        let mut runs = Vec::with_capacity(scales.len());
        for (scale, input) in scales.iter().zip(inputs) {
            runs.push(Run {
                first: slots,
                missing: (scale.slots() - 1) as u16,
                heads: input.heads,
                missing_tells: input.missing_tells,
            });
            slots += scale.slots();
        }
        let mut crossed = Vec::with_capacity(crosses.len());
        for (a, b) in crosses.iter().map(|(a, b)| (usize::from(*a), usize::from(*b))) {
            if let (Some(first), Some(second)) = (scales.get(a), scales.get(b)) {
                let stride = second.slots();
                let read_by = |input: usize| inputs.get(input).map_or(0, |input| input.heads);
                crossed.push(Cross {
                    a,
                    b,
                    heads: read_by(a) & read_by(b),
                    first_slot: slots,
                    stride,
                });
                slots += first.slots() * stride;
            }
        }
        let gaps = std::iter::repeat_n(None, reserved);
        let gaps = gaps.chain(scales.iter().flat_map(Scale::gaps)).collect();
        let left = inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| is_left(input.heads));
        Self {
            left: left.map(|(at, _)| at).collect(),
            scales,
            runs,
            crosses: crossed,
            slots,
            gaps,
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) fn inputs(&self) -> usize {
        self.scales.len()
    }

    /// Places a row; what the row lacks is missing.
    pub(crate) fn place(&self, row: &[f64]) -> Placed {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        let mut placed = Placed {
            positions: [Position::default(); MAX_INPUTS],
            inputs: self.scales.len().min(MAX_INPUTS),
        };
        let places = placed.positions.iter_mut().zip(&self.scales);
        for ((position, scale), value) in places.zip(values) {
            *position = scale.place(value);
        }
        placed
    }

    /// What the position of each input stands for.
    #[inline]
    pub(crate) fn seen<'a>(&'a self, placed: &'a [Position]) -> impl Iterator<Item = Seen> + 'a {
        self.runs.iter().zip(placed).map(|(run, position)| {
            let place = run.first + usize::from(position.knot.min(run.missing));
            match self.gaps.get(place) {
                _ if run.missing < 2 => Seen::Nothing,
                _ if position.knot >= run.missing && run.missing_tells => Seen::Missing,
                Some(Some((knot, width))) => Seen::Value(knot + width * position.share()),
                _ => Seen::Nothing,
            }
        })
    }

    /// Every touched slot with its input value in (0, 1].
    #[inline]
    pub(crate) fn visit(&self, placed: &[Position], touch: impl FnMut(usize, f64)) {
        self.visit_read(|heads| heads != 0, placed, touch);
    }

    /// The touched slots of inputs whose heads, one bit each, `is_read` picks.
    #[inline]
    fn visit_read(
        &self,
        is_read: impl Fn(u8) -> bool,
        placed: &[Position],
        mut touch: impl FnMut(usize, f64),
    ) {
        for (run, position) in self.runs.iter().zip(placed) {
            if is_read(run.heads) {
                run.visit(*position, &mut touch);
            }
        }
        for cross in self.crosses.iter().filter(|cross| is_read(cross.heads)) {
            self.visit_cross(cross, placed, &mut touch);
        }
    }

    /// The touched slots of what is read, but not by the first head.
    pub(crate) fn visit_left(&self, placed: &[Position], mut touch: impl FnMut(usize, f64)) {
        for at in &self.left {
            if let (Some(run), Some(position)) = (self.runs.get(*at), placed.get(*at)) {
                run.visit(*position, &mut touch);
            }
        }
        for cross in self.crosses.iter().filter(|cross| is_left(cross.heads)) {
            self.visit_cross(cross, placed, &mut touch);
        }
    }

    /// Gathers every touched slot that this head may learn from; others keep their weight of zero.
    pub(crate) fn gather(&self, head: usize, placed: &[Position], into: &mut Touched) {
        let reader = 1_u8.checked_shl(head as u32).unwrap_or(0);
        into.clear(OWN_ROOM + 2 * self.runs.len() + 4 * self.crosses.len());
        let mut filling = Filling {
            room: &mut into.room,
            count: 0,
        };
        for (run, position) in self.runs.iter().zip(placed) {
            let is_read = run.heads & reader != 0 && run.tells(*position);
            let [(low, low_share), (high, high_share)] = run.within(*position).touched();
            filling.push_if(is_read, run.first + low, low_share);
            filling.push_if(is_read & (high_share > 0.0), run.first + high, high_share);
        }
        for cross in self.crosses.iter().filter(|cross| cross.heads & reader != 0) {
            self.visit_cross(cross, placed, &mut |slot, share| {
                filling.push_if(true, slot, share)
            });
        }
        (into.count, into.of_layout) = (filling.count, filling.count);
    }

    /// A cross says something where both its inputs do.
    #[inline]
    fn visit_cross(&self, cross: &Cross, placed: &[Position], touch: &mut impl FnMut(usize, f64)) {
        let at = |input: usize| {
            let (run, position) = (self.runs.get(input)?, placed.get(input)?);
            let tells = run.tells(*position);
            tells.then(|| run.within(*position).touched())
        };
        let (Some(rows), Some(columns)) = (at(cross.a), at(cross.b)) else {
            return;
        };
        for (row, row_share) in rows {
            for (column, column_share) in columns {
                let share = row_share * column_share;
                if share > 0.0 {
                    touch(cross.first_slot + row * cross.stride + column, share);
                }
            }
        }
    }

    /// Which input or cross each run of slots belongs to, in the order of the slots.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (Owner, std::ops::Range<usize>)> + '_ {
        let inputs = self.runs.iter().enumerate();
        let inputs = inputs.map(|(i, run)| (Owner::Input(i), run.first..run.end()));
        let crosses = self.crosses.iter().map(|cross| {
            let rows = self.scales.get(cross.a).map_or(0, Scale::slots);
            let run = cross.first_slot..cross.first_slot + rows * cross.stride;
            (Owner::Cross(cross.a, cross.b), run)
        });
        inputs.chain(crosses)
    }
}

/// A row that waits for its labels: what it touched, and what was said about it. Small, since many wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub(crate) placed: Box<[Position]>,
    pub(crate) said: Box<[Said]>,
    /// What the experts beside the linear model said of it, where there are any.
    pub(crate) beside: Option<Box<Beside>>,
}

/// What is kept of a row for an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// By head.
    pub(crate) logits: Box<[SaidBeside]>,
    /// The strongest rarity; NaN where none was known.
    pub(crate) rarity: f32,
    /// The leaves that the linear model reads: by head, then tree.
    pub(crate) leaves: Box<[u8]>,
}

/// What experts said of one horizon when the row was new, the hazard prior apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SaidBeside {
    pub(crate) linear: f32,
    pub(crate) trees: f32,
    pub(crate) anomaly: f32,
}

/// What was said of one horizon when the row was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Logit of the hazard prior.
    pub(crate) hazard: f32,
    /// Logit before calibration: of the linear model, or of the mixture where there is one.
    pub(crate) raw: f32,
    /// Calibrated logit.
    pub(crate) logit: f32,
}

impl Example {
    /// The calibrated probability that was given for this head when the row was encoded; `None` for a
    /// head that the model did not have.
    #[must_use]
    pub fn probability(&self, head: usize) -> Option<f64> {
        Some(crate::probability_of(f64::from(self.said.get(head)?.logit)))
    }

    /// Memory that the row takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let beside = self.beside.as_deref().map_or(0, |beside| {
            size_of::<Beside>() + size_of_val(&*beside.logits) + size_of_val(&*beside.leaves)
        });
        size_of::<Self>() + size_of_val(&*self.placed) + size_of_val(&*self.said) + beside
    }
}

#[cfg(test)]
mod tests;
