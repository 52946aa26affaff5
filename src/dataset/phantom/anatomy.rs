//! Anatomy of a phantom patient: attenuation at every point of the image.
//!
//! Coordinates: `u` to the right of the image (the patient's left), `v` down, origin uniform the
//! hila, unit of length half the width of the chest.

use super::noise::uniform;
use crate::rng::Rng;

/// Smooth smoothstep from 0 at `low` to 1 at `high`.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Profile of a bone: a band of half width `w` around 0 with soft edges and a denser border.
fn bone(distance: f32, w: f32) -> f32 {
    let d = distance.abs() / w;
    (1.0 - smoothstep(0.75, 1.15, d)) * (0.62 + 0.38 * smoothstep(0.2, 0.85, d))
}

/// Anatomical parameters of a patient; lengths in half chest widths.
#[derive(Debug, Clone)]
pub struct Anatomy {
    apex: f32,
    lung_width: f32,
    base: [f32; 2],
    heart: f32,
    heart_tilt: f32,
    aorta: f32,
    rib_gap: f32,
    rib_drop: f32,
    rib_weight: f32,
    shoulder: f32,
    flank: f32,
    curve: f32,
    stomach: f32,
}

/// Tissue along the ray at a point.
#[derive(Debug, Clone, Copy)]
pub struct Tissue {
    /// Attenuation of all tissue except the lungs, about 0 to 1.3; 0 outside the body.
    pub solid: f32,
    /// Depth of air in the lungs, 0 to 1.
    pub air: f32,
}

impl Anatomy {
    /// Samples a patient.
    pub fn sample(rng: &mut Rng) -> Self {
        let base = uniform(rng, 0.50, 0.62);
        Self {
            apex: uniform(rng, -0.80, -0.72),
            lung_width: uniform(rng, 0.72, 0.78),
            base: [base - uniform(rng, 0.02, 0.06), base],
            heart: uniform(rng, 0.86, 1.10),
            heart_tilt: uniform(rng, 0.45, 0.75),
            aorta: uniform(rng, 0.04, 0.085),
            rib_gap: uniform(rng, 0.122, 0.142),
            rib_drop: uniform(rng, 0.20, 0.32),
            rib_weight: uniform(rng, 0.7, 1.2),
            shoulder: uniform(rng, 0.26, 0.42),
            flank: uniform(rng, 0.90, 0.97),
            curve: uniform(rng, -0.03, 0.03),
            stomach: uniform(rng, 0.0, 1.0),
        }
    }

    /// Returns the same patient with a change of inspiration `breath`, -1 to 1.
    pub fn breathing(&self, breath: f32) -> Self {
        let base = self.base.map(|b| b + 0.04 * breath);
        Self { base, heart: self.heart * (1.0 - 0.04 * breath), ..self.clone() }
    }

    /// Returns the same patient in AP view: the heart is farther from the detector and larger.
    pub fn seen_from_the_front(&self) -> Self {
        let base = self.base.map(|b| b - 0.06);
        Self { base, heart: self.heart * 1.18, ..self.clone() }
    }

    /// Returns the outer edge of a lung at height `v`.
    fn outer(&self, v: f32) -> f32 {
        let up = ((0.30 - v) / (0.30 - self.apex + 0.05)).clamp(0.0, 1.0);
        0.20 + (self.lung_width - 0.20) * (1.0 - up.powf(2.4)).sqrt() + 0.02 * (v - 0.3).max(0.0)
    }

    /// Returns the height of the diaphragm at distance `x` from the midline.
    fn dome(&self, side: usize, x: f32) -> f32 {
        self.base[side] - 0.15 * (1.0 - ((x - 0.36) / 0.40).powi(2))
            + 0.05 * smoothstep(0.55, 0.8, x)
    }

    /// Returns the approximate signed distance from the edge of the lung, positive inside.
    fn lung(&self, side: usize, x: f32, v: f32) -> f32 {
        let top = v - (self.apex + 1.6 * (x - 0.29).powi(2));
        let edges = [self.outer(v) - x, x - 0.085, self.dome(side, x) - v, top];
        // A soft minimum rounds the corners.
        let k = 0.018;
        -k * edges.iter().map(|e| (-e / k).exp()).sum::<f32>().ln()
    }

    fn heart_at(&self, u: f32, v: f32) -> f32 {
        let (sin, cos) = self.heart_tilt.sin_cos();
        let (x, y) = (u - 0.11, v - (self.base[1] - 0.28));
        let (along, across) = (x * cos + y * sin, y * cos - x * sin);
        let r =
            ((along / (0.34 * self.heart)).powi(2) + (across / (0.25 * self.heart)).powi(2)).sqrt();
        1.0 - smoothstep(0.90, 1.08, r)
    }

    /// Great vessels and the tissue around the spine: the aorta and the pulmonary trunk bulge to
    /// the patient's left.
    fn mediastinum_at(&self, u: f32, v: f32) -> f32 {
        let bulge = |centre: f32, size: f32| (-((v - centre) / size).powi(2)).exp();
        let left = self.aorta * bulge(-0.34, 0.10) + 0.05 * bulge(-0.10, 0.12);
        let right = 0.025 * bulge(-0.25, 0.25);
        let width = 0.085 + 0.03 * smoothstep(-0.3, 0.2, v) + if u > 0.0 { left } else { right };
        (1.0 - smoothstep(width - 0.025, width + 0.025, u.abs())) * smoothstep(-0.90, -0.62, v)
    }

