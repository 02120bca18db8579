//! One suite of properties for all families of flows.

mod support;

use autodiff::tensor::{Tape, Var, WeightGradients};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use flows::{
    Base, Bijector, Error, Flow, FlowConfig, InitialWeights, NetworkInputs, Score, Standardiser,
    Transform,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use support::{families, features, flow, numbers, tensor, wave};

#[test]
fn sampling_undoes_evaluation() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        let (rows, context) = (40, tensor(&wave(80, 0.2, 1.0), 2));
        let x = tensor(&wave(rows * 3, 0.0, 2.5), 3);
        let context = Var::constant(context);
        let (z, forward) = flow.forward_and_log_det(&Var::constant(x.clone()), &context);
        let (back, inverse) = flow.inverse_and_log_det(&z, &context).unwrap();
        for (found, expected) in numbers(back.into_value()).iter().zip(numbers(x)) {
            assert!(
                (found - expected).abs() < 2e-4 * (1.0 + expected.abs()),
                "{name}: {found} {expected}"
            );
        }
        for (f, i) in numbers(forward.into_value()).iter().zip(numbers(inverse.into_value())) {
            assert!((f + i).abs() < 2e-3 * (1.0 + f.abs()), "{name}: log determinants {f} and {i}");
        }
    }
}

#[test]
fn the_log_determinant_is_that_of_the_jacobian() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        let rows = 6;
        let context = Var::constant(tensor(&wave(rows * 2, 0.2, 1.0), 2));
        let tape = Tape::new();
        let x = tape.input(tensor(&wave(rows * 3, 0.0, 2.5), 3));
        let (z, log_det) = flow.forward_and_log_det(&x, &context);
        let jacobian: Vec<Vec<f64>> =
            (0..3).map(|i| numbers(tape.gradient(&z.columns(i..i + 1), &[&x]).remove(0))).collect();
        for (row, found) in numbers(log_det.into_value()).iter().enumerate() {
            let j = |i: usize, k: usize| jacobian[i][row * 3 + k];
            let determinant = j(0, 0) * (j(1, 1) * j(2, 2) - j(1, 2) * j(2, 1))
                - j(0, 1) * (j(1, 0) * j(2, 2) - j(1, 2) * j(2, 0))
                + j(0, 2) * (j(1, 0) * j(2, 1) - j(1, 1) * j(2, 0));
            let expected = determinant.abs().ln();
            assert!(
                (found - expected).abs() < 1e-3 * (1.0 + expected.abs()),
                "{name}: {found} {expected}"
            );
        }
    }
}

/// Cells of a midpoint rule over feature `feature` that hold the mass of its density: the box of a
/// uniform base, whose edges are jumps, or many units.
fn cells(flow: &Flow, feature: usize, count: usize) -> (Vec<f64>, f64) {
    let (centre, unit) = (flow.target().shift()[feature], flow.target().scale()[feature]);
    let reach = match (flow.config().base, flow.config().bijector.bound()) {
        (Base::Uniform, Some(bound)) => bound * unit,
        _ => 14.0 + 20.0 * unit,
    };
    let step = 2.0 * reach / count as f64;
    ((0..count).map(|i| centre - reach + (i as f64 + 0.5) * step).collect(), step)
}

#[test]
fn densities_integrate_to_one() {
    for (name, config) in families(1, 1) {
        let flow = flow(&config);
        let (x, step) = cells(&flow, 0, 4000);
        let total: f64 = flow.log_prob_of(&x, &[0.4]).unwrap().iter().map(|v| v.exp()).sum();
        assert!((total * step - 1.0).abs() < 1e-4, "{name} in 1-d: {}", total * step);
    }
    for (name, config) in families(2, 1) {
        let flow = flow(&config);
        let ((a, first), (b, second)) = (cells(&flow, 0, 700), cells(&flow, 1, 700));
        let x: Vec<f64> = a.iter().flat_map(|a| b.iter().flat_map(|b| [*a, *b])).collect();
        let total: f64 = flow.log_prob_of(&x, &[0.4]).unwrap().iter().map(|v| v.exp()).sum();
        let total = total * first * second;
        assert!((total - 1.0).abs() < 2e-3, "{name} in 2-d: {total}");
    }
}

