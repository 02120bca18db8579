//! What trainings of all kinds share: the loss of a density with scores, progress, names.

use std::ops::ControlFlow;

use autodiff::tensor::{Tape, Var};
use burn::tensor::{Device, Int, Tensor, TensorData};
use flows::training::{Objective, TrainingProgress};
use flows::{Flow, Score};
use rand_chacha::ChaCha8Rng;

use crate::study::Workspace;

/// Rows `[row][column]` as a tensor.
pub fn table(values: &[f64], columns: usize, device: &Device) -> Tensor<2> {
    let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    Tensor::from_data(TensorData::new(single, [values.len() / columns, columns]), device)
}

/// Some rows of a table.
pub fn pick(table: &Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let indices: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let indices = Tensor::<1, Int>::from_ints(indices.as_slice(), &table.device());
    table.clone().select(0, indices)
}

/// The loss of a density given one context: `-mean ln q + w mean |grad ln q - s|^2`, the gradient in
/// the units of the data, as published.
pub struct DensityObjective {
    /// Draws in the standard units of the flow.
    pub draws: Tensor<2>,
    /// The context of all, `[1, context]`.
    pub context: Tensor<2>,
    /// Their scores in the units of the data.
    pub scores: Tensor<2>,
    /// `w`.
    pub weight: f64,
}

impl Objective for DensityObjective {
    type Model = Flow;

    fn rows(&self) -> usize {
        self.draws.dims()[0]
    }

    fn contains_derivatives(&self) -> bool {
        self.weight != 0.0
    }

    fn loss(
        &self,
        flow: &Flow,
        rows: &[usize],
        tape: &Tape,
        _rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let draws = pick(&self.draws, rows);
        let context = self.context.clone().repeat_dim(0, rows.len());
        if self.weight == 0.0 {
            return Ok(-flow.log_density(&tape.input(draws), &tape.input(context)).mean());
        }
        let (log_prob, score) = flow.log_prob_and_score(draws, context, Score::Target);
        let difference = score - pick(&self.scores, rows);
        let penalty = difference.square().sum() * (self.weight / rows.len() as f64);
        Ok(Var::constant((penalty - log_prob.mean()).reshape([1, 1])))
    }
}

/// Shows the steps of a training in the bar of its stage.
pub fn observer<'a>(
    workspace: &'a Workspace<'_>,
) -> impl FnMut(&TrainingProgress) -> ControlFlow<()> + 'a {
    let mut last = None;
    move |progress| {
        match last {
            // The first step after an interruption is not the first of the training.
            None if progress.step > 1 => workspace.resume(progress.step),
            _ => workspace.advance(1),
        }
        last = Some(progress.step);
        ControlFlow::Continue(())
    }
}
