//! Lung opacities of a phantom.

use super::anatomy::{Anatomy, smoothstep};
use super::noise::{fractal_noise, uniform};
use crate::rng::Rng;

/// Condition of a phantom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Hazy opacities in both lungs, near the ribs, mostly in the middle and lower fields.
    Covid,
    /// No opacities.
    Normal,
    /// One dense opacity in one lung.
    Pneumonia,
}

/// One opacity in a lung.
#[derive(Debug, Clone)]
struct Opacity {
    centre: (f32, f32),
    radii: (f32, f32),
    tilt: f32,
    density: f32,
    texture: u64,
}

/// All opacities of an image.
#[derive(Debug, Clone)]
pub struct Opacities(Vec<Opacity>);

impl Opacities {
    /// Samples the opacities of `condition`; `severity`, 0 to 1, determines number and density.
    pub fn sample(condition: Condition, severity: f32, anatomy: &Anatomy, rng: &mut Rng) -> Self {
        let mut opacities = Vec::new();
        let mut add = |rng: &mut Rng,
                       side: f32,
                       out: (f32, f32),
                       down: (f32, f32),
                       size: f32,
                       density: f32| {
            let radius = size * uniform(rng, 0.75, 1.3);
            opacities.push(Opacity {
                centre: anatomy.point_in_lung(
                    side,
                    uniform(rng, out.0, out.1),
                    uniform(rng, down.0, down.1),
                ),
                radii: (radius, radius * uniform(rng, 1.0, 1.8)),
                tilt: side * uniform(rng, -0.6, 0.3),
                density: density * uniform(rng, 0.8, 1.15),
                texture: rng.next_u64(),
            });
        };
        match condition {
            Condition::Normal => {}
            Condition::Covid => {
                for side in [-1.0, 1.0] {
                    let count = 3 + (severity * 2.0).round() as usize + rng.index(2);
                    for i in 0..count {
                        let top = 0.32 + 0.5 * i as f32 / count as f32;
                        let size = 0.09 + 0.03 * severity;
                        add(
                            rng,
                            side,
                            (0.5, 0.94),
                            (top, top + 0.16),
                            size,
                            0.30 + 0.42 * severity,
                        );
                    }
                }
            }
            Condition::Pneumonia => {
                let side = if severity < 0.5 { -1.0 } else { 1.0 };
                let down = 0.35 + 0.4 * severity;
                for _ in 0..3 {
                    add(rng, side, (0.3, 0.6), (down, down + 0.12), 0.17, 0.85);
                }
            }
        }
        Self(opacities)
    }

    /// Returns the proportion of the lung's air at (`u`, `v`) that is replaced by fluid, 0 to 1.
    pub fn fluid(&self, u: f32, v: f32) -> f32 {
        let air = self.0.iter().map(|opacity| 1.0 - opacity.fluid(u, v)).product::<f32>();
        1.0 - air
    }
}

impl Opacity {
    fn fluid(&self, u: f32, v: f32) -> f32 {
        let (sin, cos) = self.tilt.sin_cos();
        let (x, y) = (u - self.centre.0, v - self.centre.1);
        let (a, b) = ((x * cos + y * sin) / self.radii.0, (y * cos - x * sin) / self.radii.1);
        let r2 = a * a + b * b;
        if r2 > 6.0 {
            return 0.0;
        }
        let ragged = 0.75 + 0.65 * fractal_noise(self.texture, u, v, 9.0, 4);
        (self.density * (-r2).exp() * ragged.max(0.0) * (1.0 - smoothstep(3.0, 6.0, r2)))
            .clamp(0.0, 0.95)
    }
}
