/// The rows and columns of a map that are computed, counted from its top left corner.
///
/// A net that is read in one corner needs its maps in that corner only:
/// propagated back from the reader, [`Extent::before_conv`] and
/// [`Extent::before_pool`] give what each layer has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Number of rows, from row 0.
    pub rows: usize,
    /// Number of columns, from column 0.
    pub cols: usize,
}

impl Extent {
    /// The whole of a square map.
    pub const fn square(side: usize) -> Self {
        Self { rows: side, cols: side }
    }

    /// What a 3x3 SAME convolution must know of its input, of size `whole`,
    /// to compute `self` of its output: one row and one column more.
    pub fn before_conv(self, whole: Extent) -> Self {
        Self { rows: (self.rows + 1).min(whole.rows), cols: (self.cols + 1).min(whole.cols) }
    }

    /// What a 2x2 max pool must know of its input to compute `self` of its output.
    pub const fn before_pool(self) -> Self {
        Self { rows: 2 * self.rows, cols: 2 * self.cols }
    }

    /// What a 2x2 max pool makes of `self`; an odd last row or column is dropped.
    pub const fn after_pool(self) -> Self {
        Self { rows: self.rows / 2, cols: self.cols / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn a_convolution_needs_a_border_but_never_more_than_the_map() {
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
