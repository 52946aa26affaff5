//! The part of a feature map that must be computed.

/// Number of rows and columns of a feature map, from its top left corner.
///
/// If only this corner of the last maps is used, only a corner of each earlier map is
/// computed: [`Extent::before_conv`] and [`Extent::before_pool`] give its size, layer by
/// layer from the last to the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Number of rows, from row 0.
    pub rows: usize,
    /// Number of columns, from column 0.
    pub cols: usize,
}

impl Extent {
    /// Square of `side` rows and columns.
    pub const fn square(side: usize) -> Self {
        Self { rows: side, cols: side }
    }

    /// Input corner that a 3x3 SAME convolution needs for the output corner `self`: one
    /// row and one column more, at most the size `whole` of the input.
    pub fn before_conv(self, whole: Extent) -> Self {
        Self { rows: (self.rows + 1).min(whole.rows), cols: (self.cols + 1).min(whole.cols) }
    }

    /// Input corner that a 2x2 max pool needs for the output corner `self`.
    pub const fn before_pool(self) -> Self {
        Self { rows: 2 * self.rows, cols: 2 * self.cols }
    }

    /// Output size of a 2x2 max pool of `self`; an odd last row or column is dropped.
    pub const fn after_pool(self) -> Self {
        Self { rows: self.rows / 2, cols: self.cols / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn a_convolution_needs_one_more_row_and_column_within_the_map() {
        let whole = Extent::square(14);
        assert_eq!(Extent::square(8).before_conv(whole), Extent::square(9));
        assert_eq!(Extent { rows: 14, cols: 13 }.before_conv(whole), whole);
    }

    #[test]
    fn pooling_halves_and_drops_the_odd_row() {
        assert_eq!(Extent::square(4).before_pool(), Extent::square(8));
        assert_eq!(Extent { rows: 9, cols: 8 }.after_pool(), Extent::square(4));
    }
}
