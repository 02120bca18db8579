//! The factor and what is made of it, against LAPACK and by definition.

use linalg::{Cholesky, Error};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    size: usize,
    lower: Vec<f64>,
    inverse: Vec<f64>,
    solution: Vec<f64>,
    whitened: Vec<f64>,
    ln_det: f64,
}

/// The matrices of the reference, `[size][size]`.
fn slowly_decaying(size: usize) -> Vec<f64> {
    let element = |i: usize, j: usize| {
        1.0 / (1.0 + i.abs_diff(j) as f64) + if i == j { i as f64 / 4.0 } else { 0.0 }
    };
    (0..size * size).map(|at| element(at / size, at % size)).collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0, |scale: f64, x| scale.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 3e-15 * scale, "{what}: {found} {expected}");
    }
}

#[test]
fn all_results_are_those_of_lapack() {
    let text = include_str!("reference/cholesky.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    for case in reference.cases {
        let factor = Cholesky::new(&slowly_decaying(case.size), case.size, 0.0).unwrap();
        let right: Vec<f64> = (0..case.size).map(|i| (i % 3) as f64 - 1.0).collect();
        // several rows at once, which do not know of each other
        let mut rows = [right.clone(), vec![0.0; case.size], right].concat();
        let whitened = factor.whitened(rows.clone()).unwrap();
        factor.solve(&mut rows).unwrap();
        for first in [0, 2 * case.size] {
            let row = first..first + case.size;
            assert_close("solution", &rows[row.clone()], &case.solution);
            assert_close("whitened", &whitened[row], &case.whitened);
        }
        assert_eq!(factor.size(), case.size);
        assert_close("factor", &factor.lower(), &case.lower);
        assert_close("inverse", &factor.inverse().unwrap(), &case.inverse);
        assert!((factor.ln_det() - case.ln_det).abs() < 1e-14 * (1.0 + case.ln_det.abs()));
    }
}

#[test]
fn the_inverse_of_a_hilbert_matrix_is_made_of_integers() {
    let hilbert: Vec<f64> = (0..16).map(|at| 1.0 / (at / 4 + at % 4 + 1) as f64).collect();
    let inverse = Cholesky::new(&hilbert, 4, 1e-14).unwrap().inverse().unwrap();
    let exact = [16, -120, 240, -140, -120, 1200, -2700, 1680, 240, -2700, 6480, -4200, -140];
    for (found, exact) in inverse.iter().zip(exact) {
        // its condition number is 1.6e4
        assert!((found - f64::from(exact)).abs() < 1e-8, "{found} {exact}");
    }
}

#[test]
fn only_the_lower_half_is_read() {
    let factor = Cholesky::new(&[4.0, f64::NAN, 2.0, 3.0], 2, 0.0).unwrap();
    assert_eq!(factor.lower(), [2.0, 0.0, 1.0, 2f64.sqrt()]);
}

#[test]
fn no_numbers_are_a_matrix_without_rows() {
    let factor = Cholesky::new(&[], 0, 0.0).unwrap();
    assert_eq!((factor.size(), factor.ln_det().abs()), (0, 0.0));
    factor.solve(&mut []).unwrap();
    assert!(factor.lower().is_empty() && factor.inverse().unwrap().is_empty());
    assert!(factor.whitened(Vec::new()).unwrap().is_empty());
    assert_eq!(factor.solve(&mut [1.0]), Err(Error::Length { expected: 0, found: 1 }));
}

