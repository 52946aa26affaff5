//! The trainable part of the classifier (candle lives here).
