//! Rows of `metadata.csv`, selection, sampling, identity, splits, augmentation.
