//! Numbers and lists as they stand in sentences.

use crate::plot::axis::fixed;

/// Names in a list: "a, b and c"; "none" of nothing.
#[must_use]
pub fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// So many of something, whose plural ends with s: "1 run", "3 runs".
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A small number in words: "none", "one", "two", then digits from ten on.
#[must_use]
pub fn number(count: usize) -> String {
    let words = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    words.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// A number with a fixed count of decimals and its sign, which zero has not.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    if zero || value.is_nan() || value < 0.0 { text } else { format!("+{text}") }
}

/// A value with its error, if there is one, to so many decimals; an error that would be written as
/// zero is bounded instead.
#[must_use]
pub fn plus_minus(value: f64, error: Option<f64>, decimals: usize) -> String {
    let value = fixed(value, decimals);
    let least = 10f64.powi(-(decimals as i32));
    match error {
        None => value,
        Some(error) if error < 0.5 * least => format!("{value} ± <{}", fixed(least, decimals)),
        Some(error) => format!("{value} ± {}", fixed(error, decimals)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed() {
        let names = ["a", "b", "c"].map(String::from);
        assert_eq!([0, 1, 2, 3].map(|n| list(&names[..n])), ["none", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn one_is_singular_and_zero_is_none() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "run")), ["0 runs", "1 run", "2 runs"]);
        assert_eq!([0, 1, 3, 12].map(number), ["none", "one", "three", "12"]);
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(signed(-0.001, 2), "0.00");
        assert_eq!(signed(0.004, 2), "0.00");
        assert_eq!(signed(-0.0, 2), "0.00");
        assert_eq!(signed(-0.344, 2), "−0.34");
        assert_eq!(signed(0.344, 2), "+0.34");
        assert_eq!(signed(f64::NAN, 2), "NaN");
    }

    #[test]
    fn no_error_is_written_as_zero() {
        assert_eq!(plus_minus(0.475, None, 3), "0.475");
        assert_eq!(plus_minus(0.475, Some(0.012), 3), "0.475 ± 0.012");
        assert_eq!(plus_minus(0.475, Some(0.000_51), 3), "0.475 ± 0.001");
        assert_eq!(plus_minus(0.475, Some(0.000_2), 3), "0.475 ± <0.001");
        assert_eq!(plus_minus(-0.001, Some(0.2), 2), "0.00 ± 0.20");
        assert_eq!(plus_minus(98.0, Some(0.0), 0), "98 ± <1");
    }
}
