//! What there is to know about an inference besides its draws; written as `diagnostics.json`.

use flows::training::{TrainingEnd, TrainingReport};
use metrics::{Doubt, R_HAT_LIMIT};
use sbi::rounds::RoundReport;
use sbi::{Sampling, Warning};
use serde::Serialize;

use super::comparison::{Comparison, Moments};
use super::method::Settings;
use super::observation::Observation;
use super::steps::Spread;
use crate::report::words::plus_minus;
use crate::report::{Grade, Verdict};
use crate::runs::{CLEAR, Sign, excess, null_text};

/// Everything about an inference.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnostics {
    /// Name of the task.
    pub task: String,
    /// What is wrong or doubtful, in words.
    pub warnings: Vec<String>,
    /// How it was inferred.
    pub settings: Settings,
    /// From what.
    pub observation: Observation,
    /// Mean and standard deviation of each parameter.
    pub parameters: Vec<Moments>,
    /// Calls of the simulator.
    pub simulator_calls: u64,
    /// Those of them that gave nothing to learn from.
    pub dropped_simulations: u64,
    /// Each round of methods that have rounds.
    pub rounds: Vec<RoundReport>,
    /// The training of each network that the draws are from.
    pub training: Vec<TrainingReport>,
    /// Where the observation lies among the simulations, if there are any.
    pub deviation: Option<Deviation>,
    /// What the library finds doubtful about networks, simulations and observation.
    pub findings: Vec<Warning>,
    /// How the draws were made: leakage of direct ones, convergence and gradients of chains.
    pub sampling: Sampling,
    /// Against the reference posterior, if that was wanted and can be had.
    pub comparison: Option<Comparison>,
    /// Why there is no comparison, if one was wanted.
    pub no_reference: Option<String>,
    /// Wall time of each part in seconds.
    pub seconds: Vec<Part>,
    /// The device of the networks.
    pub device: Option<String>,
    /// The machine.
    pub machine: String,
    /// Version of the program.
    pub version: String,
}

/// How far an observation and simulations lie from the centre of the simulations.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deviation {
    /// The largest deviation of an observable, in standard units of the simulations.
    pub observation: f64,
    /// Those of simulations from the prior.
    pub simulations: Spread,
}

/// A part of the work.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Which.
    pub name: String,
    /// How long the run that finished it took, in seconds.
    pub seconds: f64,
}

/// Fractions of draws outside the prior up to which leakage is harmless, and up to which the rest
/// may still be of use.
const LEAKAGE: (f64, f64) = (0.01, 0.3);
/// Excess of the accuracy of the classifier over its null, likewise.
const EXCESS: (f64, f64) = (0.05, 0.2);
/// Offset of a mean in standard deviations of the reference, likewise.
const OFFSET: (f64, f64) = (0.2, 0.5);
/// Logarithm of the ratio of standard deviations, likewise.
const LOG_RATIO: (f64, f64) = (0.15, 0.4);

/// The grade of a number that should be small.
fn grade(value: f64, (good, doubtful): (f64, f64)) -> Grade {
    if value <= good {
        Grade::Good
    } else if value <= doubtful {
        Grade::Doubtful
    } else {
        Grade::Bad
    }
}

impl Diagnostics {
    /// Judgements of everything that can be judged, in words with their numbers.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if let Some(comparison) = &self.comparison {
            verdicts.push(classifier_verdict(comparison));
            verdicts.extend(moments_verdict(&self.parameters, &comparison.reference));
        }
        if let Some(reason) = &self.no_reference {
            verdicts.push(Verdict { grade: Grade::Doubtful, text: reason.clone() });
        }
        let exact = !self.settings.method.is_neural();
        verdicts.push(sampling_verdict(&self.sampling, exact));
        verdicts.extend(self.deviation.map(deviation_verdict));
        verdicts.extend(self.findings.iter().map(finding_verdict));
        verdicts.extend(self.training.iter().map(training_verdict));
        if self.dropped_simulations > 0 {
            let (dropped, calls) = (self.dropped_simulations, self.simulator_calls);
            verdicts.push(Verdict {
                grade: grade(dropped as f64 / calls as f64, (0.01, 0.2)),
                text: format!(
                    "{dropped} of {calls} simulations failed or were not finite and were left \
                     out: {}",
                    self.settings.method.without_failures()
                ),
            });
        }
        verdicts
    }
}

