//! Statements that should hold, judged from the numbers.

use super::convergence::Recipe;
use super::curves::{Curve, Point, best};
use super::profile::Group;
use super::results::Results;
use crate::claim::{Claim, Evidence, Limits, Words};
use crate::plot::axis::fixed;
use crate::published::Score;
use crate::report::words::counted;
use crate::runs::Difference;

/// C2ST that the best method with a large budget is to reach.
const GOAL: f64 = 0.55;
/// Fewest runs that error bars rest on.
const RUNS: usize = 5;
/// Effective draws of each parameter that the reference should have, and those that are usable.
const EFFECTIVE: (f64, f64) = (2000.0, 200.0);
/// R-hat that it should have at most, and that is usable.
const R_HAT: (f64, f64) = (metrics::R_HAT_LIMIT, 1.05);

/// All statements.
#[must_use]
pub fn claims(results: &Results, curves: &[Curve]) -> Vec<Claim> {
    let mut claims = of_curves(curves);
    claims.push(runs(results));
    claims.push(counts(results));
    claims.push(reference(results));
    claims.extend(gradients(results));
    claims
}

/// Those on methods.
fn of_curves(curves: &[Curve]) -> Vec<Claim> {
    let find = |key: &str, sequential: bool| method(curves, key, sequential);
    let all = [
        order(find("nle", true), find("nle", false), |n| n >= 500, ROUNDS_OF_LIKELIHOODS),
        order(find("npe", false), find("nle", false), |n| n <= 500, POSTERIOR_FIRST),
        ratios_are_worst(curves),
        order(find("nre", true), find("nre", false), |_| true, ROUNDS_OF_RATIOS),
        scores(curves, |points| points.first(), Evidence::Below, SCORES_AT_FIRST),
        scores(curves, |points| points.last(), Evidence::NotBelow, SCORES_AT_LAST),
        best_reaches_goal(curves),
    ];
    all.into_iter().flatten().collect()
}

const ROUNDS_OF_LIKELIHOODS: Words = Words {
    holds: "Rounds help likelihoods from 500 simulations on, as published",
    open: "The runs do not tell whether rounds help likelihoods from 500 simulations on, as \
           published",
    fails: "Other than published, rounds do not always help likelihoods from 500 simulations on",
};

const POSTERIOR_FIRST: Words = Words {
    holds: "With up to 500 simulations in one round the posterior is learnt better than the \
            likelihood, as published",
    open: "The runs do not tell whether with up to 500 simulations in one round the posterior is \
           learnt better than the likelihood, as published",
    fails: "Other than published, the posterior is not always learnt better than the likelihood \
            with up to 500 simulations in one round",
};

const RATIOS_WORST: Words = Words {
    holds: "Ratios are the worst of the three in one round, as published",
    open: "The runs do not tell whether ratios are the worst of the three in one round, as published",
    fails: "Other than published, ratios are not always the worst of the three in one round",
};

const ROUNDS_OF_RATIOS: Words = Words {
    holds: "Rounds help ratios, as published",
    open: "The runs do not tell whether rounds help ratios, as published",
    fails: "Other than published, rounds do not always help ratios",
};

const SCORES_AT_FIRST: Words = Words {
    holds: "Scores lower C2ST with few simulations, as published",
    open: "The runs do not tell whether scores lower C2ST with few simulations, as published",
    fails: "Other than published, not all scores lower C2ST with few simulations",
};

const SCORES_AT_LAST: Words = Words {
    holds: "With many simulations scores no longer lower C2ST, as published",
    open: "The runs do not tell whether scores still lower C2ST with many simulations, where as \
           published they do not",
    fails: "Other than published, scores still lower C2ST with many simulations",
};

const GOAL_REACHED: Words = Words {
    holds: "The best implicit method comes close to the explicit posterior with its largest budget",
    open: "The runs do not tell whether the best implicit method comes close to the explicit \
           posterior with its largest budget",
    fails: "The best implicit method stays away from the explicit posterior with its largest budget",
};

const ENOUGH_RUNS: Words = Words {
    holds: "Error bars rest on enough runs of every method",
    open: "Error bars rest on few runs",
    fails: "A method has no run",
};

const ALL_COUNTED: Words = Words {
    holds: "Every method has used as many simulations as it was allowed, failures included",
    open: "It is not known whether every method has used as many simulations as it was allowed",
    fails: "A method has used more or fewer simulations than it was allowed",
};

const REFERENCE: Words = Words {
    holds: "The reference has converged",
    open: "The reference is usable with care",
    fails: "The reference has not converged",
};

const GRADIENTS: Words = Words {
    holds: "Our explicit recipe needs fewer gradients for an effective draw of the worst parameter \
            than the published one",
    open: "Our explicit recipe needs as many gradients for an effective draw of the worst parameter \
           as the published one",
    fails: "Our explicit recipe needs more gradients for an effective draw of the worst parameter \
            than the published one",
};

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

