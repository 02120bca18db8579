//! Statements that should hold, judged from the numbers.

use super::convergence::Recipe;
use super::curves::{Curve, Point, best};
use super::profile::Group;
use super::results::Results;
use crate::gradients::Runs;
use crate::plot::axis::fixed;
use crate::published::Score;
use crate::report::{Grade, Verdict};

/// Standard errors within which means are not apart.
const CLEAR: f64 = 2.0;
/// C2ST that the best method with a large budget is to reach.
const GOAL: f64 = 0.55;
/// Fewest runs that error bars rest on.
const RUNS: usize = 5;
/// What the reference needs: effective draws of each parameter, and R-hat.
const REFERENCE: (f64, f64) = (2000.0, metrics::R_HAT_LIMIT);

/// The difference of two means with its standard error; none of single runs.
pub fn difference(a: &Runs, b: &Runs) -> (f64, Option<f64>) {
    let error = a.error().zip(b.error()).map(|(a, b)| a.hypot(b));
    (a.spread.mean - b.spread.mean, error)
}

/// Whether a mean is below another: good if it is, doubtful if it is not but the runs do not tell
/// the two apart, bad otherwise.
fn below(a: &Runs, b: &Runs) -> Grade {
    match difference(a, b) {
        (value, _) if value <= 0.0 => Grade::Good,
        (value, Some(error)) if value > CLEAR * error => Grade::Bad,
        _ => Grade::Doubtful,
    }
}

/// Whether a mean is clearly below another (-1), clearly above (1), or neither.
#[must_use]
pub fn sign(a: &Runs, b: &Runs) -> i32 {
    match difference(a, b) {
        (value, Some(error)) if value < -CLEAR * error => -1,
        (value, Some(error)) if value > CLEAR * error => 1,
        _ => 0,
    }
}

/// A difference in words.
fn apart(a: &Runs, b: &Runs) -> String {
    let (value, error) = difference(a, b);
    let error = error.map_or(String::new(), |error| format!(" ± {}", fixed(error, 3)));
    format!("{}{error}", fixed(value, 3))
}

/// A method of the first question by what it learns and its rounds.
fn method<'a>(curves: &'a [Curve], key: &str, sequential: bool) -> Option<&'a Curve> {
    curves.iter().find(|curve| {
        curve.group == Group::Methods && curve.key == key && (curve.rounds > 1) == sequential
    })
}

/// The points of two curves at the same numbers of simulations, where they are wanted.
fn pairs<'a>(
    a: &'a Curve,
    b: &'a Curve,
    wanted: impl Fn(u64) -> bool + 'a,
) -> Vec<(&'a Point, &'a Point)> {
    let both = a.points.iter().filter_map(|point| Some((point, b.at(point.simulations)?)));
    both.filter(|(point, _)| wanted(point.simulations)).collect()
}

/// That one curve lies below another wherever both were measured and it is wanted.
fn order(
    a: Option<&Curve>,
    b: Option<&Curve>,
    wanted: impl Fn(u64) -> bool,
    statement: &str,
) -> Option<Verdict> {
    let (a, b) = (a?, b?);
    let found = pairs(a, b, wanted);
    let grade = found.iter().map(|(a, b)| below(&a.c2st, &b.c2st)).max()?;
    let parts: Vec<String> = found
        .iter()
        .map(|(a, b)| {
            let n = a.simulations;
            format!(
                "{} against {} with {n} simulations ({})",
                fixed(a.c2st.spread.mean, 3),
                fixed(b.c2st.spread.mean, 3),
                apart(&a.c2st, &b.c2st)
            )
        })
        .collect();
    Some(Verdict { grade, text: format!("{statement}: {}", parts.join(", ")) })
}

/// All statements, with what became of them.
#[must_use]
pub fn claims(results: &Results, curves: &[Curve]) -> Vec<Verdict> {
    let find = |key: &str, sequential: bool| method(curves, key, sequential);
    let mut verdicts = Vec::new();
    verdicts.extend(order(
        find("nle", true),
        find("nle", false),
        |n| n >= 500,
        "Rounds help likelihoods from 500 simulations on, as published",
    ));
    verdicts.extend(order(
        find("npe", false),
        find("nle", false),
        |n| n <= 500,
        "With up to 500 simulations in one round the posterior is learnt better than the \
         likelihood, as published",
    ));
    verdicts.extend(ratios_are_worst(curves));
    verdicts.extend(order(
        find("nre", true),
        find("nre", false),
        |_| true,
        "Rounds help ratios, as published",
    ));
    verdicts.extend(scores_help_at_first(curves));
    verdicts.extend(best_reaches_goal(curves));
    verdicts.push(runs(results));
    verdicts.push(counts(results));
    verdicts.push(reference(results));
    verdicts.extend(gradients(results));
    verdicts
}

