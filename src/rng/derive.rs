/// A seed of its own for each random decision: from the pipeline's one `seed`,
/// the `stage` that draws (`"train"`), its `purpose` (`"dropout"`) and the
/// `item` (a row, an epoch, a resample; 0 where there is but one).
///
/// So neither the number of threads nor the order of the work changes a draw,
/// and a new purpose leaves the old streams as they are. The seed is the first
/// eight bytes, little-endian, of BLAKE3 in its key-derivation mode over the
/// four parts, texts preceded by their length.
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
    fn every_part_counts() {
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
    fn stays_the_same_between_versions() {
        assert_eq!(derive(42, "train", "dropout", 7), 10_256_654_719_693_523_793);
    }
}
