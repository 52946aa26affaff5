//! Encoders of small JPEG and PNG files for HTML pages.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Encodes a square of `side` x `side` RGB pixels as JPEG of `quality` 1 to 100. Grey images are
/// stored with one channel.
///
/// # Panics
///
/// If `rgb` does not have `side * side * 3` bytes.
pub fn jpeg(rgb: &[u8], side: usize, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    let grey = rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let written = if grey {
        let levels: Vec<u8> = rgb.iter().copied().step_by(3).collect();
        encoder.write_image(&levels, side as u32, side as u32, ExtendedColorType::L8)
    } else {
        encoder.write_image(rgb, side as u32, side as u32, ExtendedColorType::Rgb8)
    };
    written.expect("`rgb` fills the square");
    bytes
}

/// Encodes a square of `side` x `side` RGBA pixels as PNG.
///
/// # Panics
///
/// If `rgba` does not have `side * side * 4` bytes.
pub fn png(rgba: &[u8], side: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(rgba, side as u32, side as u32, ExtendedColorType::Rgba8)
        .expect("`rgba` fills the square");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_pixels_are_decoded_again() {
        let grey: Vec<u8> = (0..64).flat_map(|i| [i * 3; 3]).collect();
        let image = super::super::decode(&jpeg(&grey, 8, 95)).unwrap();
        assert_eq!((image.mode, image.width(), image.height()), ("L", 8, 8));
        assert!(image.pixels.iter().zip((0..64).map(|i| i * 3)).all(|(a, b)| a.abs_diff(b) < 6));
        let colour: Vec<u8> = (0..64).flat_map(|i| [i * 3, 0, 0]).collect();
        assert_eq!(super::super::decode(&jpeg(&colour, 8, 95)).unwrap().mode, "RGB");
        let clear = [vec![255, 0, 0, 0], vec![0, 0, 255, 200]].concat().repeat(2);
        let back = image::load_from_memory(&png(&clear, 2)).unwrap().into_rgba8();
        assert_eq!(back.into_raw(), clear);
    }
}
