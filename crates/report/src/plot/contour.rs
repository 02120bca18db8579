//! Marching squares: the closed level lines of a function given on a grid.

/// A closed line: its points, the last joined to the first.
pub type Line = Vec<(f64, f64)>;

/// The lines on which the bilinear interpolation of `values` (`[row][column]`, `columns` wide)
/// crosses `level`, as closed loops of (column, row) positions in units of the grid spacing.
///
/// The outermost rows and columns count as lying below the level, so that every loop closes.
/// Where a cell could be crossed in two ways, the mean of its corners decides.
pub fn level_lines(values: &[f64], columns: usize, level: f64) -> Vec<Line> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    if rows < 3 || columns < 3 {
        return Vec::new();
    }
    let inside = |r: usize, c: usize| {
        r > 0 && r + 1 < rows && c > 0 && c + 1 < columns && values[r * columns + c] > level
    };
    // An edge of the grid is named by its first node, doubled, plus 1 if it runs along a column.
    let along_row = |r: usize, c: usize| 2 * (r * columns + c);
    let along_column = |r: usize, c: usize| 2 * (r * columns + c) + 1;
    // Each crossed edge is left through `next`; the inside lies on a fixed side of the line.
    let mut next = vec![usize::MAX; 2 * rows * columns];
    for r in 0..rows - 1 {
        for c in 0..columns - 1 {
            let corners = [inside(r, c), inside(r, c + 1), inside(r + 1, c + 1), inside(r + 1, c)];
            let edges =
                [along_row(r, c), along_column(r, c + 1), along_row(r + 1, c), along_column(r, c)];
            // Edge i joins corners i and i + 1: the line leaves where we step out of the inside
            // and enters where we step in, going around the cell.
            let leaves: Vec<usize> =
                (0..4).filter(|&i| corners[i] && !corners[(i + 1) % 4]).collect();
            let enters: Vec<usize> =
                (0..4).filter(|&i| !corners[i] && corners[(i + 1) % 4]).collect();
            match (leaves.as_slice(), enters.as_slice()) {
                ([out], [into]) => next[edges[*out]] = edges[*into],
                ([out, _], [_, _]) => {
                    let at = r * columns + c;
                    let mean = 0.25
                        * (values[at]
                            + values[at + 1]
                            + values[at + columns]
                            + values[at + columns + 1]);
                    // Each line cuts off an outside corner if the middle is inside, and an
                    // inside corner otherwise.
                    let step = if mean > level { 1 } else { 3 };
                    for out in [*out, out + 2] {
                        next[edges[out]] = edges[(out + step) % 4];
                    }
                }
                _ => {}
            }
        }
    }
    let position = |edge: usize| {
        let (r, c) = ((edge / 2) / columns, (edge / 2) % columns);
        let (r1, c1) = if edge.is_multiple_of(2) { (r, c + 1) } else { (r + 1, c) };
        let value = |r: usize, c: usize| {
            let border = r == 0 || r + 1 == rows || c == 0 || c + 1 == columns;
            if border { values[r * columns + c].min(level) } else { values[r * columns + c] }
        };
        let (a, b) = (value(r, c), value(r1, c1));
        let t = if a == b { 0.5 } else { ((level - a) / (b - a)).clamp(0.0, 1.0) };
        (c as f64 + t * (c1 - c) as f64, r as f64 + t * (r1 - r) as f64)
    };
    let mut loops = Vec::new();
    for start in 0..next.len() {
        let mut line = Vec::new();
        let mut edge = start;
        while next[edge] != usize::MAX {
            line.push(position(edge));
            edge = std::mem::replace(&mut next[edge], usize::MAX);
        }
        if line.len() > 2 {
            loops.push(line);
        }
    }
    loops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(n: usize, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        (0..n * n).map(|i| f((i % n) as f64, (i / n) as f64)).collect()
    }

    #[test]
    fn a_cone_has_a_circle() {
        let (n, radius) = (64, 20.3);
        let (cx, cy) = (31.2, 30.7);
        let cone = sampled(n, |x, y| -(x - cx).hypot(y - cy));
        let loops = level_lines(&cone, n, -radius);
        assert_eq!(loops.len(), 1);
        for &(x, y) in &loops[0] {
            assert!(((x - cx).hypot(y - cy) - radius).abs() < 0.01);
        }
        let area: f64 = loops[0]
            .iter()
            .zip(loops[0].iter().cycle().skip(1))
            .map(|(a, b)| 0.5 * (a.0 * b.1 - a.1 * b.0))
            .sum();
        assert!((area.abs() / (std::f64::consts::PI * radius * radius) - 1.0).abs() < 2e-3);
    }

    #[test]
    fn a_ring_has_two_loops_and_a_saddle_is_resolved() {
        let ring = sampled(64, |x, y| -((x - 31.5).hypot(y - 31.5) - 18.0).abs());
        assert_eq!(level_lines(&ring, 64, -4.0).len(), 2);
        let mut checkered = sampled(6, |_, _| 0.0);
        checkered[2 * 6 + 2] = 1.0;
        checkered[3 * 6 + 3] = 1.0;
        assert_eq!(level_lines(&checkered, 6, 0.4).len(), 1, "joined through the middle");
        assert_eq!(level_lines(&checkered, 6, 0.6).len(), 2, "apart");
    }

    #[test]
    fn loops_close_at_the_border_and_no_level_gives_no_line() {
        let flat = vec![1.0; 100];
        assert_eq!(level_lines(&flat, 10, 0.5).len(), 1);
        assert!(level_lines(&flat, 10, 2.0).is_empty());
        assert!(level_lines(&[], 0, 0.0).is_empty());
    }
}
