//! Association of two categorical variables: Cramér's V.

use super::UndefinedMetric;

/// Cramér's V (1946) of a contingency table: 0 if rows and columns are
/// independent, 1 if one determines the other. Empty rows and columns are
/// ignored. Equals scipy's `contingency.association(table)`.
///
/// # Errors
///
/// If the table is empty, or only one row or column has counts.
///
/// # Panics
///
/// If the rows differ in length.
pub fn cramers_v(table: &[Vec<u64>]) -> Result<f64, UndefinedMetric> {
    let width = table.first().map_or(0, Vec::len);
    assert!(table.iter().all(|row| row.len() == width), "all rows must have the same length");
    let rows: Vec<u64> = table.iter().map(|row| row.iter().sum()).collect();
    let columns: Vec<u64> = (0..width).map(|c| table.iter().map(|row| row[c]).sum()).collect();
    let count_nonempty = |sums: &[u64]| sums.iter().filter(|s| **s > 0).count();
    let degrees_of_freedom = match (count_nonempty(&rows), count_nonempty(&columns)) {
        (0, _) => return Err(UndefinedMetric::NoImages),
        (1, _) | (_, 1) => return Err(UndefinedMetric::OneClass),
        (r, c) => r.min(c) - 1,
    };
    // chi² / n = Σ count² / (row · column) - 1
    let term = |r: usize, c: usize| match table[r][c] as f64 {
        0.0 => 0.0,
        count => count * count / (rows[r] as f64 * columns[c] as f64),
    };
    let terms: f64 = (0..rows.len()).flat_map(|r| (0..width).map(move |c| term(r, c))).sum();
    Ok(((terms - 1.0).max(0.0) / degrees_of_freedom as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{Golden, assert_close};

    #[test]
    fn cramers_v_equals_scipy() {
        for case in Golden::load().cramers_v {
            assert_close(cramers_v(&case.table).unwrap(), case.v.0, 1e-14);
        }
    }

    #[test]
    fn empty_rows_and_columns_are_ignored() {
        let table = [vec![3, 0, 1], vec![0, 0, 0], vec![2, 0, 5]];
        assert_eq!(cramers_v(&table), cramers_v(&[vec![3, 1], vec![2, 5]]));
    }

    #[test]
    fn undefined_cases_are_reported() {
        assert_eq!(cramers_v(&[]), Err(UndefinedMetric::NoImages));
        assert_eq!(cramers_v(&[vec![0, 0]]), Err(UndefinedMetric::NoImages));
        assert_eq!(cramers_v(&[vec![4, 0], vec![3, 0]]), Err(UndefinedMetric::OneClass));
    }
}
