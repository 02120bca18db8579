//! Gradient against central differences, training against scikit-learn.

use serde::Deserialize;

use super::*;

/// Weights 0.3 sin(1 + i + layer) row by row, biases 0.1 cos(i).
fn given<T: Float>(inputs: usize, hidden: usize) -> Classifier<T> {
    let sizes = [inputs * hidden, hidden, hidden * hidden, hidden, hidden, 1];
    let mut numbers = sizes.into_iter().enumerate().flat_map(|(part, count)| {
        (0..count).map(move |i| {
            let i = i as f64;
            if part % 2 == 0 { 0.3 * (1.0 + (part / 2) as f64 + i).sin() } else { 0.1 * i.cos() }
        })
    });
    Classifier::new(Shape::new(inputs, hidden), |_| numbers.next().unwrap())
}

/// The generator and the Box-Muller transform of `make_c2st.py`.
fn normals(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            radius * (2.0 * std::f64::consts::PI * uniform()).cos()
        })
        .collect()
}

/// The training set of `make_c2st.py`.
fn training_set() -> (Vec<f64>, Vec<f64>) {
    let (half, dimension) = (225, 3);
    let first = normals(11, half * dimension);
    let mut second = normals(12, half * dimension);
    for row in second.chunks_exact_mut(dimension) {
        row[1] = 0.5 * row[0] + 0.75_f64.sqrt() * row[1];
        row[0] += 0.8;
    }
    let mut pooled = [first.clone(), second].concat();
    for j in 0..dimension {
        let column: Vec<f64> = first.iter().skip(j).step_by(dimension).copied().collect();
        let (mean, sd) = (crate::mean(&column), crate::variance(&column).sqrt());
        for x in pooled.iter_mut().skip(j).step_by(dimension) {
            *x = (*x - mean) / sd;
        }
    }
    let order = (0..2 * half).map(|i| 7 * i % (2 * half));
    let rows = order.clone().flat_map(|i| pooled[i * dimension..(i + 1) * dimension].to_vec());
    (rows.collect(), order.map(|i| f64::from(u8::from(i >= half))).collect())
}

#[test]
fn gradient_agrees_with_central_differences() {
    let (rows, labels) = training_set();
    let mut classifier: Classifier<f64> = given(3, 20);
    let mut work = Workspace::new();
    work.rows.extend_from_slice(&rows[..3 * 37]);
    work.labels.extend_from_slice(&labels[..37]);
    let mut gradient = vec![0.0; classifier.values.len()];
    classifier.loss_and_gradient(&mut work, &mut gradient);
    let mut scratch = gradient.clone();
    let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    for (i, claimed) in gradient.iter().enumerate() {
        let value = classifier.values[i];
        if value == 0.0 {
            // A padded unit, whose weights must stay zero.
            assert_eq!(*claimed, 0.0);
            continue;
        }
        let mut loss = |x: f64| {
            classifier.values[i] = x;
            classifier.loss_and_gradient(&mut work, &mut scratch)
        };
        // Steps small enough not to cross the kink of a unit.
        let errors = [1e-5, 1e-6]
            .map(|h| ((loss(value + h) - loss(value - h)) / (2.0 * h) - claimed).abs() / largest);
        classifier.values[i] = value;
        assert!(errors[0].min(errors[1]) < 1e-7, "parameter {i}: {errors:?}");
    }
}

#[derive(Deserialize)]
struct Reference {
    training: Vec<Training>,
}

#[derive(Deserialize)]
struct Training {
    tol: f64,
    max_iter: usize,
    iterations: usize,
    loss: Vec<f64>,
}

#[test]
fn training_reproduces_scikit_learn() {
    let text = include_str!("../../tests/reference/c2st.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let (rows, labels) = training_set();
    for case in reference.training {
        let mut classifier: Classifier<f64> = given(3, 30);
        let losses = classifier.train(&rows, &labels, case.tol, case.max_iter, |_| ());
        assert_eq!(losses.len(), case.iterations);
        let single = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let rough = given::<f32>(3, 30).train(
            &single(&rows),
            &single(&labels),
            case.tol,
            case.max_iter,
            |_| (),
        );
        for (epoch, (loss, expected)) in losses.iter().zip(&case.loss).enumerate() {
            assert!((loss - expected).abs() < 1e-11, "epoch {epoch}: {loss}, not {expected}");
            let error = rough.get(epoch).map_or(0.0, |loss| (loss - expected).abs());
            assert!(error < 1e-4, "epoch {epoch}: single precision is off by {error}");
        }
    }
}
