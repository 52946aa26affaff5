//! Image statistics to which the network's features are nearly invariant.

/// Added to squared steps, so that the sharpness of a constant image is defined: (0.1 levels of
/// 255)².
const MIN_SQUARED_STEP: f64 = (0.1 / 255.0) * (0.1 / 255.0);

/// Names of [`statistics`], in order.
pub(super) const NAMES: [&str; 3] = ["brightness", "contrast", "sharpness"];

/// Returns brightness, contrast and sharpness of an 8-bit image `[side, side, 3]`, from its
/// luma (ITU-R BT.601) between 0 and 1:
///
/// - brightness: the mean;
/// - contrast: the standard deviation;
/// - sharpness: the natural logarithm of the mean squared difference of adjacent pixels divided
///   by that of pixels two apart. About -1.39 (a quarter) for a blurred image, 0 for noise;
///   independent of brightness and contrast.
///
/// # Panics
/// If the number of pixels does not match, or `side` is less than 3.
pub(super) fn statistics(pixels: &[u8], side: usize) -> [f64; 3] {
    assert!(side > 2 && pixels.len() == side * side * 3, "an image of {side} pixels a side");
    let luma = |rgb: &[u8]| {
        (0.299 * f64::from(rgb[0]) + 0.587 * f64::from(rgb[1]) + 0.114 * f64::from(rgb[2])) / 255.0
    };
    let levels: Vec<f64> = pixels.chunks_exact(3).map(luma).collect();
    let n = levels.len() as f64;
    let mean = levels.iter().sum::<f64>() / n;
    let variance = levels.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let squared_steps = |lag: usize| {
        let (mut across, mut down) = (0.0, 0.0);
        for row in levels.chunks_exact(side) {
            across += row.iter().zip(&row[lag..]).map(|(a, b)| (b - a).powi(2)).sum::<f64>();
        }
        for (a, b) in levels.iter().zip(&levels[lag * side..]) {
            down += (b - a).powi(2);
        }
        (across + down) / (2 * side * (side - lag)) as f64 + MIN_SQUARED_STEP
    };
    [mean, variance.sqrt(), (squared_steps(1) / squared_steps(2)).ln()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn grey(level: impl Fn(usize, usize) -> f64) -> Vec<u8> {
        (0..64 * 64).flat_map(|i| [level(i % 64, i / 64).clamp(0.0, 255.0) as u8; 3]).collect()
    }

    #[test]
    fn statistics_measure_brightness_contrast_and_sharpness() {
        let wave = |gain: f64, offset: f64| {
            grey(|x, y| offset + gain * ((x as f64 / 9.0).sin() + (y as f64 / 7.0).cos()))
        };
        let [mean, deviation, sharpness] = statistics(&wave(40.0, 120.0), 64);
        let [dark, flat, unchanged] = statistics(&wave(20.0, 60.0), 64);
        assert!((dark - mean / 2.0).abs() < 0.01 && (flat - deviation / 2.0).abs() < 0.01);
        assert!((unchanged - sharpness).abs() < 0.05, "{unchanged} {sharpness}");
        assert!((sharpness - 0.25f64.ln()).abs() < 0.05, "{sharpness}");
        let rng = std::cell::RefCell::new(Rng::new(1));
        let noise = grey(|_, _| rng.borrow_mut().uniform(0.0, 255.0));
        assert!(statistics(&noise, 64)[2].abs() < 0.1);
        let one_level = statistics(&grey(|_, _| 51.0), 64);
        assert!(one_level.iter().zip([0.2, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
