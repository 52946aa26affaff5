/// Words of state.
const N: usize = 624;
/// Distance between the words mixed in one step.
const M: usize = 397;

/// The Mersenne Twister MT19937 of Matsumoto and Nishimura (1998), the
/// generator under numpy's legacy `RandomState` and under Python's `random`.
#[derive(Clone, Debug)]
pub(super) struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    /// Seeds from one word (`init_genrand`).
    pub(super) fn from_seed(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1];
            state[i] =
                (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    /// Seeds from any number of words (`init_by_array`). An empty key counts
    /// as the key `[0]`.
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

    /// The next word, uniform over all of `u32`.
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

/// The word after `i` in `init_by_array`, which wraps past the last to the
/// second and carries the last over to the first.
fn advance(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 < N {
        return i + 1;
    }
    state[0] = state[N - 1];
    1
}
