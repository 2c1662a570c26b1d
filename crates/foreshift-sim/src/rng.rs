//! Random numbers by counter: a draw depends on its stream and its index alone, never on how many draws were
//! made before. That is what keeps two runs of one seed comparable when their weights differ.

/// The odd constant of SplitMix64: the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: every input bit flips about half of the output bits.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a stream of draws is for. The numbers are part of every recording: changing one changes the recording.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Arrival = 1,
    Wave = 2,
    Request = 3,
    Gauge = 4,
    LogLine = 5,
    Flicker = 6,
    Stall = 7,
    Probe = 8,
    Plan = 9,
}

/// An endless sequence of draws, addressed by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The stream for one purpose and one owner.
    pub(crate) const fn of(seed: u64, purpose: Purpose, owner: u64) -> Self {
        Self::new(seed).child(purpose as u64).child(owner)
    }

    pub(crate) const fn child(self, tag: u64) -> Self {
        Self(mix(self.0 ^ mix(tag.wrapping_mul(GOLDEN).wrapping_add(1))))
    }

    /// The 64 bits at `index`.
    pub(crate) const fn bits(self, index: u64) -> u64 {
        mix(self.0.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(self, index: u64) -> f64 {
        unit(self.bits(index))
    }

    /// Uniform in [low, high).
    pub(crate) fn range(self, index: u64, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit(index)
    }

    /// Near-normal with mean 0 and variance 1, within ±3.5.
    pub(crate) fn normal(self, index: u64) -> f64 {
        normal(self.bits(index))
    }

    /// Uniform noise in [-1, 1), linear between knots that are `knot_us` apart.
    pub(crate) fn smooth(self, at_us: i64, knot_us: i64) -> f64 {
        let knot = at_us.div_euclid(knot_us);
        let part = at_us.rem_euclid(knot_us) as f64 / knot_us as f64;
        let left = self.range(knot as u64, -1.0, 1.0);
        let right = self.range((knot + 1) as u64, -1.0, 1.0);
        left + (right - left) * part
    }
}

/// Uniform in [0, 1) from 53 of the bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Near-normal by the sum of four uniform numbers: fast, exact on every platform, and bounded.
pub(crate) fn normal(bits: u64) -> f64 {
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    (sum as f64 / 65_536.0 - 2.0) * 1.732_050_807_568_877_2
}

/// A sequential reader of a stream, for plans that are drawn once.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    pub(crate) const fn new(stream: Stream) -> Self {
        Self { stream, next: 0 }
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.next += 1;
        self.stream.unit(self.next)
    }

    pub(crate) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of `choices`; `None` when there are none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = (self.unit() * choices.len() as f64) as usize;
        choices.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_address_alone() {
        let stream = Stream::of(1, Purpose::Request, 2);
        let late = stream.bits(1_000);
        assert!((0..100).all(|i| stream.bits(i) != late));
        assert_eq!(late, Stream::of(1, Purpose::Request, 2).bits(1_000));
        assert_ne!(late, Stream::of(1, Purpose::Gauge, 2).bits(1_000));
        assert_ne!(late, Stream::of(2, Purpose::Request, 2).bits(1_000));
    }

    #[test]
    fn uniform_and_normal_draws_have_the_right_moments() {
        let stream = Stream::new(3);
        let n = 100_000;
        let mean = (0..n).map(|i| stream.unit(i)).sum::<f64>() / n as f64;
        let square = (0..n).map(|i| stream.normal(i) * stream.normal(i)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
    }
}
