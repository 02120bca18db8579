//! A little TeX for labels and sentences: `$Ω_c$`, `$10^{-4}$`, `$σ_8$`, `` `code` ``.
//!
//! Inside `$…$`, `_` and `^` lower and raise the next character or `{group}`, and letters are set
//! in italics as is usual for symbols (capital Greek letters and subscripts of several letters
//! stay upright). Everything else is taken literally, so that file names may contain underscores.
//! One parser serves the figures (SVG) and the report (HTML).

use std::fmt::Write;

/// Vertical position of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Base,
    Sub,
    Super,
}

/// A piece of text set in one style.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    text: String,
    italic: bool,
    level: Level,
    code: bool,
}

/// Size of sub- and superscripts relative to the text.
const SCRIPT_SIZE: f64 = 0.72;

/// Label of a parameter in the field's notation: cosmological parameters, Greek letters and
/// single letters, with a short index after `_` if there is one; other names stay as they are.
pub fn parameter_label(name: &str) -> String {
    let known = match name {
        "omega_c" => "$Ω_c$",
        "omega_b" => "$Ω_b$",
        "omega_m" => "$Ω_m$",
        "s_8" => "$S_8$",
        "h_0" | "h" => "$h$",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let (stem, index) = name.split_once('_').unwrap_or((name, ""));
    let greek = GREEK.iter().find(|(word, _)| *word == stem).map(|(_, letter)| *letter);
    let single = (stem.len() == 1 && stem.is_ascii()).then_some(stem);
    let plain = |c: char| c.is_ascii_alphanumeric();
    match greek.or(single) {
        Some(symbol) if name == stem => format!("${symbol}$"),
        Some(symbol) if (1..=3).contains(&index.len()) && index.chars().all(plain) => {
            format!("${symbol}_{{{index}}}$")
        }
        _ => name.to_owned(),
    }
}

/// Greek letters by name.
const GREEK: [(&str, &str); 24] = [
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("delta", "δ"),
    ("epsilon", "ε"),
    ("zeta", "ζ"),
    ("eta", "η"),
    ("theta", "θ"),
    ("iota", "ι"),
    ("kappa", "κ"),
    ("lambda", "λ"),
    ("mu", "μ"),
    ("nu", "ν"),
    ("xi", "ξ"),
    ("omicron", "ο"),
    ("pi", "π"),
    ("rho", "ρ"),
    ("sigma", "σ"),
    ("tau", "τ"),
    ("upsilon", "υ"),
    ("phi", "φ"),
    ("chi", "χ"),
    ("psi", "ψ"),
    ("omega", "ω"),
];

/// Escapes the five characters that XML reserves.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed in XML.
            c if (c as u32) < 0x20 && !matches!(c, '\n' | '\t') => {}
            c => out.push(c),
        }
    }
    out
}

/// The text without its markup.
pub fn plain(text: &str) -> String {
    parse(text).into_iter().map(|run| run.text).collect()
}

/// HTML of a text, escaped.
pub fn to_html(text: &str) -> String {
    let mut out = String::new();
    for run in parse(text) {
        let body = escape(&run.text);
        let body = if run.italic { format!("<i>{body}</i>") } else { body };
        let body = if run.code { format!("<code>{body}</code>") } else { body };
        match run.level {
            Level::Base => out.push_str(&body),
            Level::Sub => {
                let _ = write!(out, "<sub>{body}</sub>");
            }
            Level::Super => {
                let _ = write!(out, "<sup>{body}</sup>");
            }
        }
    }
    out
}

/// The children of an SVG `<text>` element, escaped.
pub fn to_svg(text: &str) -> String {
    let mut out = String::new();
    let mut offset = 0.0; // current baseline shift, in em of the base size
    for run in parse(text) {
        let target = match run.level {
            Level::Base => 0.0,
            Level::Sub => 0.22,
            Level::Super => -0.38,
        };
        let body = escape(&run.text);
        if target == offset && !run.italic && run.level == Level::Base {
            out.push_str(&body);
            continue;
        }
        out.push_str("<tspan");
        let scale = if run.level == Level::Base { 1.0 } else { SCRIPT_SIZE };
        if target != offset {
            let _ = write!(out, " dy=\"{:.2}em\"", (target - offset) / scale);
        }
        if run.level != Level::Base {
            let _ = write!(out, " font-size=\"{:.0}%\"", 100.0 * SCRIPT_SIZE);
        }
        if run.italic {
            out.push_str(" font-style=\"italic\"");
        }
        let _ = write!(out, ">{body}</tspan>");
        offset = target;
    }
    out
}

