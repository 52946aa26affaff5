//! One phantom image: parameters, rendering and encoding.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};

use super::anatomy::{Anatomy, Tissue, smoothstep};
use super::disease::{Condition, Opacities};
use super::noise::{fractal_noise, grain, uniform};
use super::text;
use crate::rng::Rng;

/// File format of a phantom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// PNG.
    Png,
    /// JPEG with a quality from 1 to 100.
    Jpeg(u8),
}

/// Parameters of a phantom. Equal parameters give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Condition of the lungs.
    pub condition: Condition,
    /// Patient number within the condition, from 1.
    pub patient: usize,
    /// Day of the image, from 0.
    pub day: usize,
    /// Whether the view is AP instead of PA.
    pub from_the_front: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether the file has three equal channels instead of one.
    pub colour: bool,
    /// File format.
    pub encoding: Encoding,
    /// Whether a bright square is in a corner: the planted shortcut.
    pub marker: bool,
    /// Random seed of the patient's body.
    pub body_seed: u64,
    /// Random seed of this image.
    pub image_seed: u64,
}

impl Image {
    /// Renders the grey levels.
    pub fn render(&self) -> GrayImage {
        let anatomy = Anatomy::sample(&mut Rng::new(self.body_seed));
        let mut rng = Rng::new(self.image_seed);
        let anatomy = anatomy.breathing(uniform(&mut rng, -1.0, 1.0));
        let anatomy = if self.from_the_front { anatomy.seen_from_the_front() } else { anatomy };
        let severity = uniform(&mut rng, 0.0, 1.0);
        let opacities = Opacities::sample(self.condition, severity, &anatomy, &mut rng);
        let pose = Pose::sample(self.width, self.height, &mut rng);
        let vessels = self.vessels(&anatomy, &pose, &mut rng);
        let exposure = Exposure::sample(&mut rng);
        let (haze, speckle) = (rng.next_u64(), rng.next_u64());

        let mut image = GrayImage::from_fn(self.width, self.height, |x, y| {
            let (u, v) = pose.point(x as f32, y as f32);
            let Tissue { mut solid, mut air } = anatomy.tissue(u, v);
            if air > 0.0 {
                let vessel = vessels[(y * self.width + x) as usize];
                let texture = 1.0 + 0.10 * fractal_noise(haze, u, v, 7.0, 4);
                air *= (1.0 - opacities.fluid(u, v)) * (1.0 - vessel) * texture;
            }
            let (x, y) = (x as i32, y as i32);
            let fine = 0.014 * grain(speckle, x, y) + 0.010 * grain(speckle ^ 1, x / 2, y / 2);
            let noise = fine * smoothstep(0.0, 0.2, solid).max(0.25);
            solid *= 1.0 + 0.05 * fractal_noise(haze ^ 1, u, v, 2.5, 3);
            Luma([exposure.level(solid - 0.47 * air + noise)])
        });
        self.add_marks(&mut image, &mut rng);
        image
    }

    /// Encodes the phantom as the bytes of its file.
    pub fn encode(&self) -> Vec<u8> {
        let grey = DynamicImage::ImageLuma8(self.render());
        let image = if self.colour { DynamicImage::ImageRgb8(grey.to_rgb8()) } else { grey };
        let mut bytes = Cursor::new(Vec::new());
        let written = match self.encoding {
            Encoding::Png => image.write_to(&mut bytes, ImageFormat::Png),
            Encoding::Jpeg(quality) => {
                image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))
            }
        };
        written.expect("every 8-bit image can be encoded in memory");
        bytes.into_inner()
    }

    /// Returns an image of tapering vessels that branch from the hila: the proportion of air that
    /// they displace.
    fn vessels(&self, anatomy: &Anatomy, pose: &Pose, rng: &mut Rng) -> Vec<f32> {
        let mut layer = vec![0.0f32; (self.width * self.height) as usize];
        let mut disc = |centre: (f32, f32), radius: f32, strength: f32| {
            pose.add_disc(&mut layer, self.width, self.height, centre, radius, strength);
        };
        for side in [-1.0f32, 1.0] {
            let (u, v) = anatomy.hilum(side);
            let root = uniform(rng, 0.045, 0.06);
            disc((u, v - 0.03), root, 0.40);
            disc((u * 1.05, v + 0.07), root * 0.8, 0.40);
            // Branches to be grown: position, heading, radius, length.
            let mut buds: Vec<_> = (0..8)
                .map(|i| {
                    let heading = -1.3 + 2.7 * (i as f32 + uniform(rng, 0.0, 1.0)) / 8.0;
                    (u, v, heading, uniform(rng, 0.014, 0.020), uniform(rng, 0.35, 0.6))
                })
                .collect();
            while let Some((mut u, mut v, heading, radius, length)) = buds.pop() {
                let bend = uniform(rng, -0.6, 0.6);
                let fork = 8 + rng.index(16);
                for k in 0..40 {
                    let t = k as f32 / 40.0;
                    let angle = heading + bend * t;
                    u += side * angle.cos() * length / 40.0;
                    v += angle.sin() * length / 40.0;
                    disc((u, v), radius * (1.0 - 0.7 * t), 14.0 * radius * (1.0 - t).sqrt());
                    if k == fork && radius > 0.006 {
                        let turn = if rng.index(2) == 0 { 0.55 } else { -0.55 };
                        buds.push((u, v, angle + turn, radius * 0.7, length * 0.7));
                    }
                }
            }
        }
        layer
    }

    /// Adds the marks of every image (side and `SYNTHETIC`), which are independent of the class,
    /// and the planted shortcut if requested.
    fn add_marks(&self, image: &mut GrayImage, rng: &mut Rng) {
        let cell = (self.height / 280).max(1);
        let write = |image: &mut GrayImage, line: &str, left: u32, top: u32, cell: u32| {
            let (columns, rows) = (6 * line.len() as u32 + 1, 9);
            fill(image, left, top, columns * cell, rows * cell, 20);
            for (x, y) in text::text_pixels(line) {
                fill(
                    image,
                    left + (x as u32 + 1) * cell,
                    top + (y as u32 + 1) * cell,
                    cell,
                    cell,
                    225,
                );
            }
        };
        write(image, "SYNTHETIC", 4 * cell, self.height - 13 * cell, cell);
        let letter = 2 * cell;
        let top = (self.height as f32 * uniform(rng, 0.04, 0.12)) as u32;
        if rng.index(2) == 0 {
            write(image, "R", self.width / 40, top, letter);
        } else {
            write(image, "L", self.width - self.width / 40 - 6 * letter, top, letter);
        }
        if self.marker {
            let size = self.width / 14;
            fill(image, size / 2, size / 2, size, size, 250);
        }
    }
}

