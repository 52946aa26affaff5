//! Grad-CAM maps of a classifier and figures of them.

use std::path::Path;

use ndarray::{Array2, Array4, ArrayView1, ArrayView3, s};

use super::run::levels;
use crate::backbone::{Pooling, Vgg16};
use crate::conv::Extent;
use crate::explain::{Region, grad_cam, outside_centre};
use crate::head::Head;
use crate::image::centre;
use crate::io::hash;
use crate::plot::{Overlay, Pixels, Saliency, png};

/// Grad-CAM of a head on its backbone.
#[derive(Debug, Clone, Copy)]
pub struct Explainer<'a> {
    /// Backbone.
    pub net: &'a Vgg16,
    /// Pooling of the head.
    pub pooling: Pooling,
    /// Height and width of an image in pixels.
    pub side: usize,
}

impl Explainer<'_> {
    /// Returns the number of cells along a side of the last feature maps: pooled by the head,
    /// and all.
    pub fn cells(&self) -> (usize, usize) {
        let all = self.side / 32;
        (self.pooling.reads(Extent { rows: all, cols: all }).rows, all)
    }

    /// Returns the Grad-CAM map of `class` from `maps`, the output of the last convolution, and
    /// the `features` of the head. Cells that the head does not pool are 0.
    pub fn saliency(
        &self,
        head: &Head,
        features: ArrayView1<f32>,
        class: usize,
        maps: ArrayView3<f32>,
    ) -> Array2<f32> {
        let gradient = head.gradient(features, class);
        let mut saliency = grad_cam(maps, gradient.view());
        let pooled = 2 * self.cells().0;
        saliency.slice_mut(s![pooled.., ..]).fill(0.0);
        saliency.slice_mut(s![.., pooled..]).fill(0.0);
        saliency
    }

    /// Returns the class probabilities `[images, classes]` for `images`
    /// `[images, side, side, 3]` with a region set to black.
    pub fn blackened(&self, head: &Head, images: &Array4<f32>, region: Region) -> Array2<f32> {
        let mut images = images.clone();
        for image in images.outer_iter_mut() {
            region.blacken(image, self.cells());
        }
        head.predict(self.net.pooled(images.view()).view())
    }

    /// Returns a caption for the saliency map of an image.
    pub fn note(&self, saliency: &Array2<f32>) -> String {
        match outside_centre(saliency.view(), self.side) {
            Some(proportion) => {
                format!("{:.0} % of the saliency lies outside the centre", 100.0 * proportion)
            }
            None => "the map is empty: no pooled feature favours this class".to_owned(),
        }
    }

    /// Returns the saliency map as an overlay with `note` below it.
    pub fn overlay(&self, note: &str, saliency: &Array2<f32>) -> Overlay {
        Overlay {
            label: "Grad-CAM".to_owned(),
            note: note.to_owned(),
            cells: saliency.nrows(),
            saliency: saliency.iter().copied().collect(),
            pooled: self.cells(),
        }
    }

    /// Returns a PNG of an image `[side, side, 3]` (levels 0 to 1) with overlays beside it.
    pub fn picture(
        &self,
        name: &str,
        image: ArrayView3<f32>,
        (title, subtitle): (String, String),
        overlays: Vec<Overlay>,
    ) -> Vec<u8> {
        let rgb = levels(image);
        let proportion = |pixel: usize| pixel as f64 / self.side as f64;
        png(&Saliency {
            name: name.to_owned(),
            title,
            subtitle,
            image: Pixels { width: self.side, height: self.side, rgb: &rgb },
            centre: (proportion(centre(self.side).start), proportion(centre(self.side).end)),
            overlays,
        })
    }
}

/// Returns a unique file stem for the figure of an image: its path, shortened from the start,
/// with all characters but letters, digits, `.`, `_` and `-` replaced, and without leading `.`
/// and `-`. If that differs from the path, or ends like a hash, 16 hexadecimal digits of the
/// path's hash are appended.
pub fn figure_name(path: impl AsRef<Path>) -> String {
    /// Longest name in bytes; leaves room for the hash and an extension in 255 bytes.
    const LONGEST: usize = 120;
    let path = path.as_ref();
    let text = path.to_string_lossy();
    let replace = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(replace).collect();
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
    fn picture_names_are_unique() {
        assert_eq!(figure_name("IM-0001.jpeg"), "IM-0001.jpeg");
        let name = |path: &str| {
            let name = figure_name(path);
            let (stem, hash) = name.rsplit_once('-').unwrap();
            assert!(name.len() < 140 && hash.len() == 16, "{name}");
            (stem.to_owned(), hash.to_owned())
        };
        assert_ne!(figure_name(figure_name("a b")), figure_name("a b"));
        let alike = ["a b/x.png", "a-b/x.png", "-a-b/x.png"].map(name);
        assert!(alike.iter().all(|(stem, _)| stem == "a-b-x.png"));
        assert!(alike[0].1 != alike[1].1 && alike[1].1 != alike[2].1);
        let long = format!("{}/x.png", "é/".repeat(500).trim_end_matches('/'));
        assert!(name(&long).0.ends_with("é-x.png"));
    }
}
