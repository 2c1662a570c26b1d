//! Draws by seed.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// For each of `count` whether it is drawn: the share `fraction` of them, at least one.
    pub(crate) fn draw(&mut self, count: usize, fraction: f64) -> Vec<bool> {
        let wanted = ((count as f64 * fraction).round() as usize).clamp(1, count.max(1));
        let mut missing = wanted;
        let of_rest = |missing: usize, at: usize| missing as f64 / (count - at) as f64;
        (0..count)
            .map(|at| {
                let drawn = self.uniform() < of_rest(missing, at);
                missing -= usize::from(drawn);
                drawn
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_as_many_as_its_share_and_all_are_as_likely() {
        let mut chance = Chance::new(7);
        let mut drawn = [0_usize; 20];
        for _ in 0..2000 {
            let draw = chance.draw(20, 0.25);
            assert_eq!(draw.iter().filter(|drawn| **drawn).count(), 5);
            for (count, drawn) in drawn.iter_mut().zip(draw) {
                *count += usize::from(drawn);
            }
        }
        assert!(drawn.iter().all(|count| (400..600).contains(count)), "{drawn:?}");
        assert_eq!(chance.draw(3, 1.0), [true; 3]);
        assert_eq!(chance.draw(3, 1e-9).iter().filter(|drawn| **drawn).count(), 1);
    }
}