#[test]
fn a_matrix_without_a_factor_is_refused_with_its_pivot() {
    let refused = |matrix: &[f64], size, tolerance| match Cholesky::new(matrix, size, tolerance) {
        Err(Error::NotPositiveDefinite { size: found, row, pivot }) => {
            assert_eq!(found, size);
            (row, pivot)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[1.0, 2.0, 2.0, 1.0], 2, 0.0), (1, -3.0));
    assert_eq!(refused(&[1.0, 1.0, 1.0, 1.0], 2, 0.0), (1, 0.0));
    assert_eq!(refused(&[-1.0], 1, 0.0), (0, -1.0));
    assert_eq!(refused(&[f64::INFINITY], 1, 0.0), (0, f64::INFINITY));
    let (row, pivot) = refused(&[1.0, 0.0, 0.0, f64::NAN], 2, 0.0);
    assert!(row == 1 && pivot.is_nan());
    let (row, pivot) = refused(&[1.0, 0.0, f64::NAN, 1.0], 2, 0.0);
    assert!(row == 1 && pivot.is_nan());
    // the first row that falls short of the tolerance, although only the next one stops LAPACK
    let nearly = [1.0, 1.0, 0.0, 1.0, 1.0 + 1e-13, 0.0, 0.0, 0.0, -1.0];
    let (row, pivot) = refused(&nearly, 3, 1e-12);
    assert!(row == 1 && (pivot - 1e-13).abs() < 1e-15, "{row} {pivot}");
    assert_eq!(refused(&nearly, 3, 0.0), (2, -1.0));
}

#[test]
fn wrong_lengths_are_refused() {
    let length = |expected, found| Some(Error::Length { expected, found });
    for found in [0, 3, 5] {
        assert_eq!(Cholesky::new(&vec![1.0; found], 2, 0.0).err(), length(4, found));
    }
    let factor = Cholesky::new(&[2.0, 0.0, 0.0, 2.0], 2, 0.0).unwrap();
    assert_eq!(factor.solve(&mut [1.0; 3]).err(), length(4, 3));
    assert_eq!(factor.whitened(vec![1.0; 5]).err(), length(6, 5));
    assert!(Cholesky::new(&[1.0], usize::MAX, 0.0).is_err());
}

proptest! {
    #[test]
    fn definitions_hold_for_random_matrices(
        (size, numbers) in (1usize..15).prop_flat_map(|size| {
            (Just(size), prop::collection::vec(-1.0f64..1.0, size * size + size))
        })
    ) {
        let (square, right) = numbers.split_at(size * size);
        let element = |i: usize, j: usize| -> f64 {
            let rows = square[i * size..(i + 1) * size].iter();
            rows.zip(&square[j * size..]).map(|(a, b)| a * b).sum::<f64>()
                + if i == j { 0.5 } else { 0.0 }
        };
        let matrix: Vec<f64> = (0..size * size).map(|at| element(at / size, at % size)).collect();
        let factor = Cholesky::new(&matrix, size, 0.0).unwrap();
        let (lower, inverse) = (factor.lower(), factor.inverse().unwrap());
        let mut solution = right.to_vec();
        factor.solve(&mut solution).unwrap();
        let whitened = factor.whitened(right.to_vec()).unwrap();
        for i in 0..size {
            let row = |of: &[f64], by: &dyn Fn(usize) -> f64| -> f64 {
                (0..size).map(|k| of[i * size + k] * by(k)).sum()
            };
            prop_assert!((row(&matrix, &|k| solution[k]) - right[i]).abs() < 1e-11);
            prop_assert!((row(&lower, &|k| whitened[k]) - right[i]).abs() < 1e-12);
            for j in 0..size {
                let again = row(&lower, &|k| lower[j * size + k]);
                prop_assert!((again - matrix[i * size + j]).abs() < 1e-13);
                let unit = row(&matrix, &|k| inverse[k * size + j]);
                prop_assert!((unit - f64::from(i == j)).abs() < 1e-11);
                prop_assert!(j <= i || lower[i * size + j] == 0.0);
            }
        }
        let distance: f64 = whitened.iter().map(|x| x * x).sum();
        let same: f64 = solution.iter().zip(right).map(|(x, b)| x * b).sum();
        prop_assert!((distance - same).abs() < 1e-11);
    }
}
