//! The numbers of the study in tables.

use metrics::FigureOfMerit;

use super::group::{Group, name};
use super::input::CompressorInput;
use super::measured::Baselines;
use super::profile::{Profile, key};
use super::several::{Measures, Several};
use super::story::pair_label;
use super::train::simulations;
use crate::plot::axis::fixed;
use crate::published::{PublishedCompression, PublishedFigures};
use crate::report::Table;
use crate::report::words::{counted, plus_minus};
use crate::runs::null_text;

/// What stands in a table where there is no number.
const NONE: &str = "–";

fn columns(first: &str, rest: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(rest).collect()
}

fn texts<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).to_vec()
}

fn monte_carlo(figures: &[FigureOfMerit]) -> Vec<String> {
    figures.iter().map(|f| plus_minus(f.value, Some(f.error), 0)).collect()
}

/// Figures of Merit of all posteriors.
#[must_use]
pub fn figures_of_merit(groups: &[Group], baselines: &Baselines) -> Table {
    let row = |name: &str, cells: Vec<String>| columns(name, cells);
    let mut rows = vec![
        row("explicit, full field", monte_carlo(&baselines.explicit)),
        row("explicit, power spectrum", monte_carlo(&baselines.power_spectrum.figures)),
    ];
    rows.extend(
        groups.iter().map(|group| {
            row(&group.name(), (0..3).map(|pair| group.figure(pair).text(0)).collect())
        }),
    );
    Table {
        caption: "Figure of Merit of pairs of parameters, $1/√(det C)$ with their covariance C: \
                  with the Monte-Carlo error for chains, mean and standard deviation of the runs \
                  for learnt posteriors."
            .into(),
        columns: columns("posterior", (0..3).map(pair_label)),
        rows,
    }
}

/// Figures of Merit in units of the explicit ones, beside the published ratios.
#[must_use]
pub fn published_ratios(
    groups: &[Group],
    baselines: &Baselines,
    published: &PublishedCompression,
) -> Table {
    let known = published.find("full-field");
    let theirs = |method: &str, pair: usize| {
        let found = published.find(method).zip(known);
        found.map_or(NONE.to_owned(), |(one, known)| {
            let PublishedFigures { figures, again, .. } = one;
            let explicit = known.figures[pair];
            let again = again.as_ref().map_or(String::new(), |again| {
                let (mean, sd) = (again.mean[pair] / explicit, again.sd[pair] / explicit);
                format!("; again {}", plus_minus(mean, Some(sd), 2))
            });
            format!("{}{again}", fixed(figures[pair] / explicit, 2))
        })
    };
    let spectra = (0..3).flat_map(|pair| {
        let (own, explicit) = (&baselines.power_spectrum.figures[pair], &baselines.explicit[pair]);
        let ratio = own.value / explicit.value;
        let error = ratio * (own.error / own.value).hypot(explicit.error / explicit.value);
        [plus_minus(ratio, Some(error), 2), theirs("power-spectrum", pair)]
    });
    let mut rows = vec![columns("explicit, power spectrum", spectra)];
    rows.extend(groups.iter().map(|group| {
        let cells = (0..3).flat_map(|pair| {
            let own = group.relative(pair, &baselines.explicit).text(2);
            [own, theirs(&group.key, pair)]
        });
        columns(&group.name(), cells)
    }));
    let heads = (0..3).flat_map(|pair| [pair_label(pair), "published".to_owned()]);
    Table {
        caption: "Figure of Merit in units of that of the explicit full-field posterior, and the \
                  published ratios (maps of 256 x 256 pixels, another observation). \"Again\": \
                  posteriors trained anew from the published compressors, mean and standard \
                  deviation."
            .into(),
        columns: columns("posterior", heads),
        rows,
    }
}

/// How far each posterior is from the explicit one, and what it says of fresh simulations.
#[must_use]
pub fn distances(groups: &[Group], baselines: &Baselines) -> Table {
    let own = &baselines.power_spectrum;
    let accuracy = plus_minus(own.c2st.accuracy, Some(own.c2st.error), 3);
    let mut rows = vec![columns(
        "explicit, power spectrum",
        [accuracy, fixed(own.divergence, 2), NONE.into(), NONE.into(), NONE.into()],
    )];
    rows.extend(groups.iter().map(|group| {
        let cells = [
            plus_minus(group.c2st().spread.mean, Some(group.c2st_error()), 3),
            group.divergence().text(2),
            group.inferred(|one| one.cross_entropy.value).text(2),
            group.inferred(|one| one.nlp.value).text(2),
            group.inferred(|one| one.gain).text(2),
        ];
        columns(&group.name(), cells)
    }));
    let draws = own.draws;
    let null = own
        .c2st
        .null
        .as_ref()
        .map_or(String::new(), |null| format!(" (equal posteriors: {})", null_text(null)));
    Table {
        caption: format!(
            "Distance from the explicit posterior: accuracy of a classifier on {draws} draws of \
             each with its standard error{null}; Kullback-Leibler divergence of the explicit \
             posterior, both taken as normal in the coordinates of the prior; mean $-ln q$ of \
             explicit draws, which is the divergence but for a constant. Then, without the \
             explicit posterior: mean $-ln q$ of the truth of fresh simulations (NLP), and the \
             information gained over the prior. In nat; mean and standard deviation of the runs."
        ),
        columns: texts(["posterior", "C2ST", "KL", "cross entropy", "NLP", "gain over prior"]),
        rows,
    }
}