/// That one curve lies below another where both were measured and it is wanted.
fn order(
    a: Option<&Curve>,
    b: Option<&Curve>,
    wanted: impl Fn(u64) -> bool,
    words: Words,
) -> Option<Claim> {
    let found = pairs(a?, b?, wanted);
    let numbers = found.iter().map(|(a, b)| {
        format!(
            "{} against {} with {} simulations ({})",
            fixed(a.c2st.spread.mean, 3),
            fixed(b.c2st.spread.mean, 3),
            a.simulations,
            a.c2st.above(&b.c2st).text(3)
        )
    });
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    let differences = found.iter().map(|(a, b)| a.c2st.above(&b.c2st)).collect();
    (!found.is_empty()).then_some(Claim { words, evidence: Evidence::Below(differences), numbers })
}

/// That NRE is the worst of the three in one round.
fn ratios_are_worst(curves: &[Curve]) -> Option<Claim> {
    let [nre, npe, nle] = ["nre", "npe", "nle"].map(|key| method(curves, key, false));
    let (nre, others) = (nre?, [npe?, nle?]);
    let mut differences = Vec::new();
    let mut parts = Vec::new();
    for point in &nre.points {
        let others: Vec<&Point> =
            others.iter().filter_map(|curve| curve.at(point.simulations)).collect();
        differences.extend(others.iter().map(|other| other.c2st.above(&point.c2st)));
        let numbers: Vec<String> = others.iter().map(|other| other.c2st.text(3)).collect();
        parts.push(format!(
            "{} against {} with {} simulations",
            point.c2st.text(3),
            numbers.join(" and "),
            point.simulations
        ));
    }
    (!differences.is_empty()).then(|| Claim {
        words: RATIOS_WORST,
        evidence: Evidence::Below(differences),
        numbers: format!("NRE {} (NPE, NLE)", parts.join(", ")),
    })
}

