//! Colour conversion of JPEG components, with the arithmetic of libjpeg and OpenCV.

/// Returns red, green and blue of luminance and chroma, in 0..=`max` (ITU-T T.871; fixed-point
/// arithmetic of libjpeg's `jdcolor.c`).
fn rgb([y, cb, cr]: [i32; 3], max: i32) -> [i32; 3] {
    let (cb, cr) = (i64::from(cb - (max + 1) / 2), i64::from(cr - (max + 1) / 2));
    let fixed = |factor: f64| (factor * 65536.0 + 0.5) as i64;
    let half = 1 << 15;
    let red = (fixed(1.402) * cr + half) >> 16;
    let green = (-fixed(0.344_14) * cb - fixed(0.714_14) * cr + half) >> 16;
    let blue = (fixed(1.772) * cb + half) >> 16;
    [red, green, blue].map(|add| (y + add as i32).clamp(0, max))
}

/// Converts YCbCr to RGB in place.
pub fn of_ycc(samples: &mut [u16], bits: u32) {
    let max = (1 << bits) - 1;
    for pixel in samples.as_chunks_mut::<3>().0 {
        *pixel = rgb(pixel.map(i32::from), max).map(|sample| sample as u16);
    }
}

/// Converts CMYK or YCCK (by the colour transform of the Adobe segment) to RGB: YCCK to CMYK as
/// libjpeg does, CMYK to RGB as OpenCV does. CMYK is stored inverted (255 is no ink), as Adobe
/// writes and OpenCV reads it.
pub fn to_rgb(pixels: &mut Vec<u8>, adobe: Option<u8>) {
    let is_ycck = adobe.is_some_and(|transform| transform != 0);
    let convert = |&[c, m, y, k]: &[u8; 4]| {
        let cmy = [c, m, y].map(i32::from);
        let cmy = if is_ycck { rgb(cmy, 255).map(|level| 255 - level) } else { cmy };
        let k = i32::from(k);
        cmy.map(|ink| (k - (((255 - ink) * k) >> 8)) as u8)
    };
    *pixels = pixels.as_chunks::<4>().0.iter().flat_map(convert).collect();
}
