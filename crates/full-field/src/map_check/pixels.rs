//! Pixels that no noisy map has: no numbers, marks for missing data, equal ones, rounded ones.

use super::finding::{Finding, FindingKind, Pixel, Severity};
use crate::summaries::median_and_spread;

/// Values that mark missing data.
const SENTINELS: [(f64, &str); 14] = [
    (-1.6375e30, "UNSEEN of HEALPix"),
    (9.969_209_968_386_869e36, "the fill value of netCDF"),
    (1e20, "a fill value"),
    (-1e20, "a fill value"),
    (1e30, "a fill value"),
    (-1e30, "a fill value"),
    (-32768.0, "the smallest 16-bit integer"),
    (-9999.0, "a mark for missing data"),
    (9999.0, "a mark for missing data"),
    (-999.0, "a mark for missing data"),
    (999.0, "a mark for missing data"),
    (-99.0, "a mark for missing data"),
    (99.0, "a mark for missing data"),
    (f32::MAX as f64, "the largest 32-bit number"),
];
/// Relative difference within which a value is a sentinel, that of 32-bit numbers.
const SENTINEL_TOLERANCE: f64 = 1e-7;
/// No convergence in any unit is as large.
const IMPOSSIBLE: f64 = 1e15;
/// Robust standard deviations beyond which a value may be a sentinel.
const SENTINEL_SCORE: f64 = 8.0;
/// Share of pixels with an equal neighbour above which they are an area.
const NEIGHBOURS: f64 = 0.01;
/// How many times more common than the next value the most common one of masked pixels is.
const PROMINENCE: usize = 3;
/// Share of the pixels of a bin that may be lost before the posterior means nothing.
const LOST: f64 = 0.01;
/// Different values within a standard deviation below which a bin is rounded.
const LEVELS: usize = 50;
/// Share of equal neighbours above which repeated values are repeated pixels, not rounded ones.
const REPEATED: f64 = 0.9;

/// A map, with what its pixels say by themselves.
pub struct Examined {
    /// What was found.
    pub findings: Vec<Finding>,
    /// The map with the median of its bin in place of pixels that are missing; none where too
    /// little is left to go on.
    pub rest: Option<Vec<f64>>,
}

/// Examines maps `[bin][y][x]` of `npix` x `npix` pixels.
pub fn examine(maps: &[f64], npix: usize) -> Examined {
    if let Some(kind) = not_finite(maps, npix) {
        let findings = vec![Finding { severity: Severity::Hopeless, kind }];
        return Examined { findings, rest: None };
    }
    let mut findings = Vec::new();
    if let Some(kind) = constant(maps, npix) {
        findings.push(Finding { severity: Severity::Hopeless, kind });
        return Examined { findings, rest: None };
    }
    let mut rest = maps.to_vec();
    let mut complete = true;
    for (value, meaning, at) in sentinels(maps, npix) {
        complete &= (at.len() as f64) < LOST * (npix * npix) as f64;
        for &index in &at {
            rest[index] = f64::NAN;
        }
        let (count, first) = (at.len(), pixel(at[0], npix));
        let kind = FindingKind::Sentinel { value, meaning: meaning.into(), count, first };
        findings.push(Finding { severity: Severity::Hopeless, kind });
    }
    for (bin, map) in rest.chunks_exact_mut(npix * npix).enumerate() {
        let good: Vec<f64> = map.iter().copied().filter(|x| x.is_finite()).collect();
        if good.is_empty() {
            complete = false;
            continue;
        }
        let (median, _) = median_and_spread(&good);
        if let Some(levels) = rounded_levels(map, npix, &good) {
            add_rounded(&mut findings, bin, levels);
        } else if let Some((count, value)) = equal_pixels(map, npix) {
            let at = map.iter().position(|x| *x == value).unwrap_or_default();
            let first = Pixel { bin, ..pixel(at, npix) };
            let share = count as f64 / map.len() as f64;
            complete &= share <= LOST;
            add_equal(&mut findings, bin, (count, share), value, first);
        }
        map.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = median);
    }
    Examined { findings, rest: complete.then_some(rest) }
}

/// Position of a pixel.
pub fn pixel(index: usize, npix: usize) -> Pixel {
    Pixel { bin: index / (npix * npix), y: index / npix % npix, x: index % npix }
}

fn not_finite(maps: &[f64], npix: usize) -> Option<FindingKind> {
    let first = maps.iter().position(|x| !x.is_finite())?;
    Some(FindingKind::NotFinite {
        nan: maps.iter().filter(|x| x.is_nan()).count(),
        infinite: maps.iter().filter(|x| x.is_infinite()).count(),
        first: pixel(first, npix),
    })
}

fn constant(maps: &[f64], npix: usize) -> Option<FindingKind> {
    let each = maps.chunks_exact(npix * npix).enumerate();
    let bins: Vec<usize> =
        each.filter(|(_, map)| map.iter().all(|x| *x == map[0])).map(|(bin, _)| bin).collect();
    let value = maps[*bins.first()? * npix * npix];
    Some(FindingKind::Constant { bins, value })
}

