//! The random numbers of the demo: xoshiro256++ (<https://prng.di.unimi.it/>), seeded by splitmix64.
//!
//! Our own, so that a seed means the same practice whatever version of whatever crate is built in.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

/// One step of splitmix64: the next state and a well-mixed number.
fn splitmix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, z ^ (z >> 31))
}

/// A well-mixed number for a seed.
pub(super) fn mix(seed: u64) -> u64 {
    splitmix(seed).1
}

impl Random {
    /// The stream of a seed and a place in the practice: places do not disturb each other.
    pub(super) fn new(seed: u64, place: u64) -> Random {
        let mut from = mix(seed) ^ mix(!place);
        let state = [(); 4].map(|()| {
            let (next, number) = splitmix(from);
            from = next;
            number
        });
        Random { state }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let answer = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        answer
    }

    /// A number from `low` to `high`, both included. The bias of the multiplication is below 2⁻³².
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u128::from((high - low).unsigned_abs()) + 1;
        low + ((u128::from(self.next()) * span) >> 64) as i64
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, per_mille: i64) -> bool {
        self.between(0, 999) < per_mille
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() as i64 - 1) as usize]
    }

    /// The place of one of several weights.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = i64> + Clone) -> usize {
        let mut left = self.between(0, weights.clone().sum::<i64>() - 1);
        for (place, weight) in weights.enumerate() {
            if left < weight {
                return place;
            }
            left -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_xoshiro256_plus_plus() {
        // The first numbers of the reference implementation for the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        let numbers = [(); 4].map(|()| random.next());
        assert_eq!(numbers, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_stay_in_range_and_reach_its_ends() {
        let mut random = Random::new(7, 0);
        let mut seen = [0; 5];
        for _ in 0..10_000 {
            seen[(random.between(-2, 2) + 2) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (1_800..2_200).contains(n)), "{seen:?}");
        let mut picks = [0; 3];
        for _ in 0..10_000 {
            picks[random.weighted([5, 0, 15].into_iter())] += 1;
        }
        assert!(picks[1] == 0 && (2_300..2_700).contains(&picks[0]), "{picks:?}");
    }
}
