//! How Markov chains behaved: traces, and ranks of each chain among all draws.

use super::axis::{Axis, Panel, Scale};
use super::error::{PlotError, Result, check_finite};
use super::svg::{Anchor, Font, INK, PALETTE, Rect, Stroke, Svg};

/// Chains of a sampler, all of the same parameters.
#[derive(Debug, Clone)]
pub struct Chains<'a> {
    /// Labels of the parameters.
    pub parameters: Vec<String>,
    /// One array `[draw][parameter]` per chain.
    pub chains: Vec<&'a [f64]>,
}

/// Most points drawn of one trace.
const TRACE_POINTS: usize = 700;
/// Bars of a rank plot.
const RANK_BINS: usize = 20;
const LEFT: f64 = 64.0;
const GAP: f64 = 66.0;
const TOP: f64 = 22.0;

impl Chains<'_> {
    /// The draws of one parameter, chain by chain.
    fn column(&self, parameter: usize) -> Vec<Vec<f64>> {
        let d = self.parameters.len();
        let one = |c: &&[f64]| c.iter().skip(parameter).step_by(d).copied().collect();
        self.chains.iter().map(one).collect()
    }

    fn check(&self) -> Result<()> {
        let d = self.parameters.len();
        for (i, chain) in self.chains.iter().enumerate() {
            let what = format!("chain {}", i + 1);
            if d == 0 || !chain.len().is_multiple_of(d) || chain.len() < 2 * d {
                let expected = format!("at least two draws of {d} parameters");
                return Err(PlotError::Shape { what, expected, found: chain.len() });
            }
            check_finite(&what, chain.iter().copied())?;
        }
        if self.chains.is_empty() {
            let (what, expected) = ("chains".to_owned(), "at least one".to_owned());
            return Err(PlotError::Shape { what, expected, found: 0 });
        }
        Ok(())
    }
}

/// Draws every parameter of every chain against the number of the draw; long chains are thinned.
/// `truth` adds dashed lines.
///
/// # Errors
/// Chains of the wrong shape or with values that are not finite.
pub fn traces(chains: &Chains, truth: &[Option<f64>]) -> Result<String> {
    chains.check()?;
    let d = chains.parameters.len();
    let draws = chains.chains.iter().map(|c| c.len() / d).max().unwrap_or(2);
    let x = Axis::new("draw", 0.0, draws as f64, Scale::Linear)?;
    let stride = draws.div_ceil(TRACE_POINTS);
    let opacity = if chains.chains.len() > 2 { 0.7 } else { 0.85 };
    small_multiples("Traces", &chains.parameters, "draw", 92.0, |svg, area, i| {
        let columns = chains.column(i);
        let what = &chains.parameters[i];
        let y = Axis::around(what, columns.iter().flatten().copied(), 0.05, Scale::Linear)?;
        let panel = Panel { area, x, y };
        for (c, column) in columns.iter().enumerate() {
            let at: Vec<f64> = (0..column.len()).step_by(stride).map(|k| k as f64).collect();
            let values: Vec<f64> = column.iter().step_by(stride).copied().collect();
            let stroke = Stroke::solid(PALETTE[c % PALETTE.len()], 0.8).faded(opacity);
            panel.curve(svg, &at, &values, stroke);
        }
        if let Some(Some(v)) = truth.get(i) {
            panel.horizontal(svg, *v, Stroke::solid(INK, 1.1).dashed("4 3"));
        }
        Ok(panel)
    })
}

/// Draws, for every parameter, how often each chain's draws fall into each of the 20 groups of
/// the ranked draws of all chains. Chains that agree are flat; the grey band holds 95 % of the
/// counts of independent draws (Vehtari et al. 2021).
///
/// # Errors
/// Chains of the wrong shape or with values that are not finite.
pub fn ranks(chains: &Chains) -> Result<String> {
    chains.check()?;
    let x = Axis::new("rank", 0.0, 1.0, Scale::Linear)?;
    small_multiples("Rank plots", &chains.parameters, "rank / all draws", 92.0, |svg, area, i| {
        let columns = chains.column(i);
        let shares = rank_shares(&columns);
        let draws = columns.iter().map(Vec::len).min().unwrap_or(1) as f64;
        let p = 1.0 / RANK_BINS as f64;
        let half = 1.96 * (p * (1.0 - p) / draws).sqrt() / p;
        let top = shares.iter().flatten().fold(1.0 + 2.0 * half, |m, v| m.max(*v));
        let y = Axis::new("share", 0.0, 1.08 * top, Scale::Linear)?;
        let panel = Panel { area, x, y };
        let (upper, lower) = (panel.py(1.0 + half), panel.py((1.0 - half).max(0.0)));
        svg.rect(Rect::new(area.x, upper, area.width, lower - upper), INK, 0.12, None);
        for (c, share) in shares.iter().enumerate() {
            let steps: Vec<_> = share
                .iter()
                .enumerate()
                .flat_map(|(k, &v)| [(k, v), (k + 1, v)])
                .map(|(k, v)| panel.at(k as f64 * p, v))
                .collect();
            svg.polyline(&steps, Stroke::solid(PALETTE[c % PALETTE.len()], 1.2));
        }
        Ok(panel)
    })
}