/// Marks for missing data with where they stand.
fn sentinels(maps: &[f64], npix: usize) -> Vec<(f64, &'static str, Vec<usize>)> {
    let mut found: Vec<(f64, &'static str, Vec<usize>)> = Vec::new();
    for (bin, map) in maps.chunks_exact(npix * npix).enumerate() {
        let possible: Vec<f64> = map.iter().copied().filter(|x| sentinel(*x).is_none()).collect();
        if possible.len() == map.len() {
            continue;
        }
        let (median, spread) =
            if possible.is_empty() { (0.0, 0.0) } else { median_and_spread(&possible) };
        for (index, &value) in map.iter().enumerate() {
            let Some(meaning) = sentinel(value) else { continue };
            if (value - median).abs() <= SENTINEL_SCORE * spread {
                continue;
            }
            let at = bin * npix * npix + index;
            match found.iter_mut().find(|(known, ..)| *known == value) {
                Some((_, _, places)) => places.push(at),
                None => found.push((value, meaning, vec![at])),
            }
        }
    }
    found
}

/// What a value means if it may mark missing data.
fn sentinel(value: f64) -> Option<&'static str> {
    let near = |mark: f64| (value - mark).abs() <= SENTINEL_TOLERANCE * mark.abs();
    let known = SENTINELS.iter().find(|(mark, _)| near(*mark));
    let impossible = (value.abs() >= IMPOSSIBLE).then_some("larger than any convergence");
    known.map(|(_, meaning)| *meaning).or(impossible)
}

/// Different values of a bin within a standard deviation of the median, if they are few and most
/// of them occur again and again.
fn rounded_levels(map: &[f64], npix: usize, good: &[f64]) -> Option<usize> {
    let (median, spread) = median_and_spread(good);
    let mut near: Vec<f64> =
        good.iter().copied().filter(|x| (x - median).abs() <= spread).collect();
    near.sort_unstable_by(f64::total_cmp);
    let counts: Vec<usize> = near.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let rounded = counts.len() < LEVELS && 2 * repeated > counts.len() && counts.len() > 2;
    let pixels = map.len() as f64;
    (rounded && (equal_neighbours(map, npix) as f64) < REPEATED * pixels).then_some(counts.len())
}

/// How many pixels are equal to a neighbour, or hold a value that is far more common than any
/// other; and the most common value.
fn equal_pixels(map: &[f64], npix: usize) -> Option<(usize, f64)> {
    let mut sorted: Vec<f64> = map.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut counts: Vec<(usize, f64)> =
        sorted.chunk_by(|a, b| a == b).map(|equal| (equal.len(), equal[0])).collect();
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let &(common, value) = counts.first()?;
    let next = counts.get(1).map_or(0, |(count, _)| *count);
    let neighbours = equal_neighbours(map, npix);
    let area = neighbours as f64 > NEIGHBOURS * map.len() as f64 && common > 2;
    let prominent = common > PROMINENCE * next.max(1);
    match (area, prominent) {
        (true, _) => Some((common.max(neighbours), value)),
        (false, true) => Some((common, value)),
        (false, false) => None,
    }
}

fn equal_neighbours(map: &[f64], npix: usize) -> usize {
    (0..map.len()).filter(|&k| has_equal_neighbour(map, npix, k)).count()
}

fn has_equal_neighbour(map: &[f64], npix: usize, k: usize) -> bool {
    let (y, x) = (k / npix, k % npix);
    let same = |other: usize| map[other] == map[k];
    (x > 0 && same(k - 1))
        || (x + 1 < npix && same(k + 1))
        || (y > 0 && same(k - npix))
        || (y + 1 < npix && same(k + npix))
}

/// Adds a bin to the finding of rounded ones.
fn add_rounded(findings: &mut Vec<Finding>, bin: usize, found: usize) {
    for finding in &mut *findings {
        if let FindingKind::Rounded { bins, levels } = &mut finding.kind {
            bins.push(bin);
            *levels = found.min(*levels);
            return;
        }
    }
    let kind = FindingKind::Rounded { bins: vec![bin], levels: found };
    findings.push(Finding { severity: Severity::Doubtful, kind });
}

/// Adds a bin with equal pixels to the finding of those with the same value.
fn add_equal(
    findings: &mut Vec<Finding>,
    bin: usize,
    (number, part): (usize, f64),
    common: f64,
    first: Pixel,
) {
    let severity = if part > LOST { Severity::Hopeless } else { Severity::Doubtful };
    for finding in &mut *findings {
        if let FindingKind::EqualPixels { bins, count, share, value, .. } = &mut finding.kind
            && *value == common
        {
            bins.push(bin);
            *count += number;
            *share = part.max(*share);
            finding.severity = severity.max(finding.severity);
            return;
        }
    }
    let bins = vec![bin];
    let kind = FindingKind::EqualPixels { bins, count: number, share: part, value: common, first };
    findings.push(Finding { severity, kind });
}
