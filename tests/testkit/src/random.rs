//! A pseudo-random generator with a seed, for runs that can be repeated.

/// A linear congruential generator (Knuth's MMIX).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that always makes the same numbers from this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        // Seeds that are near each other have similar first numbers.
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// True in this many of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