/// Approximate width of a text in em, for placing legends (sans-serif metrics to about 10 %).
pub fn width_em(text: &str) -> f64 {
    let scale = |level| if level == Level::Base { 1.0 } else { SCRIPT_SIZE };
    parse(text).iter().map(|r| scale(r.level) * r.text.chars().map(char_width).sum::<f64>()).sum()
}

fn char_width(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.26,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | ' ' | '-' | '/' | 'ı' => 0.33,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.87,
        'A'..='Z' | 'Ω' | '×' | '±' | '−' | '=' | '+' | '<' | '>' => 0.66,
        '⁰'..='⁹' | '⁻' | '¹' | '²' | '³' => 0.36,
        _ => 0.55,
    }
}

fn parse(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut push = |text: &str, italic: bool, level: Level, code: bool| {
        if text.is_empty() {
            return;
        }
        match runs.last_mut() {
            Some(r) if r.italic == italic && r.level == level && r.code == code => {
                r.text.push_str(text);
            }
            _ => runs.push(Run { text: text.to_owned(), italic, level, code }),
        }
    };
    let mut rest = text;
    while let Some(at) = rest.find(['$', '`']) {
        let mark = if rest.as_bytes()[at] == b'$' { '$' } else { '`' };
        let Some(len) = rest[at + 1..].find(mark) else { break };
        push(&rest[..at], false, Level::Base, false);
        let inside = &rest[at + 1..at + 1 + len];
        if mark == '`' {
            push(inside, false, Level::Base, true);
        } else {
            math(inside, &mut push);
        }
        rest = &rest[at + len + 2..];
    }
    push(rest, false, Level::Base, false);
    runs
}

fn math(text: &str, push: &mut impl FnMut(&str, bool, Level, bool)) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let level = match c {
            '_' => Level::Sub,
            '^' => Level::Super,
            c => {
                push(&c.to_string(), is_symbol(c), Level::Base, false);
                continue;
            }
        };
        let mut group = String::new();
        if chars.peek() == Some(&'{') {
            chars.next();
            group.extend(chars.by_ref().take_while(|&c| c != '}'));
        } else {
            group.extend(chars.next());
        }
        let single = group.chars().count() == 1;
        for c in group.chars() {
            let c = if c == '-' { '−' } else { c };
            push(&c.to_string(), single && is_symbol(c), level, false);
        }
    }
}

/// Letters that stand for quantities are italic; capital Greek letters are upright as in TeX.
fn is_symbol(c: char) -> bool {
    c.is_ascii_alphabetic() || ('α'..='ω').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mathematics_becomes_sub_and_superscripts() {
        assert_eq!(to_html("$Ω_c$"), "Ω<sub><i>c</i></sub>");
        assert_eq!(to_html("$σ_8$ of 10$^{-3}$"), "<i>σ</i><sub>8</sub> of 10<sup>−3</sup>");
        assert_eq!(to_html("$n_{eff}$"), "<i>n</i><sub>eff</sub>");
        assert_eq!(plain("$w_0$ and `run_1.npz`"), "w0 and run_1.npz");
    }

    #[test]
    fn text_outside_mathematics_is_literal_and_escaped() {
        assert_eq!(to_html("a_b <i> & \"x\""), "a_b &lt;i&gt; &amp; &quot;x&quot;");
        assert_eq!(to_html("costs 5$ and no more"), "costs 5$ and no more");
        assert_eq!(to_svg("<script>"), "&lt;script&gt;");
        assert_eq!(to_html("`a<b`"), "<code>a&lt;b</code>");
    }

    #[test]
    fn svg_returns_to_the_baseline_after_a_subscript() {
        let svg = to_svg("$a_8$ b");
        let shifts: f64 = svg
            .match_indices("dy=\"")
            .map(|(i, _)| {
                let tail = &svg[i + 4..];
                tail[..tail.find("em").unwrap()].parse::<f64>().unwrap()
            })
            .zip([SCRIPT_SIZE, 1.0])
            .map(|(dy, scale)| dy * scale)
            .sum();
        assert!(shifts.abs() < 0.01, "{svg}");
    }

    #[test]
    fn every_sampled_parameter_has_a_symbol() {
        for name in ["omega_c", "omega_b", "sigma_8", "h_0", "n_s", "w_0"] {
            assert!(parameter_label(name).starts_with('$'), "{name}");
        }
        for (name, label) in [
            ("sigma_8", "$σ_{8}$"),
            ("alpha", "$α$"),
            ("theta_10", "$θ_{10}$"),
            ("x", "$x$"),
            ("rate", "rate"),
            ("alpha_", "alpha_"),
            ("theta_$", "theta_$"),
            ("birth_rate", "birth_rate"),
            ("e_coli", "e_coli"),
        ] {
            assert_eq!(parameter_label(name), label);
        }
    }
}
