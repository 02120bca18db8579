//! The findings in words, from the numbers.

use metrics::FigureOfMerit;

use super::group::{Group, name};
use super::measured::Baselines;
use super::run::SPECTRA;
use super::several::{Measures, Several};
use crate::lensing::PAIRS;
use crate::plot::axis::fixed;
use crate::plot::markup::parameter_label;
use crate::published::PublishedCompression;
use crate::report::words::{counted, list, number, plus_minus};
use crate::runs::{CLEAR, Difference, Ratio, Sign};
use lognormal_sim::PARAMETERS;

/// What the study asks.
pub const QUESTION: &str = "A network makes a few numbers of each tomographic map, and the \
    posterior of the parameters is learnt from these numbers. What the network is trained for \
    decides what the numbers know. Which loss keeps the information of the full field, measured \
    against the explicit posterior of the same map, and are the published findings reproduced?";

/// A pair of parameters as readers know it.
#[must_use]
pub fn pair_label(pair: usize) -> String {
    let (a, b) = PAIRS[pair];
    format!("{}, {}", parameter_label(PARAMETERS[a]), parameter_label(PARAMETERS[b]))
}

/// The answers, a paragraph each.
#[must_use]
pub fn answers(
    groups: &[Group],
    baselines: &Baselines,
    several: Option<&Several>,
    published: &PublishedCompression,
) -> Vec<String> {
    let losses: Vec<&Group> = groups.iter().filter(|group| group.key != SPECTRA).collect();
    let mut answers = Vec::new();
    answers.extend(closest(&losses, baselines));
    answers.extend(figures(&losses, baselines, published));
    answers.extend(vmim_against_mse(&losses, published));
    answers.extend(several.and_then(over_observations));
    answers.extend(held_out(&losses));
    answers.extend(gain_over_spectra(&losses, baselines, published));
    answers
}

/// Which loss is closest to the explicit posterior.
fn closest(losses: &[&Group], baselines: &Baselines) -> Option<String> {
    let mut order = losses.to_vec();
    let accuracy = |group: &Group| group.c2st().spread.mean;
    order.sort_by(|a, b| accuracy(a).total_cmp(&accuracy(b)));
    let best = *order.first()?;
    let ties: Vec<String> = order[1..]
        .iter()
        .filter(|other| other.farther_than(best).sign(CLEAR) == Sign::Unclear)
        .map(|other| other.name())
        .collect();
    let mut text = format!(
        "{} comes closest to the explicit posterior: a classifier tells the two apart with an \
         accuracy (C2ST) of {}",
        best.name(),
        plus_minus(accuracy(best), Some(best.c2st_error()), 3)
    );
    let own = &baselines.power_spectrum.c2st;
    let equal = own.null.as_ref().map_or(String::new(), |null| {
        format!(" equal posteriors would give {} and", fixed(null.mean, 3))
    });
    text.push_str(&format!(
        ", where{equal} the power-spectrum posterior gives {}.",
        plus_minus(own.accuracy, Some(own.error), 3)
    ));
    let floor = own.null.as_ref().map_or(0.5, |null| null.mean);
    let excess = Difference::new(accuracy(best) - floor, best.c2st_error());
    if excess.sign(CLEAR) == Sign::Above {
        text.push_str(" Even the closest is told from the explicit posterior.");
    }
    match (order.len(), ties.is_empty()) {
        (1, _) => {}
        (_, true) => text.push_str(" Every other loss is clearly farther."),
        _ => text.push_str(&format!(" Not clearly farther: {}.", list(&ties))),
    }
    Some(text)
}