fn classifier_verdict(Comparison { draws, c2st, .. }: &Comparison) -> Verdict {
    let excess = excess(c2st);
    let grade = grade(excess.value - CLEAR * excess.error.unwrap_or(0.0), EXCESS);
    let finding = match (grade, excess.sign(CLEAR)) {
        (Grade::Good, Sign::Above) => "is close to",
        (Grade::Good, _) => "cannot be told from",
        (Grade::Doubtful, _) => "differs visibly from",
        (Grade::Bad, _) => "is far from",
    };
    let null = c2st
        .null
        .as_ref()
        .map_or(String::new(), |null| format!("; equal posteriors would give {}", null_text(null)));
    let text = format!(
        "It {finding} the reference: a classifier tells {draws} draws of each apart with an \
         accuracy (C2ST) of {}{null}",
        plus_minus(c2st.accuracy, Some(c2st.error), 3)
    );
    Verdict { grade, text }
}

/// The parameter that is worst in its mean or standard deviation.
fn moments_verdict(found: &[Moments], reference: &[Moments]) -> Option<Verdict> {
    let pairs = || found.iter().zip(reference);
    let offset = |(a, b): (&Moments, &Moments)| ((a.mean - b.mean) / b.sd).abs();
    let log_ratio = |(a, b): (&Moments, &Moments)| (a.sd / b.sd).ln();
    let mean = pairs().max_by(|a, b| offset(*a).total_cmp(&offset(*b)))?;
    let sd = pairs().max_by(|a, b| log_ratio(*a).abs().total_cmp(&log_ratio(*b).abs()))?;
    let grade = grade(offset(mean), OFFSET).max(grade(log_ratio(sd).abs(), LOG_RATIO));
    let percent = 100.0 * log_ratio(sd).exp_m1();
    let width = if percent < 0.0 { "narrower" } else { "wider" };
    let text = format!(
        "Means are off by at most {:.2} standard deviations of the reference ({}), standard \
         deviations by at most {:.0} % ({} is {width})",
        offset(mean),
        mean.0.name,
        percent.abs(),
        sd.0.name
    );
    Some(Verdict { grade, text })
}

/// `exact` for draws of the reference posterior.
fn sampling_verdict(sampling: &Sampling, exact: bool) -> Verdict {
    match sampling {
        Sampling::Direct { .. } if exact => {
            Verdict { grade: Grade::Good, text: "The draws are exact and independent".into() }
        }
        Sampling::Direct { proposed, leakage } => Verdict {
            grade: grade(*leakage, LEAKAGE),
            text: format!(
                "Leakage {:.2} %: of {proposed} independent draws so many lay outside the prior",
                100.0 * leakage
            ),
        },
        Sampling::Chains {
            chains,
            stuck,
            gradients,
            divergences,
            effective,
            effective_tails,
            r_hat,
            ..
        } => {
            let agree = *r_hat < R_HAT_LIMIT;
            let fit = Doubt::of(*r_hat, *effective, *effective_tails).is_empty();
            let stuck = match stuck.len() {
                0 => String::new(),
                count => format!(", {count} of them stuck and left out"),
            };
            let finding = if agree {
                ""
            } else {
                ": they stay in modes of their own, whose shares are those of the starting points, \
                 or mix slowly"
            };
            Verdict {
                grade: if fit { Grade::Good } else { Grade::Doubtful },
                text: format!(
                    "{chains} chains{stuck}: {effective:.0} effective draws ({effective_tails:.0} \
                     in the tails), {divergences} divergences, {gradients} gradients; R-hat at most {r_hat:.3}{finding}"
                ),
            }
        }
    }
}

fn deviation_verdict(Deviation { observation, simulations }: Deviation) -> Verdict {
    let (grade, place) = if observation <= simulations.percentile_99 {
        (Grade::Good, "is among the simulations from the prior")
    } else if observation <= simulations.largest {
        (Grade::Doubtful, "is at the edge of the simulations from the prior")
    } else {
        (Grade::Doubtful, "is outside the simulations from the prior, so that networks extrapolate")
    };
    Verdict {
        grade,
        text: format!(
            "The observation {place}: it lies at most {observation:.1} standard units from their \
             centre, 99 % of them at most {:.1}",
            simulations.percentile_99
        ),
    }
}

fn finding_verdict(finding: &Warning) -> Verdict {
    let grade = match finding {
        Warning::Contradiction { .. } | Warning::OutsideBox { .. } => Grade::Bad,
        _ => Grade::Doubtful,
    };
    let words = finding.to_string();
    let mut letters = words.chars();
    let first = letters.next().map_or(String::new(), |first| first.to_uppercase().to_string());
    Verdict { grade, text: first + letters.as_str() }
}

