//! Bitmap font for the marks on an image, 5 x 7 pixels per letter.

/// Rows of a letter from the top, with the leftmost pixel in bit 4.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'C' => [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e],
        'E' => [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f],
        'H' => [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'I' => [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e],
        'L' => [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
        'N' => [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11],
        'R' => [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
        'S' => [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e],
        'T' => [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
        'Y' => [0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04],
        _ => [0; 7],
    }
}

/// Returns the set pixels (column, row) of a line of text, with 6 columns per letter and 7 rows.
pub fn text_pixels(line: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    line.chars().enumerate().flat_map(|(i, letter)| {
        let rows = glyph(letter);
        (0..7).flat_map(move |y| {
            (0..5).filter(move |x| rows[y] >> (4 - x) & 1 == 1).map(move |x| (6 * i + x, y))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_run_from_left_to_right() {
        let first_row: Vec<_> = text_pixels("LI").filter(|&(_, row)| row == 0).collect();
        assert_eq!(first_row, [(0, 0), (7, 0), (8, 0), (9, 0)]);
        assert_eq!(text_pixels(" ").count(), 0);
    }
}
