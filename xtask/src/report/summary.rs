//! Tables and captions written from samples.

use super::Table;
use crate::plot::axis::{fixed, with_error};
use crate::plot::corner::{Parameter, Posterior};
use crate::plot::density::quantile;

/// Mean, standard deviation and quantiles of every parameter, a block of columns for each
/// posterior, with the truth and each posterior's distance from it where it is known.
pub fn posterior_table(parameters: &[Parameter], posteriors: &[Posterior]) -> Table {
    let known = parameters.iter().any(|p| p.truth.is_some());
    let mut columns = vec!["parameter".to_owned()];
    if known {
        columns.push("truth".to_owned());
    }
    for posterior in posteriors {
        columns.push(posterior.name.clone());
        columns.push("16 % … 84 %".to_owned());
        if known {
            columns.push("offset".to_owned());
        }
    }
    let rows = parameters.iter().enumerate().map(|(i, parameter)| {
        let mut row = vec![parameter.label.clone()];
        if known {
            row.push(parameter.truth.map_or("–".to_owned(), |t| fixed(t, 4)));
        }
        for posterior in posteriors {
            let mut x = posterior.column(i, parameters.len());
            if x.is_empty() {
                row.extend(["–".to_owned(), "–".to_owned()]);
                row.extend(known.then(|| "–".to_owned()));
                continue;
            }
            x.sort_by(f64::total_cmp);
            let (mean, sd) = moments(&x);
            row.push(with_error(mean, sd));
            let decimals = if sd > 0.0 { (1.0 - sd.log10().floor()).clamp(0.0, 9.0) } else { 4.0 };
            let end = |q| fixed(quantile(&x, q), decimals as usize);
            row.push(format!("{} … {}", end(0.16), end(0.84)));
            if known {
                let offset = |t: f64| {
                    let sign = if mean < t { "−" } else { "+" };
                    format!("{sign}{:.2} $σ$", ((mean - t) / sd).abs())
                };
                row.push(parameter.truth.filter(|_| sd > 0.0).map_or("–".to_owned(), offset));
            }
        }
        row
    });
    let caption = if known {
        "Mean ± standard deviation, central 68 % interval, and distance of the mean from the \
         truth in standard deviations."
    } else {
        "Mean ± standard deviation and central 68 % interval."
    };
    Table { caption: caption.to_owned(), columns, rows: rows.collect() }
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

    #[test]
    fn the_table_holds_moments_quantiles_and_offsets() {
        let samples: Vec<f64> = (0..=100).map(|i| 0.01 * f64::from(i)).collect();
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let parameter = Parameter { label: "a".into(), bounds: free, truth: Some(0.6) };
        let run = Posterior { name: "run".into(), samples: &samples, effective: Some(50.0) };
        let table = posterior_table(&[parameter.clone()], &[run.clone()]);
        assert_eq!(table.columns, ["parameter", "truth", "run", "16 % … 84 %", "offset"]);
        // Standard deviation of 0, 0.01, .. 1: 0.29300.
        assert_eq!(table.rows[0], ["a", "0.6000", "0.50 ± 0.29", "0.16 … 0.84", "−0.34 $σ$"]);
        let caption = corner_caption(&[parameter], &[run]);
        assert!(caption.contains("run (101 draws, at least 50 independent)"));
    }
}