/// Figures of Merit averaged over simulated observations, in units of those of one method.
#[must_use]
pub fn averages(groups: &[Group]) -> Option<Table> {
    let unit = groups.iter().find(|group| group.key == "vmim").or(groups.first())?;
    let others = groups.iter().filter(|group| group.key != unit.key);
    let rows = others.map(|group| {
        let cells = (0..3).map(|pair| {
            let ratio = group.mean_figure_over(unit, pair);
            ratio.map_or(NONE.to_owned(), |ratio| ratio.text(2))
        });
        columns(&group.name(), cells)
    });
    let observations = unit.figures.first().map_or(0, |figures| figures.len() / 3);
    Some(Table {
        caption: format!(
            "Figure of Merit in units of that of {}, geometric mean over {} simulated at parameters \
             drawn from the prior, the same for all, with standard error: the scatter of a single \
             observation averages out.",
            unit.name(),
            counted(observations, "observation")
        ),
        columns: columns("posterior", (0..3).map(pair_label)),
        rows: rows.collect(),
    })
}

/// All posteriors over several observations at the same parameters.
#[must_use]
pub fn over_observations(several: &Several) -> Table {
    let row = |name: &str, measures: &Measures| {
        let figures = (0..3).map(|pair| measures.relative(pair).text(2));
        let distances = [measures.c2st.mean().text(3), measures.divergence.mean().text(2)];
        columns(name, figures.chain(distances))
    };
    let mut rows = vec![row("explicit, power spectrum", &several.power_spectrum)];
    rows.extend(several.learnt.iter().map(|(key, measures)| row(&name(key), measures)));
    let heads = (0..3).map(pair_label).chain(texts(["C2ST", "KL"]));
    Table {
        caption: format!(
            "The same for {} simulated at the same parameters, each with its own \
             explicit posterior (further ones: at least {:.0} effective draws, R-hat at most {}): \
             Figure of Merit in units of the explicit one, geometric mean; C2ST; Kullback-Leibler \
             divergence. With standard errors, from the scatter of observations and of runs.",
            counted(several.observations, "observation"),
            several.effective,
            fixed(several.r_hat, 3)
        ),
        columns: columns("posterior", heads),
        rows,
    }
}

/// The trainings of the networks.
#[must_use]
pub fn trainings(groups: &[Group], profile: &Profile) -> Table {
    let mut rows = Vec::new();
    for group in groups {
        let method = profile.method.iter().find(|method| key(&method.loss) == group.key);
        let Some(method) = method else { continue };
        let settings = profile.training(method);
        for (run, (report, seconds)) in group.trainings.iter().enumerate() {
            let best = report.best_point();
            let last = report.curve.last().map_or(0, |point| point.step);
            let loss = |value: Option<f64>| value.map_or(NONE.into(), |value| fixed(value, 3));
            rows.push(vec![
                format!("{}, run {}", group.name(), run + 1),
                last.to_string(),
                best.step.to_string(),
                loss(Some(best.training)),
                loss(best.validation),
                simulations(&method.loss, settings, profile.input.noises(), last).to_string(),
                report.dropped.to_string(),
                format!("{} %", fixed(100.0 * report.timing.waiting_fraction(), 1)),
                format!("{} s", fixed(*seconds, 0)),
            ]);
        }
    }
    let weights =
        groups.iter().flat_map(|group| &group.trainings).map(|(report, _)| report.weights);
    let noise = match profile.input {
        CompressorInput::Maps => "; noise and flips are new in each pass",
        CompressorInput::Spectra { .. } => ", before the trainings begin",
    };
    Table {
        caption: format!(
            "Trainings of the network ({} weights at most, outputs differ): the weights of the best \
             step were kept. Losses are in standard units of the parameters. Simulated are maps \
             without noise, each counted once{noise}. Left out: uses of examples without a map. \
             Waiting: part of the time in which the network waited for the next batch.",
            weights.max().unwrap_or(0)
        ),
        columns: texts([
            "loss",
            "steps",
            "best",
            "training",
            "validation",
            "simulated maps",
            "left out",
            "waiting",
            "wall time",
        ]),
        rows,
    }
}

/// What inference learnt from, the same for all.
#[must_use]
pub fn inferences(groups: &[Group]) -> Table {
    let rows = groups.iter().filter_map(|group| {
        let first = &group.measured.first()?.inferred;
        let excluded: usize = group.measured.iter().map(|one| one.inferred.nlp.excluded).sum();
        let step = |index: usize| first.curve.get(index).map_or(0, |point| point.step);
        Some(vec![
            group.name(),
            first.summaries.to_string(),
            first.simulations.to_string(),
            group.measured.len().to_string(),
            step(first.best).to_string(),
            group.inferred(|one| one.deviation).text(1),
            format!("{} %", fixed(100.0 * first.leakage, 2)),
            excluded.to_string(),
            format!("{} s", fixed(group.seconds, 0)),
        ])
    });
    Table {
        caption: "Posteriors learnt from the summaries. Deviation: of the summary of the \
                  observation from those of the simulations, in standard units. Without density: \
                  fresh simulations whose truth got none, left out of the NLP."
            .into(),
        columns: texts([
            "summaries",
            "numbers",
            "simulations",
            "posteriors",
            "best step",
            "deviation",
            "leakage",
            "without density",
            "wall time",
        ]),
        rows: rows.collect(),
    }
}