/// Points with and without scores, with as many simulations.
type Pair<'a> = (&'a Point, &'a Point);
/// Picks one of several pairs.
type Place = for<'a> fn(&'a [Pair<'a>]) -> Option<&'a Pair<'a>>;

/// What the scores do to C2ST at one of the numbers of simulations that were measured with and
/// without them.
fn scores(
    curves: &[Curve],
    place: Place,
    evidence: fn(Vec<Difference>) -> Evidence,
    words: Words,
) -> Option<Claim> {
    let of = |score: Score| {
        curves.iter().find(|curve| curve.group == Group::Scores && curve.score == score)
    };
    let none = of(Score::None)?;
    let mut differences = Vec::new();
    let mut parts = Vec::new();
    for (score, name) in [
        (Score::Conditional, "conditional"),
        (Score::Whitened, "whitened"),
        (Score::Marginal, "marginal"),
    ] {
        let Some(with) = of(score) else { continue };
        let both = pairs(with, none, |_| true);
        let Some((with, without)) = place(&both).filter(|_| both.len() > 1) else { continue };
        let apart = with.c2st.above(&without.c2st);
        parts.push(format!("{name} {} with {} simulations", apart.text(3), with.simulations));
        differences.push(apart);
    }
    (!parts.is_empty()).then(|| Claim {
        words,
        evidence: evidence(differences),
        numbers: parts.join("; "),
    })
}

/// That the best method reaches the goal with its largest budget.
fn best_reaches_goal(curves: &[Curve]) -> Option<Claim> {
    let (curve, _) = best(curves)?;
    let point = curve.points.last()?;
    let above = Difference { value: point.c2st.spread.mean - GOAL, error: point.c2st.error() };
    Some(Claim {
        words: GOAL_REACHED,
        evidence: Evidence::Below(vec![above]),
        numbers: format!(
            "a C2ST of {} by {} with {} simulations (at most {GOAL} is wanted)",
            Difference { value: point.c2st.spread.mean, ..above }.text(3),
            curve.name,
            point.simulations
        ),
    })
}

/// That there are enough runs for error bars.
fn runs(results: &Results) -> Claim {
    let methods = results.profile.method.iter();
    let fewest = methods.min_by_key(|method| method.runs);
    let (name, runs) = fewest.map_or(("", 0), |method| (method.name.as_str(), method.runs));
    Claim {
        words: ENOUGH_RUNS,
        evidence: Evidence::Limits(vec![Limits {
            value: runs as f64,
            good: RUNS as f64,
            usable: 1.0,
        }]),
        numbers: format!("{} of {name}, the fewest ({RUNS} are wanted)", counted(runs, "run")),
    }
}

/// That the simulator was called as often as it was allowed.
fn counts(results: &Results) -> Claim {
    // One that ended before its posterior has not used all.
    let ended = || results.cells.iter().filter(|cell| cell.judged.is_some());
    let allowed: u64 = ended().map(|cell| cell.simulations).sum();
    let used: u64 = ended().map(|cell| cell.count.simulations).sum();
    let exact = ended().all(|cell| cell.count.simulations == cell.simulations);
    Claim {
        words: ALL_COUNTED,
        evidence: Evidence::Counted(exact),
        numbers: format!("{used} were counted and {allowed} allowed in all cells together"),
    }
}

/// That the reference can be relied on.
fn reference(results: &Results) -> Claim {
    let (effective, r_hat) = (results.reference.effective, results.reference.r_hat);
    let limits = |value, (good, usable)| Limits { value, good, usable };
    Claim {
        words: REFERENCE,
        evidence: Evidence::Limits(vec![limits(effective, EFFECTIVE), limits(r_hat, R_HAT)]),
        numbers: format!(
            "{effective:.0} effective draws of the worst parameter ({:.0} are wanted) and an R-hat \
             of {r_hat:.3} (at most {} is wanted)",
            EFFECTIVE.0, R_HAT.0
        ),
    }
}

/// That our recipe needs fewer gradients for an effective draw than the published one.
fn gradients(results: &Results) -> Option<Claim> {
    let cost = |recipe: Recipe| {
        let own = results.convergence.iter().find(|one| one.recipe == recipe)?;
        let last = own.points.last()?;
        Some((own.before + last.gradients) as f64 / last.worst().max(1.0))
    };
    let (ours, theirs) = (cost(Recipe::Ours)?, cost(Recipe::Published)?);
    Some(Claim {
        words: GRADIENTS,
        evidence: Evidence::Below(vec![Difference::new(ours - theirs, 0.0)]),
        numbers: format!("{ours:.0} against {theirs:.0}, warm-up counted in both"),
    })
}

#[cfg(test)]
mod tests {
    use metrics::{C2stNull, mean, variance};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::convergence::{Convergence, Prefix};
    use super::super::curves::tests::curve;
    use super::super::judge::Yardsticks;
    use super::super::profile::Profile;
    use super::super::results::Reference;
    use super::*;
    use crate::claim::Outcome;
    use crate::report::Grade;
    use full_field::Count;

    #[test]
    fn rounds_that_hurt_ratios_are_not_said_to_help() {
        let rounds = curve("SNRE", "nre", 5, &[(500, &[0.911, 0.913])]);
        let once = curve("NRE", "nre", 1, &[(500, &[0.841, 0.843])]);
        let claim = order(Some(&rounds), Some(&once), |_| true, ROUNDS_OF_RATIOS);
        let verdict = claim.expect("measured").verdict();
        assert_eq!(verdict.grade, Grade::Bad);
        assert_eq!(
            verdict.text,
            "Other than published, rounds do not always help ratios: 0.912 against 0.842 with 500 \
             simulations (0.070 ± 0.001)"
        );
    }

    #[test]
    fn an_order_holds_if_it_does_so_everywhere_it_is_wanted() {
        let low = curve("SNLE", "nle", 5, &[(200, &[0.9, 0.9]), (500, &[0.7, 0.7])]);
        let high = curve("NLE", "nle", 1, &[(200, &[0.8, 0.8]), (500, &[0.75, 0.75])]);
        let judged = |from: u64| {
            let claim = order(Some(&low), Some(&high), move |n| n >= from, ROUNDS_OF_LIKELIHOODS);
            claim.expect("measured").verdict()
        };
        assert_eq!(judged(500).grade, Grade::Good);
        assert_eq!(judged(200).grade, Grade::Bad);
        assert!(judged(500).text.contains("0.700 against 0.750 with 500 simulations"));
        assert!(order(Some(&low), Some(&high), |n| n > 500, ROUNDS_OF_RATIOS).is_none());
        assert!(order(None, Some(&high), |_| true, ROUNDS_OF_RATIOS).is_none());
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
        let grade = |nre: f64| ratios_are_worst(&methods(nre)).expect("measured").verdict().grade;
        assert_eq!(grade(0.9), Grade::Good);
        assert_eq!(grade(0.75), Grade::Bad);
        let reached = best_reaches_goal(&methods(0.5)).expect("measured").verdict();
        assert!(reached.grade == Grade::Good && reached.text.contains("by NRE with 200"));
    }

    /// Runs of every method that a statement is made on, with any order and any scatter.
    fn any_curves(rng: &mut ChaCha8Rng) -> Vec<Curve> {
        let scored = [Score::None, Score::Conditional, Score::Whitened, Score::Marginal];
        let methods = [("npe", 1), ("nle", 1), ("nle", 5), ("nre", 1), ("nre", 5)];
        let all = methods
            .map(|(key, rounds)| (key, rounds, Group::Methods, Score::None))
            .into_iter()
            .chain(scored.map(|score| ("nle", 1, Group::Scores, score)));
        all.map(|(key, rounds, group, score)| {
            let count = rng.random_range(1..4);
            let mut drawn = || -> Vec<f64> {
                let (centre, width) = (rng.random_range(0.53..0.6), rng.random_range(0.0..0.03));
                (0..count).map(|_| centre + width * rng.random_range(-1.0..1.0)).collect()
            };
            let values = [drawn(), drawn()];
            let points = [(500, &values[0][..]), (1000, &values[1][..])];
            Curve { group, score, ..curve("a method", key, rounds, &points) }
        })
        .collect()
    }

    fn any_results(rng: &mut ChaCha8Rng) -> Results {
        let null = || C2stNull { mean: 0.5, sd: 0.0, accuracies: vec![0.5] };
        let mut profile = Profile::load("smoke").expect("a profile");
        profile.method.iter_mut().for_each(|method| method.runs = rng.random_range(1..8));
        let mut convergence = |recipe| Convergence {
            recipe,
            chains: 2,
            before: rng.random_range(0..1000),
            points: vec![Prefix {
                draws: 100,
                gradients: rng.random_range(0..1000),
                c2st: 0.5,
                c2st_error: 0.01,
                ess: [rng.random_range(1.0..100.0); 6],
            }],
        };
        let convergence = vec![convergence(Recipe::Ours), convergence(Recipe::Published)];
        Results {
            profile,
            compressor: Count::default(),
            marginal: None,
            reference: Reference {
                count: Count::default(),
                effective: rng.random_range(1.0..4000.0),
                r_hat: if rng.random() { 1.005 } else { rng.random_range(1.0..1.1) },
            },
            yardsticks: Yardsticks { draws: 100, null: null(), gaussian: null() },
            convergence,
            cells: Vec::new(),
            thresholds: Vec::new(),
        }
    }

    /// What becomes of "lower at all of these points", by the definition.
    fn expected(pairs: &[(&Point, &Point)]) -> Outcome {
        let error = |values: &[f64]| (variance(values) / values.len() as f64).sqrt();
        let told = pairs.iter().map(|(a, b)| {
            let (a, b) = (&a.values, &b.values);
            let known = a.len() > 1 && b.len() > 1;
            (mean(a) - mean(b), if known { 2.0 * error(a).hypot(error(b)) } else { f64::INFINITY })
        });
        let told: Vec<(f64, f64)> = told.collect();
        if told.iter().any(|(apart, clear)| apart > clear) {
            Outcome::Fails
        } else if told.iter().all(|(apart, _)| *apart <= 0.0)
            && told.iter().any(|(apart, clear)| *apart < -clear)
        {
            Outcome::Holds
        } else {
            Outcome::Open
        }
    }

    /// Whatever the numbers are, no sentence contradicts its badge, nor the numbers.
    #[test]
    fn no_sentence_contradicts_its_badge() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            let (curves, results) = (any_curves(&mut rng), any_results(&mut rng));
            let all = claims(&results, &curves);
            for claim in &all {
                let Words { holds, open, fails } = claim.words;
                let verdict = claim.verdict();
                let head = match verdict.grade {
                    Grade::Good => holds,
                    Grade::Doubtful => open,
                    Grade::Bad => fails,
                };
                assert!(verdict.text.starts_with(&format!("{head}: ")), "{verdict:?}");
                for other in [holds, open, fails].into_iter().filter(|other| *other != head) {
                    assert!(!verdict.text.contains(other), "{verdict:?}");
                }
                seen.insert((holds, verdict.grade));
            }
            let find = |key: &str, sequential: bool| method(&curves, key, sequential);
            for (words, a, b) in [
                (ROUNDS_OF_LIKELIHOODS, find("nle", true), find("nle", false)),
                (ROUNDS_OF_RATIOS, find("nre", true), find("nre", false)),
            ] {
                let (a, b) = (a.expect("there"), b.expect("there"));
                let claim = all.iter().find(|claim| claim.words.holds == words.holds);
                let found = claim.expect("both were measured").outcome();
                assert_eq!(found, expected(&pairs(a, b, |_| true)), "{claim:?}");
            }
        }
        // each statement on methods was once true, once open, once false
        for words in [ROUNDS_OF_LIKELIHOODS, ROUNDS_OF_RATIOS, RATIOS_WORST, SCORES_AT_LAST] {
            for grade in [Grade::Good, Grade::Doubtful, Grade::Bad] {
                assert!(seen.contains(&(words.holds, grade)), "{} {grade:?}", words.holds);
            }
        }
    }
}
