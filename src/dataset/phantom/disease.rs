//! What the lungs of a phantom show.

use super::anatomy::{Anatomy, step};
use super::noise::{between, clouds};
use crate::rng::Rng;

/// What a phantom suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Hazy opacities on both sides, near the ribs, mostly in the middle and lower fields.
    Covid,
    /// Nothing.
    Normal,
    /// One dense opacity in one lung.
    Pneumonia,
}

/// One cloud in a lung.
#[derive(Debug, Clone)]
struct Opacity {
    centre: (f32, f32),
    radii: (f32, f32),
    tilt: f32,
    density: f32,
    texture: u64,
}

/// All clouds of a film.
#[derive(Debug, Clone)]
pub struct Opacities(Vec<Opacity>);

impl Opacities {
    /// Draws where the clouds of `condition` lie; `severity` from 0 to 1 says how many and how dense.
    pub fn draw(condition: Condition, severity: f32, anatomy: &Anatomy, dice: &mut Rng) -> Self {
        let mut clouds = Vec::new();
        let mut add = |dice: &mut Rng,
                       side: f32,
                       out: (f32, f32),
                       down: (f32, f32),
                       size: f32,
                       density: f32| {
            let radius = size * between(dice, 0.75, 1.3);
            clouds.push(Opacity {
                centre: anatomy.place(
                    side,
                    between(dice, out.0, out.1),
                    between(dice, down.0, down.1),
                ),
                radii: (radius, radius * between(dice, 1.0, 1.8)),
                tilt: side * between(dice, -0.6, 0.3),
                density: density * between(dice, 0.8, 1.15),
                texture: dice.next_u64(),
            });
        };
        match condition {
            Condition::Normal => {}
            Condition::Covid => {
                for side in [-1.0, 1.0] {
                    let count = 3 + (severity * 2.0).round() as usize + dice.index(2);
                    for i in 0..count {
                        let top = 0.32 + 0.5 * i as f32 / count as f32;
                        let size = 0.09 + 0.03 * severity;
                        add(
                            dice,
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
                    add(dice, side, (0.3, 0.6), (down, down + 0.12), 0.17, 0.85);
                }
            }
        }
        Self(clouds)
    }

    /// The share of the lung's air at (`u`, `v`) that fluid has replaced, 0 to 1.
    pub fn fluid(&self, u: f32, v: f32) -> f32 {
        let clear = self.0.iter().map(|cloud| 1.0 - cloud.fluid(u, v)).product::<f32>();
        1.0 - clear
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
        let ragged = 0.75 + 0.65 * clouds(self.texture, u, v, 9.0, 4);
        (self.density * (-r2).exp() * ragged.max(0.0) * (1.0 - step(3.0, 6.0, r2))).clamp(0.0, 0.95)
    }
}