#[test]
fn scores_equal_differences() {
    for (name, config) in families(2, 2) {
        let flow = flow(&config);
        let (x, context) = (features(&flow, 12), wave(24, 1.0, 1.5));
        for of in [Score::Target, Score::Context] {
            let encoded = (flow.encode_target(&x).unwrap(), flow.encode_context(&context).unwrap());
            let (log_prob, score) = flow.log_prob_and_score(encoded.0, encoded.1, of);
            let (log_prob, score) = (numbers(log_prob), numbers(score));
            let plain = flow.log_prob_of(&x, &context).unwrap();
            assert!(plain.iter().zip(&log_prob).all(|(a, b)| (a - b).abs() < 1e-4), "{name}");
            // splines may have a knot within the step: most, not all, numbers are compared
            let mut off = 0;
            for i in 0..score.len() {
                let h = 2e-2;
                let at = |by: f64| {
                    let (mut x, mut context) = (x.clone(), context.clone());
                    match of {
                        Score::Target => x[i] += by,
                        Score::Context => context[i] += by,
                    }
                    flow.log_prob_of(&x, &context).unwrap()[i / 2]
                };
                // fourth-order difference: single precision allows no small step
                let expected = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                if (score[i] - expected).abs() > 5e-3 * (1.0 + expected.abs()) {
                    off += 1;
                }
            }
            let allowed = if name.contains("spline") { 4 } else { 0 };
            assert!(off <= allowed, "{name} {of:?}: {off} of {} scores differ", score.len());
        }
    }
}

struct Gradients<'a> {
    gradients: &'a burn::tensor::Gradients,
    count: usize,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).expect("every tensor has a gradient");
        let largest = gradient.abs().max().into_scalar::<f32>();
        assert!(largest.is_finite() && largest > 0.0, "gradient {largest}");
        self.count += 1;
    }
}

#[test]
fn every_weight_receives_a_gradient() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config).train();
        let losses: [fn(Tensor<2>, Tensor<2>) -> Tensor<1>; 2] =
            [|log_prob, _| log_prob.mean(), |_, score| score.square().mean()];
        for loss in losses {
            let x = tensor(&wave(60, 0.0, 1.5), 3);
            let context = tensor(&wave(40, 0.2, 1.0), 2);
            let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
            let gradients = loss(log_prob, score).backward();
            let mut visitor = Gradients { gradients: &gradients, count: 0 };
            flow.visit(&mut visitor);
            assert_eq!(visitor.count, 3 * 3 * 2, "{name}");
        }
    }
}

/// Compares the gradients of a tape with those of burn.
struct Compare<'a> {
    name: &'static str,
    by_burn: &'a burn::tensor::Gradients,
    by_tape: &'a WeightGradients,
    count: usize,
}

impl ModuleVisitor for Compare<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let expected = param.val().grad(self.by_burn).expect("every tensor has a gradient");
        let found = self.by_tape.of(param).expect("on the tape, too");
        assert_eq!(found.dims(), expected.dims());
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        let off = (found - expected).abs().max().into_scalar::<f32>();
        assert!(off <= 1e-5 * (1.0 + largest), "{}: {off} of {largest}", self.name);
        self.count += 1;
    }
}

#[test]
fn a_tape_finds_the_gradients_that_burn_finds() {
    let mut cases = families(3, 2);
    cases.extend(families(2, 0));
    cases.extend(families(1, 0));
    for (name, config) in cases {
        let plain = flow(&config);
        let (x, context) = (
            tensor(&wave(30 * config.features, 0.0, 1.5), config.features),
            match config.context {
                0 => plain.no_context(30),
                columns => tensor(&wave(30 * columns, 0.2, 1.0), columns),
            },
        );
        let weight = Var::constant(tensor(&wave(30, 1.0, 2.0), 1));
        let tracked = plain.clone().train();
        let constants = (Var::constant(x.clone()), Var::constant(context.clone()));
        let loss = (tracked.log_density(&constants.0, &constants.1) * &weight).mean();
        let by_burn = loss.into_value().backward();
        let tape = Tape::of_weights();
        let loss = (plain.log_density(&tape.input(x), &tape.input(context)) * &weight).mean();
        let by_tape = tape.weight_gradients(&loss);
        let mut compare = Compare { name, by_burn: &by_burn, by_tape: &by_tape, count: 0 };
        tracked.visit(&mut compare);
        assert_eq!(compare.count, 3 * 3 * 2, "{name}");
    }
}

#[test]
fn stored_flows_are_the_same_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        let path = folder.path().join("flow.safetensors");
        flow.save(&path).unwrap();
        let loaded = Flow::load(&path, &Device::flex()).unwrap();
        let (x, context) = (wave(60, 0.0, 1.5), wave(40, 0.2, 1.0));
        assert_eq!(
            flow.log_prob_of(&x, &context).unwrap(),
            loaded.log_prob_of(&x, &context).unwrap(),
            "{name}"
        );
        let draw =
            |flow: &Flow| flow.samples(&[2.0, 1.0], 50, &mut ChaCha8Rng::seed_from_u64(5)).unwrap();
        assert_eq!(draw(&flow), draw(&loaded), "{name}");
    }
}