fn training_verdict(report: &TrainingReport) -> Verdict {
    let best = report.best_point();
    let loss = best.validation.map_or(String::new(), |loss| format!(", validation loss {loss:.4}"));
    let (grade, end) = match report.end {
        TrainingEnd::Converged => (Grade::Good, "Training converged"),
        TrainingEnd::AllSteps => {
            (Grade::Doubtful, "Training used all its steps, and more might improve it")
        }
    };
    Verdict {
        grade,
        text: format!(
            "{end}: weights of step {} (epoch {:.0}) kept{loss}, with {} simulations for training \
             and {} for validation",
            best.step, best.epoch, report.training_rows, report.validation_rows
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{C2st, C2stNull};

    fn comparison(accuracy: f64) -> Comparison {
        let null = C2stNull { mean: 0.5, sd: 0.01, accuracies: vec![0.49, 0.51] };
        let c2st = C2st {
            accuracy,
            error: 0.01,
            repetition_error: 0.0,
            sampling_error: 0.01,
            accuracies: vec![accuracy],
            null: Some(null),
            fixed: Vec::new(),
        };
        Comparison { draws: 100, c2st, reference: Vec::new() }
    }

    #[test]
    fn words_follow_the_numbers() {
        for (accuracy, expected, words) in [
            (0.50, Grade::Good, "cannot be told from"),
            (0.55, Grade::Good, "is close to"),
            (0.65, Grade::Doubtful, "differs visibly from"),
            (0.95, Grade::Bad, "is far from"),
        ] {
            let verdict = classifier_verdict(&comparison(accuracy));
            assert_eq!(verdict.grade, expected, "{accuracy}");
            assert!(verdict.text.contains(words), "{}", verdict.text);
        }
    }

    /// Whatever the accuracy is, the words of the classifier test are those of its badge.
    #[test]
    fn words_agree_with_the_badge_at_every_accuracy() {
        for accuracy in (0..=1000).map(|k| 1e-3 * f64::from(k)) {
            let verdict = classifier_verdict(&comparison(accuracy));
            let words = match verdict.grade {
                Grade::Good => ["cannot be told from", "is close to"].as_slice(),
                Grade::Doubtful => &["differs visibly from"],
                Grade::Bad => &["is far from"],
            };
            assert!(words.iter().any(|words| verdict.text.contains(words)), "{}", verdict.text);
            // The error is that of the accuracy with that of the mean of two null accuracies.
            let limit = 0.5 + EXCESS.1 + CLEAR * 0.01f64.hypot(0.01 / 2f64.sqrt());
            assert_eq!(verdict.grade == Grade::Bad, accuracy > limit, "{accuracy}");
        }
    }

    #[test]
    fn an_observation_is_judged_by_the_simulations() {
        let simulations = Spread { percentile_99: 30.0, largest: 50.0 };
        for (observation, expected, words) in [
            (29.0, Grade::Good, "is among"),
            (31.0, Grade::Doubtful, "at the edge"),
            (51.0, Grade::Doubtful, "extrapolate"),
        ] {
            let verdict = deviation_verdict(Deviation { observation, simulations });
            assert_eq!(verdict.grade, expected);
            assert!(verdict.text.contains(words), "{}", verdict.text);
        }
    }

    #[test]
    fn what_the_library_finds_doubtful_is_a_verdict() {
        let (observable, value) = (3, 7.5);
        let contradiction = Warning::Contradiction { observable, value, expected: 0.0, others: 0 };
        let outside = Warning::OutsideSimulations { observable, value, least: 0.0, most: 5.0 };
        for (finding, expected) in [(contradiction, Grade::Bad), (outside, Grade::Doubtful)] {
            let verdict = finding_verdict(&finding);
            assert_eq!(verdict.grade, expected);
            let words = "Observable 3 is 7.5 in the observation";
            assert!(verdict.text.starts_with(words), "{}", verdict.text);
        }
    }

    #[test]
    fn the_worst_parameter_is_named() {
        let moments = |name: &str, mean, sd| Moments { name: name.into(), mean, sd };
        let reference = [moments("a", 0.0, 1.0), moments("b", 1.0, 2.0)];
        let found = [moments("a", 0.1, 0.5), moments("b", 2.0, 2.0)];
        let verdict = moments_verdict(&found, &reference).expect("there are parameters");
        assert_eq!(verdict.grade, Grade::Bad);
        assert!(verdict.text.contains("0.50 standard deviations"), "{}", verdict.text);
        assert!(verdict.text.contains("(b), "), "{}", verdict.text);
        assert!(verdict.text.contains("by at most 50 % (a is narrower)"), "{}", verdict.text);
    }
}
