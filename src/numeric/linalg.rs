//! The one door to a solver library (faer): Gram matrices, Cholesky, QR, symmetric eigenvalues.
//!
//! Matrices are column-major slices. All calls are sequential: parallelism is over chunks of rows,
//! above this file, so that results do not depend on the number of threads. Why faer: see
//! `docs/decisions/linear-algebra.md`.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::{Llt, Solve};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

/// Adds `x' x` to the lower triangle of `gram` (`k x k`); `x` is `n x k`.
pub(crate) fn gram_add(gram: &mut [f64], x: &[f64], n: usize, k: usize) {
    add_product(gram, MatRef::from_column_major_slice(&x[..n * k], n, k));
}

/// The same for `x` row by row.
pub(crate) fn gram_add_rows(gram: &mut [f64], x: &[f64], n: usize, k: usize) {
    add_product(gram, MatRef::from_row_major_slice(&x[..n * k], n, k));
}

fn add_product(gram: &mut [f64], x: MatRef<'_, f64>) {
    let k = x.ncols();
    triangular::matmul(
        MatMut::from_column_major_slice_mut(gram, k, k),
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

/// Copies the lower triangle to the upper one.
pub(crate) fn mirror_lower(matrix: &mut [f64], k: usize) {
    for column in 0..k {
        for row in column + 1..k {
            matrix[row * k + column] = matrix[column * k + row];
        }
    }
}

/// A Cholesky factor of a symmetric positive definite matrix.
#[derive(Debug)]
pub(crate) struct Cholesky {
    factor: Llt<f64>,
    k: usize,
}

impl Cholesky {
    /// Factors the lower triangle of `matrix` (`k x k`); `None` when it is not positive definite.
    pub(crate) fn new(matrix: &[f64], k: usize) -> Option<Self> {
        let matrix = MatRef::from_column_major_slice(matrix, k, k);
        let factor = matrix.llt(Side::Lower).ok()?;
        let finite = (0..k).all(|i| factor.L()[(i, i)].is_finite());
        finite.then_some(Self { factor, k })
    }

    /// Solves in place for one right-hand side.
    pub(crate) fn solve(&self, rhs: &mut [f64]) {
        self.factor
            .solve_in_place(MatMut::from_column_major_slice_mut(rhs, self.k, 1));
    }
}

/// Upper triangular factor (`k x k`) of the QR decomposition of `x` (`n x k`); rows are added as
/// zeros when `n < k`. Signs are those of Householder reflections, not normalised.
pub(crate) fn qr_factor(x: &[f64], n: usize, k: usize) -> Vec<f64> {
    let rows = n.max(k);
    let mut work = Mat::<f64>::zeros(rows, k);
    for column in 0..k {
        for row in 0..n {
            work[(row, column)] = x[column * n + row];
        }
    }
    let qr = work.qr();
    let thin = qr.thin_R();
    let mut r = vec![0.0; k * k];
    for column in 0..k {
        for row in 0..=column {
            r[column * k + row] = thin[(row, column)];
        }
    }
    r
}

/// Solves `r x = b` in place for upper triangular `r` (`k x k`).
pub(crate) fn solve_upper(r: &[f64], k: usize, b: &mut [f64]) {
    let r = MatRef::from_column_major_slice(r, k, k);
    r.solve_upper_triangular_in_place(MatMut::from_column_major_slice_mut(b, k, 1));
}

/// Solves `r' x = b` in place for upper triangular `r` (`k x k`).
pub(crate) fn solve_upper_transposed(r: &[f64], k: usize, b: &mut [f64]) {
    let r = MatRef::from_column_major_slice(r, k, k);
    r.transpose()
        .solve_lower_triangular_in_place(MatMut::from_column_major_slice_mut(b, k, 1));
}

/// Replaces the columns `x` (`n x k`) by `x r^-1` for upper triangular `r` (`k x k`).
pub(crate) fn divide_columns(x: &mut [f64], n: usize, r: &[f64], k: usize) {
    let r = MatRef::from_column_major_slice(r, k, k);
    let x = MatMut::from_column_major_slice_mut(&mut x[..n * k], n, k);
    // x r^-1 = (r'^-1 x')'
    r.transpose()
        .solve_lower_triangular_in_place(x.transpose_mut());
}

/// `(r' r)^-1` for upper triangular `r` (`k x k`), as the full symmetric matrix.
pub(crate) fn inverse_of_normal(r: &[f64], k: usize) -> Vec<f64> {
    let mut inverse = Mat::<f64>::identity(k, k);
    let r = MatRef::from_column_major_slice(r, k, k);
    r.solve_upper_triangular_in_place(inverse.as_mut());
    let product = &inverse * inverse.transpose();
    let mut out = vec![0.0; k * k];
    for column in 0..k {
        for row in 0..k {
            out[column * k + row] = product[(row, column)];
        }
    }
    out
}

/// `a m a'` for `a` and symmetric `m`, all `k x k`: the sandwich of robust covariances.
pub(crate) fn sandwich(a: &[f64], m: &[f64], k: usize) -> Vec<f64> {
    let a = MatRef::from_column_major_slice(a, k, k);
    let m = MatRef::from_column_major_slice(m, k, k);
    let product = a * m * a.transpose();
    let mut out = vec![0.0; k * k];
    for column in 0..k {
        for row in 0..k {
            out[column * k + row] = product[(row, column)];
        }
    }
    out
}

/// Reciprocal condition number of upper triangular `r` in the 2-norm: smallest over largest
/// singular value.
pub(crate) fn reciprocal_condition(r: &[f64], k: usize) -> f64 {
    let r = MatRef::from_column_major_slice(r, k, k);
    match r.singular_values() {
        Ok(values) => match (values.first(), values.last()) {
            (Some(&largest), Some(&smallest)) if largest > 0.0 => smallest / largest,
            _ => 0.0,
        },
        Err(_) => 0.0,
    }
}

/// Columns of an upper triangular factor that are not, to `tolerance` of their own length,
/// combinations of the kept columns before them; in order.
pub(crate) fn independent_columns(r: &[f64], k: usize, tolerance: f64) -> Vec<usize> {
    let length = |column: usize| {
        r[column * k..(column + 1) * k]
            .iter()
            .fold(0.0_f64, |norm, value| norm.hypot(*value))
    };
    let mut kept: Vec<usize> = (0..k).collect();
    loop {
        let part: Vec<f64> = kept
            .iter()
            .flat_map(|column| r[column * k..(column + 1) * k].iter().copied())
            .collect();
        let size = kept.len();
        let factor = qr_factor(&part, k, size);
        let dependent = (0..size).find(|&position| {
            let own = length(kept[position]);
            own == 0.0 || factor[position * size + position].abs() <= tolerance * own
        });
        match dependent {
            Some(position) => {
                kept.remove(position);
            }
            None => return kept,
        }
    }
}

/// The submatrix of a column-major `k x k` matrix at the given rows and columns.
pub(crate) fn submatrix(matrix: &[f64], k: usize, keep: &[usize]) -> Vec<f64> {
    keep.iter()
        .flat_map(|column| keep.iter().map(move |row| matrix[column * k + row]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4 x 3, column-major.
    const X: [f64; 12] = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 5.0, 2.0, -1.0, 0.5, 3.0];

    fn plain_gram(x: &[f64], n: usize, k: usize) -> Vec<f64> {
        let mut gram = vec![0.0; k * k];
        for i in 0..k {
            for j in 0..k {
                gram[j * k + i] = (0..n).map(|r| x[i * n + r] * x[j * n + r]).sum();
            }
        }
        gram
    }

    #[test]
    fn gram_adds_to_what_is_there() {
        let mut gram = vec![0.0; 9];
        gram_add(&mut gram, &X, 4, 3);
        gram_add(&mut gram, &X, 4, 3);
        mirror_lower(&mut gram, 3);
        for (a, b) in gram.iter().zip(plain_gram(&X, 4, 3)) {
            assert!((a - 2.0 * b).abs() < 1e-12);
        }
    }

    #[test]
    fn qr_factor_squares_to_the_gram() {
        let r = qr_factor(&X, 4, 3);
        let gram = plain_gram(&r, 3, 3);
        for (a, b) in gram.iter().zip(plain_gram(&X, 4, 3)) {
            assert!((a - b).abs() < 1e-12);
        }
        assert_eq!(
            qr_factor(&[3.0, 4.0], 1, 2).len(),
            4,
            "fewer rows than columns"
        );
    }

    #[test]
    fn solvers_invert() {
        let gram = plain_gram(&X, 4, 3);
        let r = qr_factor(&X, 4, 3);
        let inverse = inverse_of_normal(&r, 3);
        let mut rhs = vec![1.0, 2.0, 3.0];
        Cholesky::new(&gram, 3).unwrap().solve(&mut rhs);
        for row in 0..3 {
            let expected: f64 = (0..3).map(|j| inverse[j * 3 + row] * (j + 1) as f64).sum();
            assert!((rhs[row] - expected).abs() < 1e-12);
        }
        assert!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
        let mut b = vec![1.0, 2.0, 3.0];
        solve_upper_transposed(&r, 3, &mut b);
        solve_upper(&r, 3, &mut b);
        for (a, b) in b.iter().zip(&rhs) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn dividing_by_the_factor_leaves_orthonormal_columns() {
        let mut x = X.to_vec();
        divide_columns(&mut x, 4, &qr_factor(&X, 4, 3), 3);
        let gram = plain_gram(&x, 4, 3);
        for (place, value) in gram.iter().enumerate() {
            let expected = if place % 4 == 0 { 1.0 } else { 0.0 };
            assert!((value - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn dependent_columns_are_found_in_order() {
        // Third column is the sum of the first two; the fourth is new.
        let mut x = X[..8].to_vec();
        let sum: Vec<f64> = (0..4).map(|row| x[row] + x[4 + row]).collect();
        x.extend(sum);
        x.extend([0.0, 0.0, 1.0, 0.0]);
        let r = qr_factor(&x, 4, 4);
        assert_eq!(independent_columns(&r, 4, 1e-12), [0, 1, 3]);
        assert!(reciprocal_condition(&r, 4) < 1e-14);
    }
}
