//! Progress bars for what the library tells while it works.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sbi::{FitProgress, SampleProgress, SampleStage, simulations};

use crate::progress::Progress;

/// Shows simulations; several runs after each other have a bar each.
pub struct Simulating {
    label: String,
    /// The bar at work and the simulations shown on it.
    bar: Mutex<Option<(Progress, u64)>>,
}

impl Simulating {
    /// Nothing to show yet.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), bar: Mutex::new(None) }
    }

    /// Shows one more simulation.
    pub fn observe(&self, now: simulations::Progress) -> ControlFlow<()> {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let total = now.total as usize;
        let (progress, shown) = bar.get_or_insert_with(|| (Progress::new(&self.label, total), 0));
        let faults = now.non_finite + now.failed;
        if faults > 0 {
            progress.remark(format!("{faults} of no use"));
        }
        progress.advance(1);
        *shown += 1;
        if *shown == now.total {
            progress.finish();
            *bar = None;
        }
        ControlFlow::Continue(())
    }
}

/// Shows trainings, each on a bar of its own.
#[derive(Default)]
pub struct Training {
    bar: Mutex<TrainingBar>,
}

/// The bar of the training at work.
#[derive(Default)]
struct TrainingBar {
    /// The bar, whose training it shows, and the step shown.
    bar: Option<(Progress, usize, usize)>,
    /// Trainings begun, to tell rounds apart.
    begun: usize,
}

impl Training {
    /// Shows a step.
    pub fn observe(&self, now: &FitProgress) -> ControlFlow<()> {
        self.lock().observe(now);
        ControlFlow::Continue(())
    }

    /// The training is done.
    pub fn finish(&self) {
        self.lock().finish();
    }

    fn lock(&self) -> MutexGuard<'_, TrainingBar> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrainingBar {
    fn observe(&mut self, now: &FitProgress) {
        let FitProgress { member, members, training } = *now;
        let same =
            |(_, of, step): &(Progress, usize, usize)| *of == member && *step < training.step;
        if !self.bar.as_ref().is_some_and(same) {
            self.finish();
            self.begun += 1;
            let label = match (self.begun, members) {
                (1, 1) => "training".to_owned(),
                (count, _) => format!("training {count}"),
            };
            let progress = Progress::new(&label, training.of);
            // an earlier run has made these
            let earlier = training.step.saturating_sub(1);
            progress.skip(earlier);
            self.bar = Some((progress, member, earlier));
        }
        let Some((progress, _, shown)) = &mut self.bar else { return };
        progress.advance(training.step - *shown);
        *shown = training.step;
        if let Some(point) = training.last {
            let validation = point
                .validation
                .map_or(String::new(), |loss| format!(", validation loss {loss:.4}"));
            progress.remark(format!("at most; epoch {:.0}{validation}", point.epoch));
        }
    }

    fn finish(&mut self) {
        if let Some((progress, ..)) = self.bar.take() {
            progress.finish();
        }
    }
}

/// Shows draws or transitions.
#[derive(Default)]
pub struct Sampling {
    /// The bar at work, with what is shown on it and its end.
    bar: Option<(Progress, usize, usize)>,
}

impl Sampling {
    /// Shows how far sampling is.
    pub fn observe(&mut self, now: &SampleProgress) -> ControlFlow<()> {
        // The search for starting points takes a few seconds and does not know its end.
        if let Some(total) = now.total {
            let label = match now.stage {
                SampleStage::Chains { .. } => "chains",
                SampleStage::Direct | SampleStage::Start | SampleStage::Maximum => "draws",
            };
            let (progress, shown, _) =
                self.bar.get_or_insert_with(|| (Progress::new(label, total), 0, total));
            progress.advance(now.done.saturating_sub(*shown));
            *shown = now.done;
            if let SampleStage::Chains { batches } = now.stage {
                progress.remark(format!("{batches} batches of gradients"));
            }
        }
        ControlFlow::Continue(())
    }

    /// The last draws are made, of which nothing was heard.
    pub fn finish(self) {
        if let Some((progress, shown, total)) = self.bar {
            progress.advance(total.saturating_sub(shown));
            progress.finish();
        }
    }
}