/// How much of the Figures of Merit each loss keeps.
fn figures(
    losses: &[&Group],
    baselines: &Baselines,
    published: &PublishedCompression,
) -> Option<String> {
    let mean_share = |shares: [f64; 3]| 100.0 * shares.iter().sum::<f64>() / 3.0;
    let explicit = &baselines.explicit;
    let known = published.find("full-field").map(|one| one.figures);
    let parts: Vec<String> = losses
        .iter()
        .map(|group| {
            let own = [0, 1, 2].map(|pair| group.relative(pair, explicit).spread.mean);
            let theirs = published.find(&group.key).zip(known).map(|(one, known)| {
                let shares = [0, 1, 2].map(|pair| one.figures[pair] / known[pair]);
                format!(" (published: {} %)", fixed(mean_share(shares), 0))
            });
            format!(
                "{} {} %{}",
                group.name(),
                fixed(mean_share(own), 0),
                theirs.unwrap_or_default()
            )
        })
        .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Mean Figure of Merit over the three pairs of $Ω_c$, $σ_8$ and $w_0$, in units of that \
             of the explicit posterior: {}. The explicit ones have Monte-Carlo errors of {} %.",
            parts.join(", "),
            fixed(100.0 * largest_error(explicit), 0)
        )
    })
}

/// Largest relative Monte-Carlo error.
fn largest_error(figures: &[FigureOfMerit]) -> f64 {
    figures.iter().map(|figure| figure.error / figure.value).fold(0.0, f64::max)
}

/// Whether the Figures of Merit of VMIM are above those of MSE, the paper's main finding.
fn vmim_against_mse(losses: &[&Group], published: &PublishedCompression) -> Option<String> {
    let find = |key: &str| losses.iter().find(|group| group.key == key).copied();
    let (vmim, mse) = (find("vmim")?, find("mse")?);
    let both = published.find("vmim").zip(published.find("mse"));
    let theirs = both.map(|(vmim, mse)| [0, 1, 2].map(|p| vmim.figures[p] / mse.figures[p]));
    let ratios = [0, 1, 2].map(|pair| vmim.figure(pair).over(&mse.figure(pair)));
    let parts = ratios.iter().enumerate().map(|(pair, ratio)| {
        let theirs = theirs
            .map_or(String::new(), |theirs| format!(" (published {})", fixed(theirs[pair], 2)));
        format!("{} for {}{theirs}", ratio.text(2), pair_label(pair))
    });
    let mut text = format!(
        "The Figure of Merit of VMIM over that of MSE is {}. {}",
        parts.collect::<Vec<_>>().join("; "),
        order(&ratios, theirs.as_ref())
    );
    let means = [0, 1, 2].map(|pair| vmim.mean_figure_over(mse, pair));
    if let [Some(a), Some(b), Some(c)] = means {
        text.push_str(&format!(
            " One observation says little of that: averaged over simulated observations the ratio \
             is {}, {}.",
            list(&[a, b, c].map(|ratio| ratio.text(2))),
            more_or_less([a, b, c].map(|ratio| ratio.above_one().sign(CLEAR)))
        ));
    }
    if let Some((v, m)) = both.and_then(|(v, m)| v.again.as_ref().zip(m.again.as_ref())) {
        let again = [0, 1, 2].map(|pair| fixed(v.mean[pair] / m.mean[pair], 2));
        text.push_str(&format!(
            " Posteriors trained {} times again from the published compressors give {}.",
            v.runs,
            list(&again)
        ));
    }
    Some(text)
}

/// Whether the ratios of the three pairs are above one, and whether all published ones are.
fn order(ratios: &[Ratio; 3], published: Option<&[f64; 3]>) -> String {
    let published = published.is_some_and(|theirs| theirs.iter().all(|ratio| *ratio > 1.0));
    let larger = ratios.iter().filter(|ratio| ratio.value > 1.0).count();
    let signs = ratios.map(|ratio| ratio.above_one().sign(CLEAR));
    let count = |wanted: Sign| signs.iter().filter(|sign| **sign == wanted).count();
    let as_published = if published { ", as published" } else { "" };
    let single = ratios.iter().any(|ratio| ratio.error.is_none());
    match (count(Sign::Above), count(Sign::Below)) {
        (3, _) => format!("It is clearly larger for all three pairs{as_published}."),
        (_, 0) => {
            let pairs = match larger {
                3 => format!("all three pairs{as_published}"),
                some => format!("{} of the three pairs", number(some)),
            };
            let clear = match (single, count(Sign::Above)) {
                (true, _) => "; single runs do not tell whether that is more than the scatter of \
                              trainings"
                    .to_owned(),
                (false, clear) => format!(
                    "; beyond {CLEAR} standard errors of the runs it is larger for {} and smaller \
                     for none",
                    number(clear)
                ),
            };
            format!("It is larger for {pairs}{clear}.")
        }
        (_, smaller) => {
            let refuted =
                if published { "The published order is not reproduced: it" } else { "It" };
            format!(
                "{refuted} is clearly smaller for {} of the three pairs and larger for {}.",
                number(smaller),
                number(larger)
            )
        }
    }
}

