//! What a classifier is worth: classification, ranking, calibration, intervals.