/// Fills the part of a rectangle that is inside the image.
fn fill(image: &mut GrayImage, left: u32, top: u32, width: u32, height: u32, level: u8) {
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (left + x, top + y))) {
        if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
            *pixel = Luma([level]);
        }
    }
}

/// Position, size and rotation of the body in the image.
struct Pose {
    centre: (f32, f32),
    unit: f32,
    sin: f32,
    cos: f32,
}

impl Pose {
    fn sample(width: u32, height: u32, rng: &mut Rng) -> Self {
        let (w, h) = (width as f32, height as f32);
        let unit = 0.5 * w.min(1.12 * h) * uniform(rng, 0.94, 1.06);
        let centre =
            (w * (0.5 + uniform(rng, -0.025, 0.025)), h * (0.52 + uniform(rng, -0.03, 0.03)));
        let (sin, cos) = uniform(rng, -0.05, 0.05).sin_cos();
        Self { centre, unit, sin, cos }
    }

    /// Converts pixel to body coordinates.
    fn point(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = ((x - self.centre.0) / self.unit, (y - self.centre.1) / self.unit);
        (x * self.cos + y * self.sin, y * self.cos - x * self.sin)
    }

    /// Converts body to pixel coordinates.
    fn pixel(&self, (u, v): (f32, f32)) -> (f32, f32) {
        let (x, y) = (u * self.cos - v * self.sin, u * self.sin + v * self.cos);
        (self.centre.0 + x * self.unit, self.centre.1 + y * self.unit)
    }

    /// Adds a soft disc of `radius` in body units to `layer`, by the maximum.
    fn add_disc(
        &self,
        layer: &mut [f32],
        width: u32,
        height: u32,
        centre: (f32, f32),
        radius: f32,
        strength: f32,
    ) {
        let (cx, cy) = self.pixel(centre);
        let r = (radius * self.unit).max(0.7);
        let span = |c: f32, n: u32| {
            (c - 2.5 * r).max(0.0) as u32..((c + 2.5 * r).max(0.0) as u32 + 1).min(n)
        };
        for y in span(cy, height) {
            for x in span(cx, width) {
                let d2 = ((x as f32 - cx).powi(2) + (y as f32 - cy).powi(2)) / (r * r);
                let value = &mut layer[(y * width + x) as usize];
                *value = value.max(strength * (-d2).exp());
            }
        }
    }
}

/// Characteristic curve from attenuation to grey level.
struct Exposure {
    low: f32,
    range: f32,
    gamma: f32,
}

impl Exposure {
    fn sample(rng: &mut Rng) -> Self {
        Self {
            low: uniform(rng, 0.05, 0.13),
            range: uniform(rng, 0.78, 0.95),
            gamma: uniform(rng, 0.85, 1.2),
        }
    }

    fn level(&self, density: f32) -> u8 {
        let t = ((density - self.low) / self.range).max(0.0).powf(self.gamma);
        // Soft saturation, as on analogue image.
        (255.0 * (1.0 - (-1.9 * t).exp()) / (1.0 - (-1.9f32).exp())).clamp(0.0, 255.0) as u8
    }
}