/// What the signs of three differences say together.
fn more_or_less(signs: [Sign; 3]) -> &'static str {
    match (signs.contains(&Sign::Above), signs.contains(&Sign::Below)) {
        (true, _) if signs == [Sign::Above; 3] => "clearly more for all three",
        (_, true) if signs == [Sign::Below; 3] => "clearly less for all three",
        (true, false) => "clearly more for some, and clearly less for none",
        (false, false) => "no clear difference",
        (false, true) => "clearly less for some, and clearly more for none",
        (true, true) => "clearly more for some and clearly less for others",
    }
}

/// What several observations at the same parameters say, where the luck of a single one averages
/// out.
fn over_observations(several: &Several) -> Option<String> {
    let mut losses: Vec<(&str, &Measures)> = several
        .learnt
        .iter()
        .filter(|(key, _)| key != SPECTRA)
        .map(|(key, measures)| (key.as_str(), measures))
        .collect();
    losses.sort_by(|(_, a), (_, b)| a.c2st.mean().value.total_cmp(&b.c2st.mean().value));
    let ((best, closest), others) = losses.split_first()?;
    let mut words = format!(
        "Over {} simulated at the same parameters, each with its own explicit posterior, {} comes \
         closest, with a C2ST of {}",
        counted(several.observations, "observation"),
        name(best),
        closest.c2st.mean().text(3)
    );
    let farther = others.iter().map(|(key, measures)| {
        let above = measures.c2st.above(&closest.c2st);
        format!("{} by {}{}", name(key), above.text(3), unless_clear(above))
    });
    let farther: Vec<String> = farther.collect();
    words.push_str(&match farther.is_empty() {
        true => ".".to_owned(),
        false => format!("; farther are {}.", farther.join(", ")),
    });
    if let Some(vmim) = several.find("vmim") {
        let of_explicit = [0, 1, 2].map(|pair| vmim.relative(pair).text(2));
        words.push_str(&format!(
            " The Figures of Merit of VMIM are {} of the explicit ones",
            list(&of_explicit)
        ));
        if let Some(mse) = several.find("mse") {
            let of_mse = [0, 1, 2].map(|pair| vmim.over(mse, pair).text(2));
            words.push_str(&format!(", and {} of those of MSE", list(&of_mse)));
        }
        words.push('.');
    }
    let signs = |measures: &Measures| {
        [0, 1, 2].map(|pair| measures.over(&several.power_spectrum, pair).above_one().sign(CLEAR))
    };
    let such = |wanted: &dyn Fn([Sign; 3]) -> bool| -> Vec<String> {
        let found = losses.iter().filter(|(_, measures)| wanted(signs(measures)));
        found.map(|(key, _)| name(key)).collect()
    };
    let ahead = such(&|signs| signs == [Sign::Above; 3]);
    let behind = such(&|signs| signs.contains(&Sign::Below));
    let unclear = such(&|signs| signs != [Sign::Above; 3] && !signs.contains(&Sign::Below));
    words.push_str(&format!(
        " Clearly ahead of the power-spectrum posterior in all three pairs: {}.",
        list(&ahead)
    ));
    for (found, what) in [(unclear, "Not clearly ahead in all"), (behind, "Clearly behind in some")]
    {
        if !found.is_empty() {
            words.push_str(&format!(" {what}: {}.", list(&found)));
        }
    }
    Some(words)
}

