//! The Mersenne Twister, generator of numpy's `RandomState` and Python's `random`.

/// Number of state words.
const N: usize = 624;
/// Distance between the state words that one step combines.
const M: usize = 397;

/// Mersenne Twister MT19937 (Matsumoto and Nishimura 1998).
#[derive(Clone, Debug)]
pub(super) struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    /// Seeds with one word (`init_genrand`).
    pub(super) fn from_seed(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1];
            state[i] =
                (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    /// Seeds with any number of words (`init_by_array`). An empty key is treated as `[0]`.
    pub(super) fn from_key(key: &[u32]) -> Self {
        let key = if key.is_empty() { &[0] } else { key };
        let mut generator = Self::from_seed(19_650_218);
        let state = &mut generator.state;
        let mix = |previous: u32, factor: u32| (previous ^ (previous >> 30)).wrapping_mul(factor);
        let mut i = 1;
        for j in (0..key.len()).cycle().take(N.max(key.len())) {
            state[i] = (state[i] ^ mix(state[i - 1], 1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i = advance(state, i);
        }
        for _ in 1..N {
            state[i] = (state[i] ^ mix(state[i - 1], 1_566_083_941)).wrapping_sub(i as u32);
            i = advance(state, i);
        }
        state[0] = 0x8000_0000;
        generator
    }

    /// Returns the next word, uniform over all of `u32`.
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }
}

/// Returns the index after `i` in `init_by_array`. After the last index it copies the last word to
/// the first and continues with index 1.
fn advance(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 < N {
        return i + 1;
    }
    state[0] = state[N - 1];
    1
}
