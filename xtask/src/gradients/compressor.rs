//! Summaries of counts, learnt by variational mutual information maximisation (VMIM).
//!
//! A network `s(x)` and a flow `q(theta | s)` are trained together by
//! `min -mean ln q(theta | s(x))`, a bound on the mutual information of parameters and summaries.
//! The flow is dropped; the network is kept as it is.
//!
//! # References
//! N. Jeffrey, J. Alsing and F. Lanusse, "Likelihood-free inference with neural compression of DES
//! SV weak lensing map statistics", MNRAS 501 (2021) 954, arXiv:2009.08459.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use autodiff::tensor::{Tape, Var};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use flows::training::{CurvePoint, Objective, train};
use flows::{
    Activation, Flow, Mlp, MlpConfig, Scaling, Standardiser, WeightFile, load_weights,
    named_weights,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sbi::prior::Prior;
use sbi::simulations::{Policy, Simulations, simulate};
use sbi::tasks::{LotkaVolterra, Task};
use serde::{Deserialize, Serialize};

use super::profile::{CompressorProfile, Input, Populations};
use super::training::{observer, pick, table};
use crate::files::{read_json, write_json};
use crate::study::{Workspace, derive_seed};

/// Name of the file of weights.
const WEIGHTS: &str = "compressor.safetensors";
/// Name of the file of the learning curve.
const CURVE: &str = "compressor.json";
/// Kind and schema of the file of weights.
const KIND: (&str, u32) = ("compressor", 1);

/// Everything about a compressor but its weights.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    network: MlpConfig,
    input: Input,
    /// Units of the network's inputs.
    units: Standardiser,
}

/// A trained compressor.
pub struct Compressor {
    header: Header,
    network: Mlp,
    device: Device,
}

/// How the training went.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CompressorReport {
    /// Learning curve of the mean negative log density of the normal coordinates.
    pub curve: Vec<CurvePoint>,
    /// Index in it of the weights that were kept.
    pub best: usize,
    /// Simulations it learnt from.
    pub simulations: usize,
}

/// What is trained.
#[derive(Module, Debug)]
struct Vmim {
    network: Mlp,
    flow: Flow,
}

/// Parameters and inputs of the network, row by row.
struct VmimObjective {
    theta: Tensor<2>,
    x: Tensor<2>,
}

impl Objective for VmimObjective {
    type Model = Vmim;

    fn rows(&self) -> usize {
        self.x.dims()[0]
    }

    fn loss(
        &self,
        model: &Vmim,
        rows: &[usize],
        tape: &Tape,
        _rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let summaries = model.network.forward(&tape.input(pick(&self.x, rows)));
        let theta = tape.input(pick(&self.theta, rows));
        Ok(-model.flow.log_density(&theta, &summaries).mean())
    }
}

/// Simulates `count` pairs from the prior.
///
/// # Errors
/// If a simulation fails.
pub fn simulations(task: &LotkaVolterra, count: usize, seed: u64) -> Result<Simulations> {
    let going_on = |_| ControlFlow::Continue(());
    let (prior, policy) = (task.prior(), Policy::default());
    Ok(simulate(task, prior, 0..count as u64, seed, policy, &going_on)?)
}

/// Normal coordinates of the parameters of all simulations, `[row][parameter]`.
fn normal_coordinates(set: &Simulations, prior: &Prior) -> Vec<f64> {
    set.theta().rows().into_iter().flat_map(|row| prior.to_normal(&row.to_vec())).collect()
}

/// Trains the compressor of a problem and stores it.
///
/// # Errors
/// If a simulation or the training fails, or the folder cannot be written.
pub fn make_compressor(
    populations: Populations,
    profile: &CompressorProfile,
    seed: u64,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let task = LotkaVolterra::new(populations.start());
    let purpose = |what: &str| derive_seed(seed, &format!("{}-compressor-{what}", task.name()));
    let set = simulations(&task, profile.simulations, purpose("simulations"))?;
    let inputs: Vec<f64> = set.x().iter().map(|count| profile.input.of(*count)).collect();
    let units = match profile.input {
        Input::Thousands => Standardiser::identity(set.observables()),
        Input::Logarithms => Standardiser::fit(
            "inputs of the compressor",
            &inputs,
            set.observables(),
            Scaling::Robust,
        )?,
    };
    let network = MlpConfig {
        inputs: set.observables(),
        hidden: profile.hidden.clone(),
        outputs: profile.summaries,
        activation: Activation::Silu,
    };
    let training =
        flows::training::TrainingSettings { seed: purpose("training"), ..profile.training.clone() };
    let dim = set.parameters();
    let config = profile.flow.config(dim, profile.summaries);
    let (target, context) =
        (Standardiser::identity(dim), Standardiser::identity(profile.summaries));
    let mut rng = ChaCha8Rng::seed_from_u64(purpose("weights"));
    let model = Vmim {
        network: network.init(1.0, &mut rng, device),
        flow: config.init(target, context, training.seed, device)?,
    };
    let encoded: Vec<f64> =
        units.encode("inputs of the compressor", &inputs)?.into_iter().map(f64::from).collect();
    let objective = VmimObjective {
        theta: table(&normal_coordinates(&set, task.prior()), dim, device),
        x: table(&encoded, set.observables(), device),
    };
    let checkpoint = workspace.checkpoint("training.safetensors");
    let trained = train(&objective, model, &training, Some(&checkpoint), &mut observer(workspace))?;
    let header = Header { network, input: profile.input, units };
    let weights = named_weights(&trained.model.network)?;
    WeightFile { header, weights }.write(&workspace.path(WEIGHTS), KIND.0, KIND.1)?;
    let report = CompressorReport {
        curve: trained.report.curve,
        best: trained.report.best,
        simulations: profile.simulations,
    };
    write_json(&workspace.path(CURVE), &report)
}

impl Compressor {
    /// Reads the compressor that [`make_compressor`] left in a folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(folder: &Path, device: &Device) -> Result<Self> {
        let path = folder.join(WEIGHTS);
        let WeightFile { header, weights } = WeightFile::<Header>::read(&path, KIND.0, KIND.1)?;
        // Replaced at once: the seed has no effect.
        let network = header.network.init(1.0, &mut ChaCha8Rng::seed_from_u64(0), device);
        let network =
            load_weights(network, &weights).with_context(|| path.display().to_string())?;
        Ok(Self { header, network, device: device.clone() })
    }

    /// Number of summaries.
    pub fn summaries(&self) -> usize {
        self.header.network.outputs
    }

    /// Summaries `[row][summary]` of counts `[row][count]`.
    ///
    /// # Errors
    /// If a row is incomplete, a number is not finite, or the device fails.
    pub fn compress(&self, counts: &[f64]) -> Result<Vec<f64>> {
        let Header { input, units, network } = &self.header;
        let inputs: Vec<f64> = counts.iter().map(|count| input.of(*count)).collect();
        let inputs: Vec<f64> =
            units.encode("inputs of the compressor", &inputs)?.into_iter().map(f64::from).collect();
        let x = Var::constant(table(&inputs, network.inputs, &self.device));
        let summaries = self.network.forward(&x).into_value();
        let values = summaries
            .try_into_vec_as::<f32>()
            .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
        Ok(values.into_iter().map(f64::from).collect())
    }
}

impl CompressorReport {
    /// Reads the report that [`make_compressor`] left in a folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        read_json(&folder.join(CURVE))
    }
}