/// What is added where a difference is not clearly above zero.
fn unless_clear(difference: Difference) -> &'static str {
    if difference.sign(CLEAR) == Sign::Above { "" } else { ", not clearly" }
}

/// The order of the losses by what they say of fresh simulations, the measure that depends on no
/// single observation.
fn held_out(losses: &[&Group]) -> Option<String> {
    let nlp = |group: &Group| group.inferred(|one| one.nlp.value).spread.mean;
    let mut order = losses.to_vec();
    order.sort_by(|a, b| nlp(a).total_cmp(&nlp(b)));
    let (best, others) = order.split_first().filter(|(_, others)| !others.is_empty())?;
    let parts = others.iter().map(|other| match other.nlp_above(best) {
        // The means are over simulations to which each gives a finite value, not over the same.
        Some(above) if above.value < 0.0 => format!(
            "{}, though on the simulations that both know of it is {} below",
            other.name(),
            Difference { value: -above.value, ..above }.text(2)
        ),
        Some(above) => format!("{} by {}{}", other.name(), above.text(2), unless_clear(above)),
        None => format!("{} without a finite value", other.name()),
    });
    Some(format!(
        "Averaged over fresh simulations from the prior, where no single observation matters, {} \
         gives the truth the highest probability; in mean negative log probability the others are \
         above it: {} (nat).",
        best.name(),
        parts.collect::<Vec<_>>().join(", ")
    ))
}

/// What the full field tells more than its spectra.
fn gain_over_spectra(
    losses: &[&Group],
    baselines: &Baselines,
    published: &PublishedCompression,
) -> Option<String> {
    let spectra = &baselines.power_spectrum.figures;
    let ratios = |over: &dyn Fn(usize) -> f64| {
        list(&[0, 1, 2].map(|pair| fixed(over(pair) / spectra[pair].value, 2)))
    };
    let explicit = ratios(&|pair| baselines.explicit[pair].value);
    let share = |group: &Group| -> f64 {
        (0..3).map(|pair| group.relative(pair, &baselines.explicit).spread.mean).sum()
    };
    let best = losses.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
    let own = ratios(&|pair| best.figure(pair).spread.mean);
    let theirs = published.find("full-field").zip(published.find("power-spectrum"));
    let theirs = theirs.map_or(String::new(), |(full, power)| {
        let ratios = [0, 1, 2].map(|pair| fixed(full.figures[pair] / power.figures[pair], 2));
        format!(" (published, with 256 x 256 pixels: {})", list(&ratios))
    });
    let mut text = format!(
        "The Figures of Merit of the explicit posterior are {explicit} times those of the \
         power-spectrum posterior of the same map{theirs}, those of the summaries of {} {own} times.",
        best.name()
    );
    let beats = |group: &Group, pair: usize| group.figure(pair).spread.mean > spectra[pair].value;
    let behind = losses.iter().filter(|group| !(0..3).all(|pair| beats(group, pair)));
    let behind: Vec<String> = behind.map(|group| group.name()).collect();
    if !behind.is_empty() {
        text.push_str(&format!(" Not ahead of it in all three pairs: {}.", list(&behind)));
    }
    Some(text)
}