    fn body_at(&self, u: f32, v: f32) -> f32 {
        let x = u.abs();
        let shoulders = v - (-0.98 + self.shoulder * smoothstep(0.24, 1.15, x));
        let neck = 0.25 - x;
        let top = smoothstep(-0.02, 0.03, shoulders.max(neck));
        let flank = self.flank + 0.35 * smoothstep(-0.10, -0.55, v) + 0.02 * v;
        let side = smoothstep(-0.015, 0.02, flank - x);
        // The body is thinner towards the skin, like a cylinder.
        let round = (1.0 - (x / (flank + 0.02)).powi(4).min(1.0)).max(0.0).powf(0.3);
        top * side * (0.35 + 0.65 * round)
    }

    fn ribs_at(&self, u: f32, v: f32) -> f32 {
        let x = u.abs();
        let across = x / self.lung_width;
        let cage = 1.0 - smoothstep(0.02, 0.05, x - self.outer(v.min(0.45)));
        if cage == 0.0 {
            return 0.0;
        }
        let mut sum = 0.0;
        for k in 0..11 {
            let from = -0.80 + self.rib_gap * k as f32;
            let back = from - 0.035 * (across * std::f32::consts::PI).sin()
                + self.rib_drop * across.powf(2.6);
            sum += bone(v - back, 0.027) * smoothstep(0.06, 0.12, x);
            let front = from + 0.10 + 0.46 * (1.0 - across);
            if (1..8).contains(&k) {
                sum += 0.55 * bone(v - front, 0.034) * smoothstep(0.34, 0.62, x);
            }
        }
        sum * cage * self.rib_weight
    }

    fn collar_at(&self, u: f32, v: f32) -> f32 {
        let x = u.abs();
        let bend = 0.025 * (x * 7.0).sin();
        let clavicle = bone(v - (-0.60 + bend - 0.16 * x), 0.034)
            * smoothstep(0.06, 0.10, x)
            * (1.0 - smoothstep(0.86, 0.92, x));
        let edge = 0.66 + 0.16 * (v + 0.25);
        let scapula = smoothstep(-0.015, 0.015, x - edge)
            * smoothstep(-0.62, -0.5, v)
            * (1.0 - smoothstep(-0.05, 0.12, v));
        clavicle + 0.35 * scapula
    }

    fn spine_at(&self, u: f32, v: f32) -> f32 {
        let column = 1.0 - smoothstep(0.045, 0.085, u.abs());
        let gap = ((v / 0.105).fract() + 1.0).fract();
        let disc = smoothstep(0.0, 0.10, gap) * (1.0 - smoothstep(0.86, 0.98, gap));
        column * (0.55 + 0.45 * disc)
    }

    /// Trachea and main bronchi, filled with air.
    fn airway_at(&self, u: f32, v: f32) -> f32 {
        let trachea = (1.0 - smoothstep(0.028, 0.050, (u + 0.008).abs()))
            * (1.0 - smoothstep(-0.24, -0.18, v))
            * smoothstep(-0.95, -0.75, v);
        let branch = (v + 0.20 - 0.75 * u.abs()).abs();
        let bronchi =
            (1.0 - smoothstep(0.012, 0.035, branch)) * (1.0 - smoothstep(0.10, 0.17, u.abs()));
        trachea.max(0.7 * bronchi)
    }

    /// Returns the tissue at (`u`, `v`).
    pub fn tissue(&self, u: f32, v: f32) -> Tissue {
        let u = u - self.curve * (v * 2.0).sin();
        let (side, x) = (usize::from(u > 0.0), u.abs());
        let body = self.body_at(u, v);
        if body == 0.0 {
            return Tissue { solid: 0.0, air: 0.0 };
        }
        let depth = self.lung(side, x, v);
        let heart = self.heart_at(u, v);
        let middle = self.mediastinum_at(u, v);
        let cover = (1.0 - 0.94 * heart) * (1.0 - 0.96 * middle);
        let air =
            smoothstep(-0.012, 0.016, depth) * (0.66 + 0.34 * smoothstep(0.0, 0.30, depth)) * cover;
        let belly = smoothstep(-0.01, 0.03, v - self.dome(side, x.min(0.8)));
        let bubble = ((u - 0.36) / 0.16).powi(2) + ((v - self.base[1] + 0.02) / 0.07).powi(2);
        let gas = self.stomach * belly * (1.0 - smoothstep(0.5, 1.2, bubble));
        let solid = 0.62 + 0.11 * heart + 0.08 * middle + 0.14 * belly - 0.20 * gas
            + 0.085 * self.ribs_at(u, v)
            + 0.13 * self.collar_at(u, v)
            + 0.075 * self.spine_at(u, v)
            - 0.10 * self.airway_at(u, v);
        Tissue { solid: body * solid, air: body * air }
    }

    /// Returns the hilum of the lung on a side of the image (-1 left, 1 right).
    pub fn hilum(&self, side: f32) -> (f32, f32) {
        (side * 0.15, if side < 0.0 { 0.0 } else { -0.05 })
    }

    /// Returns a point in a lung: `out` from the midline (0) to the ribs (1), `down` from the apex
    /// (0) to the base (1).
    pub fn point_in_lung(&self, side: f32, out: f32, down: f32) -> (f32, f32) {
        let v = self.apex + down * (self.base[usize::from(side > 0.0)] - 0.06 - self.apex);
        (side * (0.10 + out * (self.outer(v) - 0.10)), v)
    }
}
