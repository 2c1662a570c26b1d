//! From the text of an expression to its steps: recursive descent, with the nesting bounded.

use foreshift_domain::GaugeName;

use super::{Expression, ExpressionError, FUNCTIONS, Function, MAX_DEPTH, MAX_EXPRESSION, Step};
use crate::gauges::Reading;

/// Finds the place of a feature by its name.
type Find<'a> = &'a dyn Fn(&str) -> Option<usize>;

pub(super) fn parse(text: &str, feature: Find<'_>) -> Result<Expression, ExpressionError> {
    if text.len() > MAX_EXPRESSION {
        return Err(ExpressionError {
            at: MAX_EXPRESSION,
            what: format!(
                "it has {} bytes; {MAX_EXPRESSION} are enough for one feature",
                text.len()
            ),
        });
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        feature,
        made: Expression {
            steps: Vec::new(),
            gauges: Vec::new(),
        },
    };
    parser.comparison()?;
    match parser.peek() {
        None => Ok(parser.made),
        Some(found) => Err(parser.error(format!(
            "`{found}` follows a whole expression; an operator is missing"
        ))),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Bytes read.
    at: usize,
    depth: usize,
    feature: Find<'a>,
    made: Expression,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, what: String) -> ExpressionError {
        let before = self.text.get(..self.at).unwrap_or_default();
        ExpressionError {
            at: before.chars().count() + 1,
            what,
        }
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn expect(&mut self, wanted: &str, after: &str) -> Result<(), ExpressionError> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self
            .peek()
            .map_or_else(|| "the end".to_owned(), |found| format!("`{found}`"));
        Err(self.error(format!("`{wanted}` is missing {after}: found {found}")))
    }

    /// Takes the characters for which `belongs` holds.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn push(&mut self, step: Step) {
        self.made.steps.push(step);
    }

    fn comparison(&mut self) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
        }
        self.sum()?;
        let operators = [
            ("<=", Function::AtMost),
            (">=", Function::AtLeast),
            ("<", Function::Less),
            (">", Function::More),
        ];
        if let Some((_, function)) = operators.into_iter().find(|(sign, _)| self.take(sign)) {
            self.sum()?;
            self.push(Step::Apply(function));
        }
        self.depth -= 1;
        Ok(())
    }

    fn sum(&mut self) -> Result<(), ExpressionError> {
        self.product()?;
        loop {
            let function = match self.peek() {
                Some('+') => Function::Add,
                Some('-') => Function::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.product()?;
            self.push(Step::Apply(function));
        }
    }

    fn product(&mut self) -> Result<(), ExpressionError> {
        self.signed()?;
        loop {
            let function = match self.peek() {
                Some('*') => Function::Multiply,
                Some('/') => Function::Divide,
                _ => return Ok(()),
            };
            self.at += 1;
            self.signed()?;
            self.push(Step::Apply(function));
        }
    }

    fn signed(&mut self) -> Result<(), ExpressionError> {
        let mut negative = false;
        while self.take("-") {
            negative = !negative;
        }
        self.operand()?;
        if negative {
            self.push(Step::Apply(Function::Negate));
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<(), ExpressionError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.comparison()?;
                self.expect(")", "after what the parenthesis holds")
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() => self.name(),
            Some(found) => Err(self.error(format!(
                "`{found}` begins no operand: a number, a feature, a function or `(` would"
            ))),
            None => {
                Err(self.error("an operand is missing: a number, a feature, a function or `(`".to_owned()))
            }
        }
    }

    fn number(&mut self) -> Result<(), ExpressionError> {
        let from = self.at;
        let mut digits = self.run(|c| c.is_ascii_digit() || c == '.').to_owned();
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            let sign = self.run(|c| matches!(c, '+' | '-'));
            digits = format!("{digits}e{sign}{}", self.run(|c| c.is_ascii_digit()));
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.push(Step::Number(number));
                Ok(())
            }
            _ => {
                self.at = from;
                Err(self.error(format!("`{digits}` is no number")))
            }
        }
    }

    fn name(&mut self) -> Result<(), ExpressionError> {
        let from = self.at;
        let name = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
        if self.peek() != Some('(') {
            if let Some(place) = (self.feature)(name) {
                self.push(Step::Feature(place));
                return Ok(());
            }
            self.at = from;
            return Err(self.error(format!(
                "there is no feature `{name}` before this one; `foreshift-lab features` lists them"
            )));
        }
        if name == "gauge" {
            return self.gauge();
        }
        match function(name) {
            Some((function, arguments)) => self.call(name, function, arguments),
            None => {
                self.at = from;
                let known: Vec<_> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
                Err(self.error(format!(
                    "there is no function `{name}`; there are gauge, {}",
                    known.join(", ")
                )))
            }
        }
    }

    fn call(&mut self, name: &str, function: Function, arguments: usize) -> Result<(), ExpressionError> {
        self.expect("(", "after the name of a function")?;
        for argument in 0..arguments {
            if argument > 0 {
                self.expect(",", &format!("between the {arguments} arguments of `{name}`"))?;
            }
            self.comparison()?;
        }
        self.expect(")", &format!("after the {arguments} arguments of `{name}`"))?;
        self.push(Step::Apply(function));
        Ok(())
    }

    fn gauge(&mut self) -> Result<(), ExpressionError> {
        self.expect("(", "after `gauge`")?;
        self.expect("'", "before the name of the gauge")?;
        let name = self.run(|c| c != '\'');
        self.expect("'", "after the name of the gauge")?;
        self.expect(",", "after the name of the gauge")?;
        self.peek();
        let from = self.at;
        let word = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
        let Some(reading) = Reading::named(word) else {
            self.at = from;
            return Err(self.error(format!(
                "`{word}` is no reading of a gauge; there are {}",
                Reading::NAMES.map(|(name, _)| name).join(", ")
            )));
        };
        self.expect(")", "after the reading of the gauge")?;
        self.push(Step::Gauge(self.made.gauges.len()));
        self.made.gauges.push((GaugeName::from(name), reading));
        Ok(())
    }
}

fn function(name: &str) -> Option<(Function, usize)> {
    let function = match name {
        "abs" => Function::Abs,
        "clamp" => Function::Clamp,
        "exp2" => Function::Exp2,
        "if" => Function::If,
        "log2" => Function::Log2,
        "max" => Function::Max,
        "min" => Function::Min,
        "missing" => Function::Missing,
        "or" => Function::Or,
        "sqrt" => Function::Sqrt,
        _ => return None,
    };
    Some((function, function.arguments()))
}