/// What the reader should beware of.
#[must_use]
pub fn warnings(groups: &[Group], baselines: &Baselines, effective: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    if groups.iter().any(|group| group.measured.len() == 1) {
        warnings.push(
            "With a single run of each loss the scatter of trainings is unknown; published \
             Figures of Merit scatter by 2 to 4 % between trainings of the posterior alone."
                .into(),
        );
    }
    let spectra = groups.iter().find(|group| group.key == SPECTRA);
    let poorer: Vec<String> = groups
        .iter()
        .filter(|group| {
            let above = spectra.and_then(|spectra| group.nlp_above(spectra));
            above.is_some_and(|above| above.sign(CLEAR) == Sign::Above)
        })
        .map(Group::name)
        .collect();
    if !poorer.is_empty() {
        warnings.push(format!(
            "Of fresh simulations the summaries of {} know less than learnt power spectra, though \
             the maps hold more: the trainings are too short, the simulations too few or the \
             network too small to compare losses by what they can reach.",
            list(&poorer)
        ));
    }
    let narrow: Vec<String> = groups
        .iter()
        .filter(|group| {
            (0..3).any(|pair| {
                let own = group.relative(pair, &baselines.explicit);
                let explicit = &baselines.explicit[pair];
                let error = own.error().unwrap_or(0.0).hypot(explicit.error / explicit.value);
                Difference::new(own.spread.mean - 1.0, error).sign(CLEAR) == Sign::Above
            })
        })
        .map(Group::name)
        .collect();
    if !narrow.is_empty() {
        warnings.push(format!(
            "No posterior of a summary can know more than the explicit one on average, yet Figures \
             of Merit of {} are clearly above it: for one observation that can be chance, or a \
             learnt posterior that is too narrow (see its calibration and the negative log \
             probability).",
            list(&narrow)
        ));
    }
    if groups.iter().any(|group| group.key == "imnn") {
        warnings.push(
            "IMNN is trained around the fiducial parameters, which are those of the observation: \
             its summaries are meant for this place only, and over the whole prior they may be \
             worse than what its Figures of Merit say."
                .into(),
        );
    }
    if effective < 400.0 {
        warnings.push(format!(
            "The explicit posterior has {effective:.0} effective draws of its slowest parameter \
             only; comparisons with it are as uncertain."
        ));
    }
    let outside: Vec<String> = groups
        .iter()
        .filter(|group| group.inferred(|one| one.deviation).spread.mean > 5.0)
        .map(Group::name)
        .collect();
    if !outside.is_empty() {
        warnings.push(format!(
            "The summary of the observation lies outside most simulations for {}.",
            list(&outside)
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::group::tests::group;
    use super::super::several::tests::several;
    use super::*;

    fn baselines() -> Baselines {
        let figure = |value| FigureOfMerit { value, error: 1.0 };
        let mut power_spectrum = group("x", &[(50.0, 0.8)], 0.0).measured.remove(0).judged;
        power_spectrum.figures = vec![figure(50.0); 3];
        Baselines { explicit: vec![figure(100.0); 3], power_spectrum }
    }

    fn told(groups: &[Group]) -> String {
        let published = PublishedCompression::load().expect("complete");
        answers(groups, &baselines(), None, &published).join("\n")
    }

    #[test]
    fn the_published_order_is_recognised() {
        let vmim = group("vmim", &[(98.0, 0.53), (97.0, 0.54)], 3.0);
        let mse = group("mse", &[(80.0, 0.61), (82.0, 0.62)], 2.0);
        let text = told(&[mse, vmim]);
        for part in [
            "VMIM comes closest",
            "Even the closest is told from",
            "Every other loss is clearly farther",
            "MSE 81 % (published: 79 %), VMIM 98 % (published: 98 %)",
            "clearly larger for all three pairs, as published",
            "VMIM gives the truth the highest probability",
            "MSE by 1.00 ± <0.01",
            "1.12, 1.07 and 1.05",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn another_order_is_admitted() {
        let vmim = group("vmim", &[(70.0, 0.63), (71.0, 0.64)], 1.0);
        let mse = group("mse", &[(80.0, 0.635), (82.0, 0.64)], 2.0);
        let text = told(&[mse, vmim]);
        for part in [
            "The published order is not reproduced",
            "clearly smaller for three of the three pairs and larger for none",
            "the ratio is 0.87 ± <0.01, 0.87 ± <0.01 and 0.87 ± <0.01, clearly less for all three",
            "Not clearly farther: MSE",
            "MSE gives the truth",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn losses_behind_the_power_spectrum_are_named() {
        let (vmim, imnn) = (group("vmim", &[(90.0, 0.6)], 1.0), group("imnn", &[(49.0, 0.6)], 1.0));
        let text = told(&[vmim, imnn]);
        assert!(text.contains("Not ahead of it in all three pairs: IMNN."), "{text}");
    }

    #[test]
    fn several_observations_have_a_verdict_of_their_own() {
        let measured = several(&[
            ("mse", 80.0, 0.6),
            ("vmim", 90.0, 0.55),
            ("imnn", 50.0, 0.65),
            ("mae", 49.0, 0.6),
        ]);
        let text = over_observations(&measured).expect("there are losses");
        for part in [
            "Over 5 observations",
            "VMIM comes closest, with a C2ST of 0.550 ± 0.00",
            "MSE by 0.050 ± <0.001",
            "0.90 ± <0.01, 0.90 ± <0.01 and 0.90 ± <0.01 of the explicit ones",
            "1.12 ± <0.01 and 1.12 ± <0.01 of those of MSE",
            "Clearly ahead of the power-spectrum posterior in all three pairs: VMIM and MSE.",
            "Not clearly ahead in all: IMNN.",
            "Clearly behind in some: MAE.",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn single_runs_prove_nothing() {
        let text = told(&[group("mse", &[(80.0, 0.6)], 1.0), group("vmim", &[(79.0, 0.6)], 1.0)]);
        assert!(text.contains("larger for none of the three pairs; single runs do not"), "{text}");
        let one = [group("imnn", &[(120.0, 0.6)], 1.0)];
        let found = warnings(&one, &baselines(), 100.0).join("\n");
        for part in ["single run", "IMNN are clearly above", "fiducial", "100 effective"] {
            assert!(found.contains(part), "{part} is missing in {found}");
        }
        let fine = || group("vmim", &[(99.0, 0.5), (98.0, 0.5)], 1.0);
        assert!(warnings(&[fine()], &baselines(), 1000.0).is_empty());
        let spectra = group(SPECTRA, &[(60.0, 0.7), (60.0, 0.7)], 1.5);
        let found = warnings(&[fine(), spectra], &baselines(), 1000.0);
        assert!(found.len() == 1 && found[0].contains("VMIM know less"), "{found:?}");
    }

    /// Whatever the ratios are, the published order is said to be reproduced where it is, and not
    /// where a ratio is clearly below one.
    #[test]
    fn the_order_is_told_as_the_ratios_are() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..1000 {
            let known = rng.random_range(0..4) > 0;
            let ratios: [Ratio; 3] = std::array::from_fn(|_| Ratio {
                value: rng.random_range(0.8..1.3),
                error: known.then(|| rng.random_range(0.001..0.1)),
            });
            let theirs: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.99..1.5));
            let text = order(&ratios, Some(&theirs));
            let beyond = |sign: f64, ratio: &Ratio| {
                ratio.error.is_some_and(|error| sign * (ratio.value - 1.0) > 2.0 * error)
            };
            let published = theirs.iter().all(|ratio| *ratio > 1.0);
            let larger = ratios.iter().all(|ratio| ratio.value > 1.0);
            let refuted = ratios.iter().any(|ratio| beyond(-1.0, ratio));
            let clear = ratios.iter().all(|ratio| beyond(1.0, ratio));
            assert_eq!(text.contains("as published"), published && larger, "{ratios:?}: {text}");
            assert_eq!(text.contains("not reproduced"), published && refuted, "{text}");
            assert_eq!(text.contains("clearly smaller"), refuted, "{ratios:?}: {text}");
            assert_eq!(text.contains("clearly larger"), clear, "{ratios:?}: {text}");
            assert_eq!(text.contains("single runs"), !known, "{ratios:?}: {text}");
            let signs = ratios.map(|ratio| ratio.above_one().sign(CLEAR));
            let words = more_or_less(signs);
            assert_eq!(words.contains("less for all"), signs == [Sign::Below; 3], "{signs:?}");
            assert_eq!(words.contains("more for all"), signs == [Sign::Above; 3], "{signs:?}");
        }
    }
}
