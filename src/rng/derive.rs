//! Derivation of independent seeds.

/// Derives an independent seed from the `seed` of the pipeline, the `stage` (`"train"`), the
/// `purpose` (`"dropout"`) and the `item` (a row, an epoch, a resample; 0 if there is only one).
///
/// Random numbers thus depend neither on the number of threads nor on the order of the work, and
/// a new purpose does not change existing streams. The result is the first eight bytes,
/// little-endian, of BLAKE3 in key-derivation mode over the four parts; texts are preceded by
/// their length.
pub fn derive(seed: u64, stage: &str, purpose: &str, item: u64) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("cxr seed derivation v1");
    hasher.update(&seed.to_le_bytes());
    for text in [stage, purpose] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&item.to_le_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_changes_the_seed() {
        let seeds = [
            derive(42, "train", "dropout", 0),
            derive(43, "train", "dropout", 0),
            derive(42, "extract", "dropout", 0),
            derive(42, "train", "init", 0),
            derive(42, "train", "dropout", 1),
            derive(42, "traind", "ropout", 0),
        ];
        assert_eq!(BTreeSet::from(seeds).len(), seeds.len());
    }

    /// Computed with Python's blake3 1.0. A change here changes every trained model.
    #[test]
    fn seeds_do_not_change_between_versions() {
        assert_eq!(derive(42, "train", "dropout", 7), 10_256_654_719_693_523_793);
    }
}
