//! Films as pixels: decode, resize, rotate.