/// Moments of draws against those of the density by quadrature.
#[test]
fn draws_follow_the_density() {
    for (name, config) in families(1, 1) {
        let flow = flow(&config);
        let n = 40_000;
        let draws = flow.samples(&[0.4], n, &mut ChaCha8Rng::seed_from_u64(2)).unwrap();
        let (x, step) = cells(&flow, 0, 20_000);
        let density = flow.log_prob_of(&x, &[0.4]).unwrap();
        for power in [1, 2] {
            let moment = |power: i32| -> f64 {
                x.iter().zip(&density).map(|(x, p)| x.powi(power) * p.exp() * step).sum()
            };
            let found = draws.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
            let expected = moment(power);
            let error = ((moment(2 * power) - expected * expected) / n as f64).sqrt();
            assert!(
                (found - expected).abs() < 4.5 * error,
                "{name}: {found} {expected} +- {error}"
            );
        }
    }
}

/// With weights near the identity a new flow is close to its base, with those of LeCun less so.
#[test]
fn initial_weights_decide_how_close_a_new_flow_is_to_its_base() {
    let departure = |initial: InitialWeights| {
        let config = FlowConfig { initial, ..FlowConfig::affine(2, 0) };
        let units = Standardiser::identity;
        let flow = config.init(units(2), units(0), 3, &Device::flex()).unwrap();
        let x = wave(80, 0.3, 1.5);
        let found = flow.log_prob_of(&x, &[]).unwrap();
        let base = x
            .chunks(2)
            .map(|x| -0.5 * (x[0] * x[0] + x[1] * x[1]) - (2.0 * std::f64::consts::PI).ln());
        found.iter().zip(base).map(|(found, base)| (found - base).abs()).sum::<f64>() / 40.0
    };
    let near = departure(InitialWeights::NearIdentity);
    let lecun = departure(InitialWeights::LecunNormal);
    assert!(near < 0.1 && lecun > 2.0 * near, "{near} and {lecun} nat");
}

/// Networks that see the unit interval see the edges of the interval as 0 and 1, whatever its width:
/// flows of the same weights move features by the same shares of the widths, given a context that is
/// the same, or the same share of the width where it is mapped, too.
#[test]
fn networks_see_the_unit_interval() {
    let moved = |inputs: NetworkInputs, bound: f64| {
        let config = FlowConfig {
            inputs,
            initial: InitialWeights::LecunNormal,
            layers: 1,
            ..FlowConfig {
                bijector: Bijector::Spline { bins: 4, bound },
                ..FlowConfig::spline(2, 1)
            }
        };
        let units = Standardiser::identity;
        let flow = config.init(units(2), units(1), 3, &Device::flex()).unwrap();
        let x = tensor(&wave(40, 0.3, 0.9 * bound), 2);
        let width = if inputs == NetworkInputs::UnitInterval { 1.0 } else { bound };
        let context = Var::constant(tensor(&wave(20, 0.8, 0.9 * width), 1));
        let (z, _) = flow.forward_and_log_det(&Var::constant(x), &context);
        numbers(z.into_value()).into_iter().map(|z| z / bound).collect::<Vec<_>>()
    };
    for inputs in [NetworkInputs::UnitInterval, NetworkInputs::UnitIntervalAndContext] {
        for (narrow, wide) in moved(inputs, 1.0).into_iter().zip(moved(inputs, 7.0)) {
            assert!((narrow - wide).abs() < 1e-5, "{inputs:?}: {narrow} and {wide}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let flow = flow(&FlowConfig::affine(2, 1));
    let error = flow.log_prob_of(&[0.0; 3], &[0.0]).unwrap_err();
    assert!(matches!(error, Error::Shape { expected: 2, .. }), "{error}");
    let error = flow.log_prob_of(&[0.0, f64::NAN], &[0.0]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 0, column: 1, .. }), "{error}");
    let error = flow.log_prob_of(&[0.0; 6], &[0.0; 2]).unwrap_err();
    assert!(error.to_string().contains("2 rows"), "{error}");
    let init = |config: FlowConfig| {
        let (target, context) =
            (Standardiser::identity(config.features), Standardiser::identity(config.context));
        config.init(target, context, 0, &Device::flex()).unwrap_err().to_string()
    };
    assert!(init(FlowConfig { base: Base::Uniform, ..FlowConfig::affine(2, 0) }).contains("base"));
    assert!(init(FlowConfig { layers: 0, ..FlowConfig::affine(2, 0) }).contains("layers"));
    assert!(init(FlowConfig { hidden: vec![0], ..FlowConfig::maf(2, 0) }).contains("hidden"));
    let inputs = NetworkInputs::UnitInterval;
    assert!(init(FlowConfig { inputs, ..FlowConfig::maf(2, 0) }).contains("inputs"));
    let bijector = Bijector::Spline { bins: 1, bound: 3.0 };
    assert!(init(FlowConfig { bijector, ..FlowConfig::spline(2, 0) }).contains("bins"));
}
