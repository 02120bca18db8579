//! What the measurement says, in tables and words.

use lognormal_sim::PARAMETERS;

use super::{Estimator, EstimatorNoise, Measured, ScoreNoise};
use crate::plot::axis::{fixed, significant};
use crate::plot::markup::parameter_label;
use crate::report::words::plus_minus;
use crate::report::{Section, Table};
use crate::runs::{CLEAR, Difference, Sign};

/// Standard errors beyond which the largest of many deviations is not chance.
const LARGEST: f64 = 4.0;
/// Correlation within a chain that would make the split unreliable.
const CORRELATED: f64 = 0.25;

impl Estimator {
    /// Name for readers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SymmetricRoot => "latents, symmetric root",
            Self::Cholesky => "latents, Cholesky",
            Self::Field => "Gaussian field",
            Self::Whitened => "whitened latents",
            Self::Combination => "whitened, control variates",
            Self::ChainMean => "whitened, mean over a chain",
        }
    }
}

/// The section of a report on the noise of scores.
#[must_use]
pub fn section(measured: &ScoreNoise) -> Section {
    Section {
        heading: format!("Noise of scores, {0} x {0} pixels", measured.npix),
        paragraphs: paragraphs(measured),
        warnings: warnings(measured),
        tables: vec![noise_table(measured), comparison_table(measured)],
        ..Section::default()
    }
}

/// Mean of the ratios of noise to signal over the parameters.
fn mean_relative(noise: &EstimatorNoise) -> f64 {
    noise.relative.iter().map(|r| r.value).sum::<f64>() / noise.relative.len() as f64
}

fn paragraphs(measured: &ScoreNoise) -> Vec<String> {
    let maps = measured.settings.steps();
    let mut text = vec![format!(
        "The score that a simulator gives is the derivative of a joint density of map and latent \
         field: the score of the map alone, which a posterior is learnt from, and latent noise of \
         mean zero. What is held fixed while the parameters change decides on the noise, not on \
         the mean. Signal and noise were separated on {maps} simulated maps: the latents of \
         each were drawn again, given the map and the parameters, by a chain that starts from the \
         latents that made it."
    )];
    text.extend(published(measured));
    text.extend(best(measured));
    text.extend(further(measured));
    text.push(
        "An average over noise realisations is no remedy: another noise is another map, with \
         another score. What may be averaged is the score of one map over the latents that it \
         allows, which is what the chain does."
            .into(),
    );
    text
}

/// What the published score and its Cholesky variant are worth.
fn published(measured: &ScoreNoise) -> Option<String> {
    let symmetric = measured.of(Estimator::SymmetricRoot)?;
    let cholesky = measured.of(Estimator::Cholesky)?;
    let worst = largest(&symmetric.relative);
    let (k, ratio) = worst;
    let compared = match above(cholesky, symmetric).sign(CLEAR) {
        Sign::Below => "is less noisy",
        Sign::Unclear => "is not clearly different",
        Sign::Above => "is more noisy",
    };
    Some(format!(
        "With latents mixed by the symmetric root, as in the published benchmark, the noise is {} \
         times the signal on average over the parameters and {} times for {}, the worst. The \
         score of $σ_8$ has a noise of {} against a signal of {}. Cholesky mixing {compared}: in \
         variance per independent combination of parameters, {} against {}.",
        fixed(mean_relative(symmetric), 1),
        with_error(ratio, 1),
        parameter_label(PARAMETERS[k]),
        with_error(symmetric.noise[SIGMA_8], 0),
        with_error(measured.marginal[SIGMA_8], 0),
        with_error(cholesky.per_information, 2),
        with_error(symmetric.per_information, 2),
    ))
}

/// By how much the noise of an estimator is above that of another.
fn above(noise: &EstimatorNoise, other: &EstimatorNoise) -> Difference {
    let (own, other) = (noise.per_information, other.per_information);
    Difference::new(own.value - other.value, own.error.hypot(other.error))
}

/// Position of $σ_8$ among the parameters.
const SIGMA_8: usize = 2;