/// That NRE is the worst of the three in one round.
fn ratios_are_worst(curves: &[Curve]) -> Option<Verdict> {
    let [nre, npe, nle] = ["nre", "npe", "nle"].map(|key| method(curves, key, false));
    let (nre, npe, nle) = (nre?, npe?, nle?);
    let mut grades = Vec::new();
    let mut parts = Vec::new();
    for point in &nre.points {
        let others = [npe, nle].map(|curve| curve.at(point.simulations));
        let others: Vec<&Point> = others.into_iter().flatten().collect();
        grades.extend(others.iter().map(|other| below(&other.c2st, &point.c2st)));
        let numbers: Vec<String> =
            others.iter().map(|other| fixed(other.c2st.spread.mean, 3)).collect();
        parts.push(format!(
            "{} against {} with {} simulations",
            fixed(point.c2st.spread.mean, 3),
            numbers.join(" and "),
            point.simulations
        ));
    }
    let grade = grades.into_iter().max()?;
    let text = format!(
        "Ratios are the worst of the three in one round, as published: NRE {} (NPE, NLE)",
        parts.join(", ")
    );
    Some(Verdict { grade, text })
}

/// That scores help with few simulations, and no longer with many.
fn scores_help_at_first(curves: &[Curve]) -> Option<Verdict> {
    let of = |score: Score| {
        curves.iter().find(|curve| curve.group == Group::Scores && curve.score == score)
    };
    let none = of(Score::None)?;
    let mut grade = Grade::Good;
    let mut parts = Vec::new();
    for (score, name) in [
        (Score::Conditional, "conditional"),
        (Score::Whitened, "whitened"),
        (Score::Marginal, "marginal"),
    ] {
        let Some(with) = of(score) else { continue };
        let both = pairs(with, none, |_| true);
        let [(few_with, few), .., (many_with, many)] = both[..] else { continue };
        grade = grade.max(below(&few_with.c2st, &few.c2st));
        if sign(&many_with.c2st, &many.c2st) < 0 {
            grade = grade.max(Grade::Doubtful);
        }
        parts.push(format!(
            "{name} {} with {} simulations and {} with {}",
            apart(&few_with.c2st, &few.c2st),
            few.simulations,
            apart(&many_with.c2st, &many.c2st),
            many.simulations
        ));
    }
    (!parts.is_empty()).then(|| Verdict {
        grade,
        text: format!(
            "Scores lower C2ST with few simulations only, as published: {}",
            parts.join("; ")
        ),
    })
}

/// That the best method reaches the goal with its largest budget.
fn best_reaches_goal(curves: &[Curve]) -> Option<Verdict> {
    let (curve, _) = best(curves)?;
    let point = curve.points.last()?;
    let (mean, error) = (point.c2st.spread.mean, point.c2st.error().unwrap_or(0.0));
    let grade = match mean {
        mean if mean <= GOAL => Grade::Good,
        mean if mean - CLEAR * error <= GOAL => Grade::Doubtful,
        _ => Grade::Bad,
    };
    Some(Verdict {
        grade,
        text: format!(
            "The best implicit method reaches a C2ST of {GOAL} with its largest budget: {} ± {} by \
             {} with {} simulations",
            fixed(mean, 3),
            fixed(error, 3),
            curve.name,
            point.simulations
        ),
    })
}

/// That there are enough runs for error bars.
fn runs(results: &Results) -> Verdict {
    let methods = results.profile.method.iter();
    let fewest = methods.min_by_key(|method| method.runs);
    let (name, runs) = fewest.map_or(("", 0), |method| (method.name.as_str(), method.runs));
    Verdict {
        grade: if runs >= RUNS { Grade::Good } else { Grade::Doubtful },
        text: format!(
            "Error bars rest on {RUNS} runs or more of every method: {runs} or more ({name})"
        ),
    }
}

