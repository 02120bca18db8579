//! Tables and captions written from samples.

use super::Table;
use super::words::signed;
use crate::plot::axis::{fixed, with_error};
use crate::plot::corner::{Parameter, Posterior};
use crate::plot::density::quantile;

/// Mean and standard deviation of every parameter in every posterior, the central interval if
/// there is one posterior only, and the distance from the truth where that is known.
pub fn posterior_table(parameters: &[Parameter], posteriors: &[Posterior]) -> Table {
    let known = parameters.iter().any(|p| p.truth.is_some());
    let alone = posteriors.len() == 1;
    let mut columns = vec!["parameter".to_owned()];
    columns.extend(known.then(|| "truth".to_owned()));
    for posterior in posteriors {
        columns.push(posterior.name.clone());
        columns.extend(alone.then(|| "16 % … 84 %".to_owned()));
        columns.extend(known.then(|| "offset".to_owned()));
    }
    let rows = parameters.iter().enumerate().map(|(i, parameter)| {
        let mut row = vec![parameter.label.clone()];
        row.extend(known.then(|| parameter.truth.map_or(NONE.to_owned(), |t| fixed(t, 4))));
        for posterior in posteriors {
            let mut x = posterior.column(i, parameters.len());
            x.sort_by(f64::total_cmp);
            let (mean, sd) = moments(&x);
            row.push(if x.is_empty() { NONE.to_owned() } else { with_error(mean, sd) });
            row.extend(alone.then(|| interval(&x, sd)));
            row.extend(known.then(|| offset(mean, sd, parameter.truth)));
        }
        row
    });
    let mut caption = "Mean ± standard deviation".to_owned();
    if alone {
        caption.push_str(", central 68 % interval");
    }
    if known {
        caption.push_str(", distance of the mean from the truth in standard deviations");
    }
    caption.push('.');
    Table { caption, columns, rows: rows.collect() }
}

/// What stands in a table where there is no number.
const NONE: &str = "–";

/// The central 68 % of sorted samples, to two digits of their standard deviation.
fn interval(sorted: &[f64], sd: f64) -> String {
    if sorted.is_empty() {
        return NONE.to_owned();
    }
    let decimals = if sd > 0.0 { (1.0 - sd.log10().floor()).clamp(0.0, 9.0) } else { 4.0 };
    let end = |q| fixed(quantile(sorted, q), decimals as usize);
    format!("{} … {}", end(0.16), end(0.84))
}

/// Distance of a mean from the truth in standard deviations.
fn offset(mean: f64, sd: f64, truth: Option<f64>) -> String {
    let Some(truth) = truth.filter(|_| sd > 0.0) else { return NONE.to_owned() };
    format!("{} $σ$", signed((mean - truth) / sd, 2))
}

/// Caption of a corner plot.
pub fn corner_caption(parameters: &[Parameter], posteriors: &[Posterior]) -> String {
    let names: Vec<String> = posteriors
        .iter()
        .map(|p| {
            let n = p.samples.len() / parameters.len().max(1);
            match p.effective {
                Some(e) => format!("{} ({n} draws, at least {e:.0} independent)", p.name),
                None => format!("{} ({n} draws)", p.name),
            }
        })
        .collect();
    let truth = if parameters.iter().any(|p| p.truth.is_some()) {
        " Dashed lines mark the true values."
    } else {
        ""
    };
    format!(
        "Posterior of {}. Inner and outer regions hold 68 % and 95 % of the probability; the \
         diagonal shows each parameter alone, scaled to its peak.{truth}",
        names.join(" and ")
    )
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    #[test]
    fn the_table_holds_moments_quantiles_and_offsets() {
        let samples: Vec<f64> = (0..=100).map(|i| 0.01 * f64::from(i)).collect();
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let parameter = Parameter { label: "a".into(), bounds: free, truth: Some(0.6) };
        let run = Posterior { name: "run".into(), samples: &samples, effective: Some(50.0) };
        let table = posterior_table(from_ref(&parameter), from_ref(&run));
        assert_eq!(table.columns, ["parameter", "truth", "run", "16 % … 84 %", "offset"]);
        // Standard deviation of 0, 0.01, .. 1: 0.29300.
        assert_eq!(table.rows[0], ["a", "0.6000", "0.50 ± 0.29", "0.16 … 0.84", "−0.34 $σ$"]);
        let exact = Parameter { truth: Some(0.500_1), ..parameter.clone() };
        let table = posterior_table(from_ref(&exact), from_ref(&run));
        assert_eq!(table.rows[0][4], "0.00 $σ$", "zero has no sign");
        let both = posterior_table(from_ref(&parameter), &[run.clone(), run.clone()]);
        assert_eq!(both.columns, ["parameter", "truth", "run", "offset", "run", "offset"]);
        assert_eq!(both.rows[0].len(), both.columns.len());
        let caption = corner_caption(&[parameter], &[run]);
        assert!(caption.contains("run (101 draws, at least 50 independent)"));
    }
}
