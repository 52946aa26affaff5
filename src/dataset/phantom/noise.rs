//! Random fields: a value for every point, determined by a seed.

use crate::rng::Rng;

/// Hashes a seed and a lattice point to 64 random bits (finaliser of SplitMix64).
fn mix(seed: u64, x: i32, y: i32) -> u64 {
    let point = (u64::from(x as u32) << 32) | u64::from(y as u32);
    let mut z = seed
        .wrapping_add(point.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Converts 64 random bits to a number in [0, 1).
fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1u64 << 24) as f32
}

/// Samples uniformly from [`low`, `high`).
pub fn uniform(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.f32()
}

/// White noise at a pixel: the sum of four uniform samples, with mean 0 and variance 1.
pub fn grain(seed: u64, x: i32, y: i32) -> f32 {
    let bits = mix(seed, x, y);
    let sum: f32 = (0..4).map(|i| ((bits >> (16 * i)) & 0xffff) as f32 / 65535.0).sum();
    (sum - 2.0) * 3.0f32.sqrt()
}

/// Value noise in [-1, 1] on a lattice of unit cells.
fn value_noise(seed: u64, x: f32, y: f32) -> f32 {
    let (i, j) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (s, t) = (ease(x - i), ease(y - j));
    let corner = |di: i32, dj: i32| unit(mix(seed, i as i32 + di, j as i32 + dj)) * 2.0 - 1.0;
    let top = corner(0, 0) + s * (corner(1, 0) - corner(0, 0));
    let bottom = corner(0, 1) + s * (corner(1, 1) - corner(0, 1));
    top + t * (bottom - top)
}

/// Fractal noise in about [-1, 1]: the sum of `octaves` of value noise, each with twice the
/// frequency and half the amplitude of the previous octave. `scale` is cells per unit of length.
pub fn fractal_noise(seed: u64, x: f32, y: f32, scale: f32, octaves: u32) -> f32 {
    let (mut sum, mut strength, mut scale) = (0.0, 0.55, scale);
    for octave in 0..octaves {
        sum += strength * value_noise(seed.wrapping_add(u64::from(octave)), x * scale, y * scale);
        strength *= 0.5;
        scale *= 2.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_has_mean_0_and_variance_1() {
        let values: Vec<_> = (0..100).flat_map(|x| (0..100).map(move |y| grain(7, x, y))).collect();
        let mean = values.iter().sum::<f32>() / 1e4;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn fractal_noise_is_smooth_and_bounded() {
        for i in 0..1000 {
            let x = i as f32 * 0.013 - 6.0;
            let (here, near) =
                (fractal_noise(3, x, 0.4, 5.0, 4), fractal_noise(3, x + 1e-4, 0.4, 5.0, 4));
            assert!(here.abs() <= 1.1 && (here - near).abs() < 0.02, "{x}: {here} {near}");
        }
    }
}
