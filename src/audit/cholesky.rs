//! Linear solver for symmetric positive definite matrices.
//!
use ndarray::{Array2, ArrayViewMut1, Axis};

/// Solves `matrix · x = right` by Cholesky factorisation, for a symmetric positive definite
/// `matrix` `[n, n]` and right sides `[n, k]`, in n³/3 steps. Reads only the lower triangle.
pub fn solve(mut matrix: Array2<f64>, mut right: Array2<f64>) -> Array2<f64> {
    factorise(&mut matrix);
    for mut column in right.axis_iter_mut(Axis(1)) {
        substitute(&matrix, &mut column);
    }
    right
}

/// Replaces the lower triangle by the Cholesky factor.
fn factorise(matrix: &mut Array2<f64>) {
    let n = matrix.nrows();
    let values = matrix.as_slice_mut().expect("an owned matrix in standard layout");
    for i in 0..n {
        let (above, row) = values.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..=j * n + j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
    }
}

/// Forward, then backward substitution.
fn substitute(factor: &Array2<f64>, column: &mut ArrayViewMut1<f64>) {
    let n = column.len();
    let values = factor.as_slice().expect("an owned matrix in standard layout");
    let row = |i: usize| &values[i * n..=i * n + i];
    let mut x = column.to_vec();
    for i in 0..n {
        x[i] = (x[i] - dot(&row(i)[..i], &x[..i])) / row(i)[i];
    }
    for i in (0..n).rev() {
        x[i] /= row(i)[i];
        let (above, rest) = x.split_at_mut(i);
        above.iter_mut().zip(row(i)).for_each(|(above, factor)| *above -= factor * rest[0]);
    }
    column.iter_mut().zip(x).for_each(|(to, x)| *to = x);
}

/// Dot product with four partial sums, for which the compiler can use vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a4, a), (b4, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    let rest: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solution_satisfies_the_equations() {
        let root = Array2::from_shape_fn((9, 9), |(i, j)| ((7 * i + 3 * j) as f64).sin());
        let matrix = root.dot(&root.t()) + Array2::<f64>::eye(9);
        let right = Array2::from_shape_fn((9, 2), |(i, k)| (i + 5 * k) as f64 - 3.0);
        let error = matrix.dot(&solve(matrix.clone(), right.clone())) - right;
        assert!(error.iter().all(|e| e.abs() < 1e-10), "{error}");
    }
}