/// That the simulator was called as often as it was allowed.
fn counts(results: &Results) -> Verdict {
    // One that ended before its posterior has not used all.
    let ended = || results.cells.iter().filter(|cell| cell.judged.is_some());
    let allowed: u64 = ended().map(|cell| cell.simulations).sum();
    let counted: u64 = ended().map(|cell| cell.count.simulations).sum();
    let exact = ended().all(|cell| cell.count.simulations == cell.simulations);
    Verdict {
        grade: if exact { Grade::Good } else { Grade::Bad },
        text: format!(
            "Every method has used as many simulations as it was allowed, failures included: \
             {counted} were counted and {allowed} allowed in all cells together"
        ),
    }
}

/// That the reference can be relied on.
fn reference(results: &Results) -> Verdict {
    let (effective, r_hat) = (results.reference.effective, results.reference.r_hat);
    let grade = match (effective >= REFERENCE.0, r_hat <= REFERENCE.1) {
        (true, true) => Grade::Good,
        _ if effective >= 0.1 * REFERENCE.0 && r_hat <= 1.05 => Grade::Doubtful,
        _ => Grade::Bad,
    };
    Verdict {
        grade,
        text: format!(
            "The reference has at least {:.0} effective draws of every parameter and an R-hat of at \
             most {}: {effective:.0} and {r_hat:.3}",
            REFERENCE.0, REFERENCE.1
        ),
    }
}

/// That our recipe needs fewer gradients for an effective draw than the published one.
fn gradients(results: &Results) -> Option<Verdict> {
    let cost = |recipe: Recipe| {
        let own = results.convergence.iter().find(|one| one.recipe == recipe)?;
        let last = own.points.last()?;
        Some((own.before + last.gradients) as f64 / last.worst().max(1.0))
    };
    let (ours, theirs) = (cost(Recipe::Ours)?, cost(Recipe::Published)?);
    Some(Verdict {
        grade: if ours < theirs { Grade::Good } else { Grade::Bad },
        text: format!(
            "Our explicit recipe needs fewer gradients for an effective draw of the worst parameter \
             than the published one, warm-up counted in both: {ours:.0} against {theirs:.0}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::curves::tests::curve;
    use super::*;

    #[test]
    fn means_out_of_order_are_doubtful_within_the_scatter_and_bad_beyond() {
        let of = |values: &[f64]| Runs::of(values);
        assert_eq!(below(&of(&[0.6, 0.62]), &of(&[0.7, 0.72])), Grade::Good);
        assert_eq!(below(&of(&[0.60, 0.70]), &of(&[0.59, 0.69])), Grade::Doubtful);
        assert_eq!(below(&of(&[0.70, 0.71]), &of(&[0.60, 0.61])), Grade::Bad);
        assert_eq!(below(&of(&[0.70]), &of(&[0.60])), Grade::Doubtful, "one run tells nothing");
        assert_eq!(sign(&of(&[0.60, 0.61]), &of(&[0.70, 0.71])), -1);
        assert_eq!(sign(&of(&[0.60]), &of(&[0.70])), 0);
    }

    #[test]
    fn an_order_holds_if_it_does_so_everywhere_it_is_wanted() {
        let low = curve("SNLE", "nle", 5, &[(200, &[0.9, 0.9]), (500, &[0.7, 0.7])]);
        let high = curve("NLE", "nle", 1, &[(200, &[0.8, 0.8]), (500, &[0.75, 0.75])]);
        let judged = |from: u64| {
            order(Some(&low), Some(&high), move |n| n >= from, "rounds help").expect("measured")
        };
        assert_eq!(judged(500).grade, Grade::Good);
        assert_eq!(judged(200).grade, Grade::Bad);
        assert!(judged(500).text.contains("0.700 against 0.750 with 500 simulations"));
        assert!(order(Some(&low), Some(&high), |n| n > 500, "nowhere").is_none());
        assert!(order(None, Some(&high), |_| true, "no method").is_none());
    }

    #[test]
    fn the_worst_method_is_worse_than_both_others() {
        let methods = |nre: f64| {
            [
                curve("NPE", "npe", 1, &[(200, &[0.7, 0.71])]),
                curve("NLE", "nle", 1, &[(200, &[0.8, 0.81])]),
                curve("NRE", "nre", 1, &[(200, &[nre, nre + 0.01])]),
            ]
        };
        let grade = |nre: f64| ratios_are_worst(&methods(nre)).expect("measured").grade;
        assert_eq!(grade(0.9), Grade::Good);
        assert_eq!(grade(0.75), Grade::Bad);
        let reached = best_reaches_goal(&methods(0.5)).expect("measured");
        assert!(reached.grade == Grade::Good && reached.text.contains("by NRE with 200"));
    }
}
