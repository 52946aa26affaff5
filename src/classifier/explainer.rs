//! Where on a film the answer comes from.

use std::path::Path;

use ndarray::{Array2, Array4, ArrayView1, ArrayView3, s};

use super::run::levels;
use crate::backbone::{Pooling, Vgg16};
use crate::conv::Extent;
use crate::explain::{Region, grad_cam, outside_centre};
use crate::head::Head;
use crate::image::centre;
use crate::io::hash;
use crate::plot::{Heat, Overlay, Pixels, png};

/// Grad-CAM of a head on a net, and pictures of it.
#[derive(Debug, Clone, Copy)]
pub struct Explainer<'a> {
    /// The net.
    pub net: &'a Vgg16,
    /// How the head reads it.
    pub pooling: Pooling,
    /// Height and width of a film.
    pub side: usize,
}

impl Explainer<'_> {
    /// Cells along a side of the last maps: those that the head pools, and all.
    pub fn cells(&self) -> (usize, usize) {
        let all = self.side / 32;
        (self.pooling.reads(Extent { rows: all, cols: all }).rows, all)
    }

    /// Grad-CAM of `class` from the last convolution's `maps` and the features that
    /// the head was given, 0 in cells that the head does not pool.
    pub fn heat(
        &self,
        head: &Head,
        features: ArrayView1<f32>,
        class: usize,
        maps: ArrayView3<f32>,
    ) -> Array2<f32> {
        let gradient = head.gradient(features, class);
        let mut heat = grad_cam(maps, gradient.view());
        let pooled = 2 * self.cells().0;
        heat.slice_mut(s![pooled.., ..]).fill(0.0);
        heat.slice_mut(s![.., pooled..]).fill(0.0);
        heat
    }

    /// The probabilities of the classes `[images, classes]` for `images`
    /// `[images, side, side, 3]` with a region black.
    pub fn blackened(&self, head: &Head, images: &Array4<f32>, region: Region) -> Array2<f32> {
        let mut images = images.clone();
        for image in images.outer_iter_mut() {
            region.blacken(image, self.cells());
        }
        head.predict(self.net.pooled(images.view()).view())
    }

    /// What is to be said of the heat on a film.
    pub fn note(&self, heat: &Array2<f32>) -> String {
        match outside_centre(heat.view(), self.side) {
            Some(share) => format!("{:.0} % of the heat lies outside the centre", 100.0 * share),
            None => "no heat: no pooled feature speaks for this class".to_owned(),
        }
    }

    /// The heat as an overlay with a `note` below it.
    pub fn overlay(&self, note: &str, heat: &Array2<f32>) -> Overlay {
        Overlay {
            label: "Grad-CAM".to_owned(),
            note: note.to_owned(),
            cells: heat.nrows(),
            heat: heat.iter().copied().collect(),
            pooled: self.cells(),
        }
    }

    /// A PNG of a film `[side, side, 3]`, 0 to 1, with overlays beside it.
    pub fn picture(
        &self,
        name: &str,
        image: ArrayView3<f32>,
        (title, subtitle): (String, String),
        overlays: Vec<Overlay>,
    ) -> Vec<u8> {
        let rgb = levels(image);
        let share = |pixel: usize| pixel as f64 / self.side as f64;
        png(&Heat {
            name: name.to_owned(),
            title,
            subtitle,
            film: Pixels { width: self.side, height: self.side, rgb: &rgb },
            centre: (share(centre(self.side).start), share(centre(self.side).end)),
            overlays,
        })
    }
}

/// The stem of a film's picture: its path, with all but letters, digits, `.`, `_`
/// and `-` replaced, no `.` or `-` at its start, and of a long one its end. Where that
/// is not the path, or could be such a name, the start of the path's hash follows, so
/// that no two films share a name.
pub fn picture_name(path: impl AsRef<Path>) -> String {
    /// In bytes; with the hash and an extension less than file systems allow.
    const LONGEST: usize = 120;
    let path = path.as_ref();
    let text = path.to_string_lossy();
    let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let start = name.ceil_char_boundary(name.len().saturating_sub(LONGEST));
    let name = name[start..].trim_start_matches(['.', '-']);
    let is_hash = |end: &str| end.len() == 16 && end.bytes().all(|b| b.is_ascii_hexdigit());
    let hashed = name.rsplit_once('-').is_some_and(|(_, end)| is_hash(end));
    match name == text && !hashed {
        true => name.to_owned(),
        false => format!("{name}-{}", &hash::bytes(path.as_os_str().as_encoded_bytes())[..16]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_films_share_a_picture() {
        assert_eq!(picture_name("IM-0001.jpeg"), "IM-0001.jpeg");
        let name = |path: &str| {
            let name = picture_name(path);
            let (stem, hash) = name.rsplit_once('-').unwrap();
            assert!(name.len() < 140 && hash.len() == 16, "{name}");
            (stem.to_owned(), hash.to_owned())
        };
        assert_ne!(picture_name(picture_name("a b")), picture_name("a b"));
        let alike = ["a b/x.png", "a-b/x.png", "-a-b/x.png"].map(name);
        assert!(alike.iter().all(|(stem, _)| stem == "a-b-x.png"));
        assert!(alike[0].1 != alike[1].1 && alike[1].1 != alike[2].1);
        let long = format!("{}/x.png", "é/".repeat(500).trim_end_matches('/'));
        assert!(name(&long).0.ends_with("é-x.png"));
    }
}