/// Counts of each chain in each rank group, relative to equal shares.
fn rank_shares(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut order: Vec<(f64, usize, usize)> = Vec::new();
    for (c, column) in columns.iter().enumerate() {
        order.extend(column.iter().enumerate().map(|(k, &v)| (v, k, c)));
    }
    // Equal values (rejected proposals) are ordered by draw, which favours no chain.
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut shares = vec![vec![0.0; RANK_BINS]; columns.len()];
    for (rank, &(_, _, c)) in order.iter().enumerate() {
        let group = rank * RANK_BINS / order.len();
        shares[c][group] += RANK_BINS as f64 / columns[c].len() as f64;
    }
    shares
}

/// A panel for each parameter, in two columns (one if there is one parameter).
fn small_multiples(
    title: &str,
    parameters: &[String],
    x_label: &str,
    height: f64,
    mut draw: impl FnMut(&mut Svg, Rect, usize) -> Result<Panel>,
) -> Result<String> {
    let columns = parameters.len().min(2);
    let rows = parameters.len().div_ceil(2);
    let width = if columns == 1 { 700.0 } else { 372.0 };
    let total =
        (LEFT + columns as f64 * (width + GAP) - GAP + 14.0, TOP + rows as f64 * (height + 26.0));
    let mut svg = Svg::new(total.0, total.1, title);
    for (i, label) in parameters.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let x = LEFT + column as f64 * (width + GAP);
        let area = Rect::new(x, TOP - 10.0 + row as f64 * (height + 26.0), width, height);
        let panel = draw(&mut svg, area, i)?;
        panel.frame(&mut svg);
        let bottom = i + columns >= parameters.len();
        panel.x_ticks(&mut svg, 6, Some(12.0));
        panel.y_ticks(&mut svg, 4, true);
        if bottom {
            let at = (area.x + 0.5 * area.width, area.bottom() + 28.0);
            svg.text(at, x_label, Font::new(11.5, Anchor::Middle));
        }
        panel.y_label(&mut svg, label, 46.0);
    }
    Ok(svg.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_interleaved_chains_are_flat_and_of_separate_ones_are_not() {
        let even: Vec<f64> = (0..1000).map(|i| f64::from(2 * i)).collect();
        let odd: Vec<f64> = (0..1000).map(|i| f64::from(2 * i + 1)).collect();
        assert!(rank_shares(&[even.clone(), odd]).iter().flatten().all(|v| (v - 1.0).abs() < 1e-9));
        let far: Vec<f64> = even.iter().map(|v| v + 1e6).collect();
        let apart = rank_shares(&[even, far]);
        for (share, expected) in [(apart[0][0], 2.0), (apart[0][19], 0.0), (apart[1][19], 2.0)] {
            assert!((share - expected).abs() < 1e-9, "{share}, expected {expected}");
        }
    }

    #[test]
    fn every_chain_is_drawn_and_long_ones_are_thinned() {
        let long: Vec<f64> = (0..20_000).map(|i| (f64::from(i) * 0.1).sin()).collect();
        let chains = Chains { parameters: vec!["a".into(), "b".into()], chains: vec![&long; 3] };
        let svg = traces(&chains, &[Some(0.0), None]).unwrap();
        assert!(svg.len() < 150_000, "{}", svg.len());
        assert!(ranks(&chains).is_ok());
    }

    #[test]
    fn unusable_chains_are_named() {
        let (good, bad) = ([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, f64::INFINITY, 3.0]);
        let chains =
            |c| Chains { parameters: vec!["a".into(), "b".into()], chains: vec![&good, c] };
        assert_eq!(traces(&chains(&bad), &[]).unwrap_err().to_string(), "chain 2: value 2 is inf");
        assert!(ranks(&chains(&good[..3])).is_err());
        assert!(ranks(&Chains { parameters: vec![], chains: vec![] }).is_err());
    }
}