/// The estimator that gives most for its cost.
fn best(measured: &ScoreNoise) -> Option<String> {
    let published = measured.of(Estimator::SymmetricRoot)?;
    let (best, gain) = Estimator::ALL
        .into_iter()
        .filter_map(|estimator| Some((estimator, measured.gain(estimator)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let noise = measured.of(best)?;
    if best == Estimator::SymmetricRoot {
        return Some("None of the others needs fewer simulations for the same noise.".into());
    }
    let factor = published.per_information.value / noise.per_information.value;
    let changes = if factor < 1.0 { "rises" } else { "falls" };
    let (k, worst) = largest(&noise.relative);
    Some(format!(
        "Most is gained with {} held fixed: the variance of the noise {changes} by a factor of {}, \
         to {} of the signal per independent combination of parameters, at {} simulations per map \
         and score (published: {}). For the same noise of an average the published score needs {} \
         times as many simulations. What is left is {} of the signal for {}, the worst parameter, \
         in standard deviations.",
        if best == Estimator::ChainMean {
            "whitened latents, averaged over a chain,"
        } else {
            best.name()
        },
        significant(factor.max(1.0 / factor), 2),
        with_error(noise.per_information, 2),
        fixed(noise.simulations, 0),
        fixed(published.simulations, 0),
        significant(gain, 2),
        with_error(worst, 2),
        parameter_label(PARAMETERS[k]),
    ))
}

/// What control variates and averages add.
fn further(measured: &ScoreNoise) -> Option<String> {
    let whitened = measured.of(Estimator::Whitened)?;
    let judge = |estimator: Estimator| {
        let noise = measured.of(estimator)?;
        let ratio = noise.per_information.value / whitened.per_information.value;
        let cost = noise.simulations / whitened.simulations;
        let verdict = if ratio * cost < 1.0 { "pays" } else { "does not pay" };
        Some((ratio, cost, verdict))
    };
    let (control, control_cost, control_verdict) = judge(Estimator::Combination)?;
    let (mean, mean_cost, mean_verdict) = judge(Estimator::ChainMean)?;
    Some(format!(
        "Beside whitened latents, the differences to the other scores as control variates leave {} \
         times the variance at {} times the cost, which {control_verdict}; an average over the \
         true latents and {} draws of a chain leaves {} times the variance at {} times the cost, \
         which {mean_verdict} where maps are as cheap as gradients.",
        fixed(control, 2),
        fixed(control_cost, 1),
        measured.settings.averaged,
        fixed(mean, 2),
        fixed(mean_cost, 1),
    ))
}

fn largest(values: &[Measured]) -> (usize, Measured) {
    values
        .iter()
        .copied()
        .enumerate()
        .fold((0, values[0]), |best, next| if next.1.value > best.1.value { next } else { best })
}

fn with_error(measured: Measured, decimals: usize) -> String {
    plus_minus(measured.value, Some(measured.error), decimals)
}

fn warnings(measured: &ScoreNoise) -> Vec<String> {
    let mut warnings = Vec::new();
    for noise in &measured.estimators {
        let slope = noise
            .slope
            .iter()
            .map(|slope| ((slope.value - 1.0) / slope.error).abs())
            .filter(|deviation| deviation.is_finite())
            .fold(0.0, f64::max);
        let deviation = slope.max(noise.largest_deviation);
        if deviation > LARGEST {
            warnings.push(format!(
                "The score at fixed {} deviates from the marginal score by {} standard errors on \
                 average over the maps.",
                noise.estimator.name(),
                fixed(deviation, 1)
            ));
        }
    }
    if measured.chains.correlation > CORRELATED {
        warnings.push(format!(
            "The chains forget slowly (correlation {}): the noise of scores at fixed whitened \
             latents is larger than what is measured here.",
            fixed(measured.chains.correlation, 2)
        ));
    }
    warnings
}

fn noise_table(measured: &ScoreNoise) -> Table {
    let decimals = |k: usize| if measured.marginal[k].value < 30.0 { 1 } else { 0 };
    let row = |name: &str, values: &[Measured]| {
        let cells = values.iter().enumerate().map(|(k, value)| with_error(*value, decimals(k)));
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let mut rows = vec![row("signal: marginal score", &measured.marginal)];
    rows.extend(measured.estimators.iter().map(|noise| row(noise.estimator.name(), &noise.noise)));
    let labels = PARAMETERS.iter().map(|name| parameter_label(name));
    Table {
        caption: "Standard deviation of the marginal score of a map, and of the latent noise of \
                  scores, by what they hold fixed; jackknife errors."
            .into(),
        columns: std::iter::once("held fixed".to_owned()).chain(labels).collect(),
        rows,
    }
}

fn comparison_table(measured: &ScoreNoise) -> Table {
    let rows = measured.estimators.iter().map(|noise| {
        let slope = noise.slope.iter().map(|s| (s.value - 1.0).abs() / s.error).fold(0.0, f64::max);
        vec![
            noise.estimator.name().to_owned(),
            noise.maps.to_string(),
            fixed(mean_relative(noise), 2),
            with_error(noise.per_information, 3),
            fixed(noise.simulations, 1),
            measured.gain(noise.estimator).map_or("–".into(), |gain| significant(gain, 2)),
            fixed(slope.max(noise.largest_deviation), 1),
        ]
    });
    let chains = &measured.chains;
    Table {
        caption: format!(
            "Noise over signal: mean ratio of standard deviations over the parameters, and ratio of \
             variances over independent combinations of them, $tr(F^{{-1}}V)/6$. Simulations: \
             cost of a map with its score, a gradient counted as two. Gain: how many times fewer \
             simulations than the published score for averages with the same noise. Bias: \
             largest deviation from the marginal score, in mean or slope, in standard errors. \
             Chains: acceptance {}, {} gradients per draw, correlation {} after a gap.",
            fixed(chains.acceptance, 2),
            fixed(chains.gradients_per_draw, 1),
            fixed(chains.correlation, 2)
        ),
        columns: [
            "held fixed",
            "maps",
            "noise/signal, sd",
            "noise/signal, variance",
            "simulations",
            "gain",
            "bias",
        ]
        .map(String::from)
        .to_vec(),
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use lognormal_sim::{FieldKind, Simulator, Survey};

    use super::super::{Settings, measure};
    use super::*;
    use full_field::DIM;

    fn measured(field: FieldKind) -> ScoreNoise {
        let survey = Survey {
            npix: 8,
            map_size_deg: 5.0,
            field,
            ..Survey::preset("lsst_y10").expect("a preset")
        };
        let simulator = Simulator::new(survey).expect("a simulator");
        let parameters = lognormal_sim::Cosmology::FIDUCIAL.parameters();
        let settings = Settings { maps: 40, ..Settings::default() };
        measure(&simulator, &parameters, &settings, 7, &|| ()).expect("a measurement")
    }

    /// A Gaussian field is independent of its whitened latents, and the rest is as for any field.
    #[test]
    fn whitened_scores_of_gaussian_fields_are_marginal_scores() {
        let noise = measured(FieldKind::Gaussian);
        let whitened = noise.of(Estimator::Whitened).expect("measured");
        let mean = noise.of(Estimator::ChainMean).expect("measured");
        let latents = noise.of(Estimator::Cholesky).expect("measured");
        for k in 0..DIM {
            assert!(whitened.relative[k].value < 1e-6 && mean.relative[k].value < 1e-6);
            assert!(latents.relative[k].value > 0.1, "{:?}", latents.relative);
        }
        assert!(noise.chains.acceptance > 0.99);
    }

    #[test]
    fn noise_is_told_from_the_numbers_and_the_same_each_time() {
        let noise = measured(FieldKind::Lognormal);
        assert_eq!(noise, measured(FieldKind::Lognormal));
        let gain = noise.gain(Estimator::Whitened).expect("measured");
        assert!(gain > 2.0, "{gain}");
        for estimator in Estimator::ALL {
            let found = noise.of(estimator).expect("measured");
            assert!(found.largest_deviation < LARGEST, "{estimator:?} {found:?}");
            for slope in found.slope {
                let deviation = (slope.value - 1.0).abs() / slope.error;
                assert!(deviation < LARGEST, "{estimator:?} {slope:?}");
            }
        }
        let section = section(&noise);
        assert!(section.warnings.is_empty(), "{:?}", section.warnings);
        assert_eq!(section.tables[0].rows.len(), 1 + Estimator::ALL.len());
        let text = section.paragraphs.join("\n");
        for part in ["whitened latents", "does not pay", "symmetric root", "noise realisations"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_story_follows_the_numbers() {
        let mut noise = measured(FieldKind::Lognormal);
        for estimator in &mut noise.estimators {
            if estimator.estimator != Estimator::SymmetricRoot {
                estimator.per_information.value = 1e3;
            }
        }
        noise.chains.correlation = 0.5;
        noise.estimators[2].largest_deviation = 9.0;
        let section = section(&noise);
        let text = section.paragraphs.join("\n");
        assert!(text.contains("None of the others") && text.contains("is more noisy"), "{text}");
        let warnings = section.warnings.join("\n");
        assert!(warnings.contains("Gaussian field") && warnings.contains("0.50"), "{warnings}");
    }

    /// Whatever the noises are, "less noisy" and "more noisy" are said where they are clearly so.
    #[test]
    fn mixings_are_compared_as_the_numbers_are() {
        let mut noise = measured(FieldKind::Lognormal);
        for (cholesky, words) in [
            (0.5, "Cholesky mixing is less noisy"),
            (0.99, "Cholesky mixing is not clearly different"),
            (1.01, "Cholesky mixing is not clearly different"),
            (1.5, "Cholesky mixing is more noisy"),
        ] {
            for one in &mut noise.estimators {
                match one.estimator {
                    Estimator::SymmetricRoot => {
                        one.per_information = Measured { value: 1.0, error: 0.03 };
                    }
                    Estimator::Cholesky => {
                        one.per_information = Measured { value: cholesky, error: 0.04 };
                    }
                    _ => {}
                }
            }
            let text = published(&noise).expect("both were measured");
            assert!(text.contains(words), "{cholesky}: {text}");
        }
    }
}
