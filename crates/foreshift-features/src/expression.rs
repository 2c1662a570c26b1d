//! Expressions over features and gauges, as people declare them in the configuration.
//!
//! `failure_trend * max(latency_z, 0)`, `gauge('queue', mean_fast) / gauge('queue', mean_long)`.
//! Numbers, names of features, `gauge('NAME', reading)`, `+ - * /`, comparisons (1 or 0) and the functions of
//! [`FUNCTIONS`]. A missing operand makes the result missing, but for `min`, `max` and `or`, which pass over it, and
//! `missing`, which asks. A result that is no finite number is missing, too.

mod parse;

use foreshift_domain::GaugeName;

use crate::gauges::Reading;

/// The longest expression, in bytes: whoever needs more wants two features.
pub const MAX_EXPRESSION: usize = 1_024;
/// How deep parentheses may nest, which bounds the stack of [`Expression::value`].
const MAX_DEPTH: usize = 16;
/// The most values that wait for an operator: at each level one before a comparison, a sum and a product, and two
/// arguments before a third.
const STACK: usize = 5 * MAX_DEPTH;

/// The functions, by name, with how many arguments each takes.
pub const FUNCTIONS: &[(&str, usize)] = &[
    ("abs", 1),
    ("clamp", 3),
    ("exp2", 1),
    ("if", 3),
    ("log2", 1),
    ("max", 2),
    ("min", 2),
    ("missing", 1),
    ("or", 2),
    ("sqrt", 1),
];

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}")]
pub struct ExpressionError {
    /// Where, counted in characters from 1.
    pub at: usize,
    /// What is wrong, and what would do.
    pub what: String,
}

/// An expression, ready to be worked out for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// In postfix order.
    steps: Vec<Step>,
    gauges: Vec<(GaugeName, Reading)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Number(f64),
    /// A feature, by its place in the row.
    Feature(usize),
    /// A gauge, by its place in the list.
    Gauge(usize),
    Apply(Function),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    AtMost,
    More,
    AtLeast,
    Abs,
    Clamp,
    Exp2,
    If,
    Log2,
    Max,
    Min,
    Missing,
    Or,
    Sqrt,
}

impl Function {
    const fn arguments(self) -> usize {
        match self {
            Self::Negate | Self::Abs | Self::Exp2 | Self::Log2 | Self::Missing | Self::Sqrt => 1,
            Self::Clamp | Self::If => 3,
            _ => 2,
        }
    }

    /// Its result; `b` and `c` are not looked at where it takes fewer arguments.
    fn of(self, [a, b, c]: [f64; 3]) -> f64 {
        let holds = |holds: bool| {
            if a.is_nan() || b.is_nan() {
                f64::NAN
            } else {
                f64::from(u8::from(holds))
            }
        };
        match self {
            Self::Negate => -a,
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Less => holds(a < b),
            Self::AtMost => holds(a <= b),
            Self::More => holds(a > b),
            Self::AtLeast => holds(a >= b),
            Self::Abs => a.abs(),
            Self::Clamp if a.is_nan() => f64::NAN,
            Self::Clamp => a.max(b).min(c),
            Self::Exp2 => libm::exp2(a),
            Self::If if a.is_nan() => f64::NAN,
            Self::If if a != 0.0 => b,
            Self::If => c,
            Self::Log2 => libm::log2(a),
            // `max` and `min` of floats pass over NaN.
            Self::Max => a.max(b),
            Self::Min => a.min(b),
            Self::Missing => f64::from(u8::from(a.is_nan())),
            Self::Or if a.is_nan() => b,
            Self::Or => a,
            Self::Sqrt => a.sqrt(),
        }
    }
}

impl Expression {
    /// Reads an expression; `feature` finds the place of a feature by its name.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str, feature: &dyn Fn(&str) -> Option<usize>) -> Result<Self, ExpressionError> {
        parse::parse(text, feature)
    }

    /// Its value for a row; NaN when it is missing. `gauge` reads a gauge of the target.
    #[must_use]
    pub fn value(&self, row: &[f64], gauge: &dyn Fn(&GaugeName, Reading) -> f64) -> f64 {
        let mut stack = [f64::NAN; STACK];
        let mut height = 0_usize;
        for step in &self.steps {
            let result = match *step {
                Step::Number(number) => number,
                Step::Feature(at) => row.get(at).copied().unwrap_or(f64::NAN),
                Step::Gauge(at) => {
                    let named = self.gauges.get(at);
                    named.map_or(f64::NAN, |(name, reading)| gauge(name, *reading))
                }
                Step::Apply(function) => {
                    height = height.saturating_sub(function.arguments());
                    let operand = |at: usize| stack.get(height + at).copied().unwrap_or(f64::NAN);
                    let result = function.of([operand(0), operand(1), operand(2)]);
                    if result.is_finite() { result } else { f64::NAN }
                }
            };
            if let Some(slot) = stack.get_mut(height) {
                *slot = result;
            }
            height += 1;
        }
        stack.first().copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests;
