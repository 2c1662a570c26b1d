//! Plots as inline SVG. Colours are classes, so that the page's light and dark themes apply.

use std::fmt::Write;

/// Room around a plot for ticks and labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    log: bool,
    label: String,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to 1, as percents.
    pub(super) fn share(label: &str) -> Self {
        let ticks = [0.0, 0.25, 0.5, 0.75, 1.0];
        Self {
            from: 0.0,
            to: 1.0,
            log: false,
            label: label.to_owned(),
            ticks: ticks.map(|at| (at, format!("{:.0} %", 100.0 * at))).to_vec(),
        }
    }

    /// Between two bounds, with about five ticks.
    pub(super) fn linear(from: f64, to: f64, label: &str, text: impl Fn(f64) -> String) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let step = nice_step((to - from) / 5.0);
        let first = (from / step).ceil() as i64;
        let last = (to / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|at| at as f64 * step);
        Self {
            from,
            to,
            log: false,
            label: label.to_owned(),
            ticks: ticks.map(|at| (at, text(at))).collect(),
        }
    }

    /// Powers of ten between two bounds, which are above 0.
    pub(super) fn log(from: f64, to: f64, label: &str, text: impl Fn(f64) -> String) -> Self {
        let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
        let last = last.max(first + 1);
        let every = ((last - first) / 6).max(1);
        let ticks = (first..=last)
            .step_by(every as usize)
            .map(|power| 10_f64.powi(power));
        Self {
            from: 10_f64.powi(first),
            to: 10_f64.powi(last),
            log: true,
            label: label.to_owned(),
            ticks: ticks.map(|at| (at, text(at))).collect(),
        }
    }

    pub(super) fn without_label(mut self) -> Self {
        self.label.clear();
        self
    }

    /// Where a value lies, 0 at the beginning and 1 at the end; what is outside is at the edge.
    fn at(&self, value: f64) -> f64 {
        let place = match self.log {
            true => (value.max(f64::MIN_POSITIVE) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        place.clamp(0.0, 1.0)
    }
}

fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|nice| nice * power >= step * 0.999);
    nice.unwrap_or(10.0) * power
}

/// A plot under way.
pub(super) struct Plot {
    x: Axis,
    y: Axis,
    width: f64,
    height: f64,
    body: String,
    legend: Vec<(&'static str, String)>,
}

impl Plot {
    pub(super) fn new(x: Axis, y: Axis, width: f64, height: f64) -> Self {
        Self {
            x,
            y,
            width,
            height,
            body: String::new(),
            legend: Vec::new(),
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (self.width - LEFT - RIGHT) * self.x.at(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - (self.height - TOP - BOTTOM) * self.y.at(value)
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
    }

    /// Names a class of lines in the legend.
    pub(super) fn name(&mut self, class: &'static str, name: &str) {
        self.legend.push((class, escaped(name)));
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = self.path(points);
        self.add(format_args!(
            "<polyline class=\"line {class}\" points=\"{points}\"/>"
        ));
    }

    /// The area between a line and the bottom.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let (from, to, bottom) = (self.x(first.0), self.x(last.0), self.height - BOTTOM);
        let points = self.path(points);
        self.add(format_args!(
            "<polygon class=\"area {class}\" points=\"{from:.1},{bottom:.1} {points} {to:.1},{bottom:.1}\"/>"
        ));
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let drawn = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let texts: Vec<String> = drawn
            .map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y)))
            .collect();
        texts.join(" ")
    }

    /// A point, with what is said when it is pointed at.
    pub(super) fn dot(&mut self, class: &str, x: f64, y: f64, radius: f64, title: &str) {
        if x.is_finite() && y.is_finite() {
            let (x, y, title) = (self.x(x), self.y(y), escaped(title));
            self.add(format_args!(
                "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{title}</title></circle>"
            ));
        }
    }

    /// A straight line between two points, as a ruler.
    pub(super) fn rule(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1) = (self.x(from.0), self.y(from.1));
        let (x2, y2) = (self.x(to.0), self.y(to.1));
        self.add(format_args!(
            "<line class=\"rule {class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A band over the whole height between two places.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64) {
        let (x, width) = (self.x(from), self.x(to) - self.x(from));
        let height = self.height - TOP - BOTTOM;
        self.add(format_args!(
            "<rect class=\"band {class}\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// The figure with its title.
    pub(super) fn figure(self, title: &str, note: &str) -> String {
        let mut text = format!("<figure><figcaption>{}</figcaption>", escaped(title));
        let (width, height) = (self.width, self.height);
        text += &format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escaped(title)
        );
        text += &self.grid();
        text += &self.body;
        text += "</svg>";
        if !self.legend.is_empty() {
            text += "<ul class=\"legend\">";
            for (class, name) in &self.legend {
                text += &format!("<li><i class=\"{class}\"></i>{name}</li>");
            }
            text += "</ul>";
        }
        if !note.is_empty() {
            text += &format!("<p class=\"note\">{}</p>", escaped(note));
        }
        text + "</figure>"
    }

    fn grid(&self) -> String {
        let (left, right) = (LEFT, self.width - RIGHT);
        let (top, bottom) = (TOP, self.height - BOTTOM);
        let mut text = String::new();
        for (at, name) in &self.y.ticks {
            let y = self.y(*at);
            text +=
                &format!("<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>");
            text += &format!(
                "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{name}</text>",
                left - 6.0,
                y + 3.5
            );
        }
        for (at, name) in &self.x.ticks {
            let x = self.x(*at);
            text +=
                &format!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>");
            text += &format!(
                "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>",
                bottom + 15.0
            );
        }
        let middle = f64::midpoint(left, right);
        text +=
            &format!("<line class=\"axis\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>");
        if !self.x.label.is_empty() {
            let (y, label) = (self.height - 8.0, escaped(&self.x.label));
            text += &format!("<text class=\"label mid\" x=\"{middle:.1}\" y=\"{y:.1}\">{label}</text>");
        }
        if !self.y.label.is_empty() {
            let (y, label) = (f64::midpoint(top, bottom), escaped(&self.y.label));
            text += &format!(
                "<text class=\"label mid\" transform=\"translate(12 {y:.1}) rotate(-90)\">{label}</text>"
            );
        }
        text
    }
}

/// Text that is nothing but text in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::linear(0.0, 117.0, "s", |at| format!("{at}"));
        let ticks: Vec<f64> = axis.ticks.iter().map(|tick| tick.0).collect();
        assert_eq!(ticks, [0.0, 50.0, 100.0]);
        let axis = Axis::log(0.003, 4.0, "p", |at| format!("{at}"));
        assert_eq!((axis.from, axis.to, axis.ticks.len()), (0.001, 10.0, 5));
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let mut plot = Plot::new(Axis::share("x"), Axis::share("y"), 400.0, 300.0);
        plot.name("ours", "<script>alert(1)</script>");
        plot.dot("ours", 0.5, f64::NAN, 2.0, "nowhere");
        let text = plot.figure("a \"title\"", "");
        assert!(!text.contains("<script") && text.contains("&lt;script"));
        assert!(!text.contains("NaN") && !text.contains("nowhere"));
    }
}
