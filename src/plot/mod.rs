//! One file per figure.
