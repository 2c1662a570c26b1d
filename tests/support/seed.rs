//! Randomness that can be repeated: the seed is printed, and `FORESHIFT_SEED` sets it.

/// A splitmix64 generator.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed of a test: that of `FORESHIFT_SEED`, else `usual`; printed, so that a failure can be repeated.
    pub fn of(test: &str, usual: u64) -> Self {
        let set = std::env::var("FORESHIFT_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = set.unwrap_or(usual);
        println!("{test}: seed {seed}; FORESHIFT_SEED={seed} repeats it");
        Self(seed)
    }

    /// A generator of its own for a part of the test, so that parts do not disturb each other.
    pub fn part(&mut self) -> Self {
        Self(self.draw())
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}
