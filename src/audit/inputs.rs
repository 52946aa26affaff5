//! Inputs of the cheap probes: file attributes and thumbnails.

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView3};

use crate::image::resize;

/// Attributes of an image file, without its pixels.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// File size in bytes.
    pub bytes: u64,
    /// Pixel mode, such as `L` or `RGB`, and from a DICOM header: modality, view, photometric
    /// interpretation.
    pub words: [&'a str; 4],
}

/// Feature matrix `[files, 5 + words]`: logarithms of width, height, aspect ratio, bytes and
/// bytes per pixel, then a one-hot column per word that differs between files.
pub fn attributes(files: &[Attributes]) -> Array2<f64> {
    let mut words: BTreeSet<(usize, &str)> =
        files.iter().flat_map(|file| file.words.into_iter().enumerate()).collect();
    words.retain(|(position, word)| files.iter().any(|file| file.words[*position] != *word));
    let row = |file: &Attributes| {
        let (width, height) = (f64::from(file.width.max(1)), f64::from(file.height.max(1)));
        let bytes = file.bytes.max(1) as f64;
        let sizes = [width, height, width / height, bytes, bytes / (width * height)].map(f64::ln);
        let words = words.iter().map(|(position, word)| f64::from(file.words[*position] == *word));
        sizes.into_iter().chain(words).collect::<Vec<_>>()
    };
    let values: Vec<f64> = files.iter().flat_map(row).collect();
    Array2::from_shape_vec((files.len(), 5 + words.len()), values).expect("one value per column")
}

/// Side in pixels of the thumbnail that [`rim`] reads.
const BORDER_THUMBNAIL: usize = 64;
/// Width in pixels of the border.
const BORDER: usize = 2;
/// Side in pixels of [`thumbnail`].
const THUMBNAIL: usize = 16;

/// Returns the 496 grey levels of the outer two pixels of a 64 x 64 thumbnail of `image`
/// `[height, width, channels]`.
pub fn rim(image: ArrayView3<u8>) -> Vec<f64> {
    let is_border = |i: usize| !(BORDER..BORDER_THUMBNAIL - BORDER).contains(&i);
    let grey = grey(image, BORDER_THUMBNAIL).into_iter().enumerate();
    grey.filter(|(i, _)| is_border(i / BORDER_THUMBNAIL) || is_border(i % BORDER_THUMBNAIL))
        .map(|(_, level)| level)
        .collect()
}

/// Returns the 256 grey levels of a 16 x 16 thumbnail of `image` `[height, width, channels]`.
pub fn thumbnail(image: ArrayView3<u8>) -> Vec<f64> {
    grey(image, THUMBNAIL)
}

fn grey(image: ArrayView3<u8>, side: usize) -> Vec<f64> {
    let small = resize(image, side, side);
    let mean = |pixel: &[u8]| pixel.iter().map(|c| f64::from(*c)).sum::<f64>() / pixel.len() as f64;
    let levels = small.as_slice().expect("standard layout").chunks_exact(image.dim().2);
    levels.map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn border_pixels_are_independent_of_the_centre() {
        let image = |centre: u8| {
            Array3::from_shape_fn((224, 224, 3), |(y, x, _)| {
                if (16..208).contains(&y) && (16..208).contains(&x) { centre } else { 40 }
            })
        };
        assert_eq!(rim(image(0).view()), vec![40.0; 496]);
        assert_eq!(rim(image(255).view()), vec![40.0; 496]);
        let [dark, bright] = [0, 255].map(|centre| thumbnail(image(centre).view()));
        assert_eq!(dark.len(), 256);
        assert_ne!(dark, bright);
    }

    #[test]
    fn attributes_are_logarithms_and_differing_words() {
        let file = |width, words| Attributes { width, height: 100, bytes: 500, words };
        let table = attributes(&[file(100, ["RGB", "DX", "", ""]), file(200, ["L", "DX", "", ""])]);
        assert_eq!(table.dim(), (2, 7));
        assert_eq!((table[[0, 2]], table[[1, 2]]), (0.0, 2.0f64.ln()));
        assert_eq!((table[[0, 5]], table[[0, 6]], table[[1, 5]]), (0.0, 1.0, 1.0));
        let views = [file(9, ["L", "DX", "AP", ""]), file(9, ["L", "DX", "PA", ""])];
        assert_eq!(attributes(&views).dim(), (2, 7));
    }
}
