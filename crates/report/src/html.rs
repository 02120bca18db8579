//! Setting a report in HTML.

use std::fmt::Write;

use super::{Figure, Grade, Report, Section, Table};
use crate::plot::markup::{escape, plain, to_html};

/// The style sheet: readable width, light and dark by the reader's preference, fit for print.
const STYLE: &str = include_str!("report.css");

impl Report {
    /// The report as one HTML document.
    pub fn html(&self) -> String {
        let mut out = String::new();
        let _ = write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
            escape(&plain(&self.title))
        );
        self.header(&mut out);
        let (mut figures, mut tables) = (0, 0);
        for section in &self.sections {
            body(&mut out, section, &mut figures, &mut tables);
        }
        if !self.references.is_empty() {
            out.push_str("<section>\n<h2>References</h2>\n<ul class=\"references\">\n");
            for reference in &self.references {
                let _ = writeln!(out, "<li>{}</li>", reference.html());
            }
            out.push_str("</ul>\n</section>\n");
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    fn header(&self, out: &mut String) {
        let _ = writeln!(out, "<header>\n<h1>{}</h1>", to_html(&self.title));
        if !self.subtitle.is_empty() {
            let _ = writeln!(out, "<p class=\"subtitle\">{}</p>", to_html(&self.subtitle));
        }
        if !self.facts.is_empty() {
            out.push_str("<dl class=\"facts\">\n");
            for (name, value) in &self.facts {
                let (name, value) = (to_html(name), to_html(value));
                let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
            }
            out.push_str("</dl>\n");
        }
        out.push_str("</header>\n");
    }
}

fn body(out: &mut String, section: &Section, figures: &mut usize, tables: &mut usize) {
    let _ = writeln!(out, "<section>\n<h2>{}</h2>", to_html(&section.heading));
    if let Some((name, path)) = &section.link {
        let (name, path) = (to_html(name), escape(path));
        let _ = writeln!(out, "<p class=\"link\"><a href=\"{path}\">{name}</a></p>");
    }
    for text in &section.paragraphs {
        let _ = writeln!(out, "<p>{}</p>", to_html(text));
    }
    for text in &section.warnings {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", to_html(text));
    }
    if !section.verdicts.is_empty() {
        out.push_str("<ul class=\"verdicts\">\n");
        for verdict in &section.verdicts {
            let (class, mark) = match verdict.grade {
                Grade::Good => ("good", "ok"),
                Grade::Doubtful => ("doubtful", "check"),
                Grade::Bad => ("bad", "bad"),
            };
            let text = to_html(&verdict.text);
            let _ = writeln!(out, "<li class=\"{class}\"><b>{mark}</b><span>{text}</span></li>");
        }
        out.push_str("</ul>\n");
    }
    for figure in &section.figures {
        *figures += 1;
        set_figure(out, figure, *figures);
    }
    for table in &section.tables {
        *tables += 1;
        set_table(out, table, *tables);
    }
    out.push_str("</section>\n");
}

fn set_figure(out: &mut String, figure: &Figure, number: usize) {
    let drawing = match &figure.drawing {
        Ok(svg) => format!("<div class=\"drawing\">{svg}</div>"),
        Err(reason) => {
            let reason = to_html(&reason.to_string());
            format!("<p class=\"warning\">This figure cannot be drawn: {reason}.</p>")
        }
    };
    let _ = writeln!(
        out,
        "<figure>\n{drawing}\n<figcaption><b>Figure {number}.</b> {}</figcaption>\n</figure>",
        to_html(&figure.caption)
    );
}

fn set_table(out: &mut String, table: &Table, number: usize) {
    let _ = write!(
        out,
        "<div class=\"table\"><table>\n<caption><b>Table {number}.</b> {}</caption>\n<thead><tr>",
        to_html(&table.caption)
    );
    for column in &table.columns {
        let _ = write!(out, "<th>{}</th>", to_html(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let tag = if i == 0 { "th" } else { "td" };
            let _ = write!(out, "<{tag}>{}</{tag}>", to_html(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reference, Verdict};

    fn sample() -> Report {
        Report {
            title: "Study <1>".into(),
            subtitle: "Posterior of $Ω_c$".into(),
            facts: vec![("seed".into(), "7".into())],
            sections: vec![Section {
                heading: "Convergence & cost".into(),
                link: Some(("more & more".into(), "../a\"b/report.html".into())),
                paragraphs: vec!["<script>alert(1)</script> in `run_1`".into()],
                warnings: vec!["one chain is stuck".into()],
                verdicts: vec![Verdict { grade: Grade::Bad, text: "R-hat 1.4 > 1.01".into() }],
                figures: vec![Figure {
                    drawing: Ok("<svg></svg>".into()),
                    caption: "A \"figure\"".into(),
                }],
                tables: vec![Table {
                    caption: "means".into(),
                    columns: vec!["".into(), "mean".into()],
                    rows: vec![vec!["$σ_8$".into(), "0.83".into()]],
                }],
            }],
            references: vec![Reference::find("hoffman2014").unwrap()],
        }
    }

    #[test]
    fn every_text_is_escaped_and_every_part_is_set() {
        let html = sample().html();
        assert!(!html.contains("<script"));
        for part in [
            "Study &lt;1&gt;",
            "&lt;script&gt;alert(1)",
            "<code>run_1</code>",
            "Convergence &amp; cost",
            "<a href=\"../a&quot;b/report.html\">more &amp; more</a>",
            "R-hat 1.4 &gt; 1.01",
            "class=\"bad\"",
            "<b>Figure 1.</b> A &quot;figure&quot;",
            "<svg></svg>",
            "<b>Table 1.</b> means",
            "<th><i>σ</i><sub>8</sub></th><td>0.83</td>",
            "No-U-Turn",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn a_figure_that_cannot_be_drawn_says_why_and_keeps_its_number() {
        let mut report = sample();
        let what = "run <1>".to_owned();
        let reason = crate::plot::error::PlotError::TooFewSamples { what, found: 8, needed: 20 };
        let lost = Figure { drawing: Err(reason), caption: "Corner plot".into() };
        report.sections[0].figures.insert(0, lost);
        let html = report.html();
        let reason = "This figure cannot be drawn: run &lt;1&gt;: 8 samples, at least 20";
        for part in [reason, "Figure 1.</b> Corner plot", "Figure 2.</b> A &quot;figure&quot;"] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn every_element_is_closed() {
        let html = sample().html();
        for tag in ["main", "section", "figure", "table", "ul", "dl", "div", "header", "style"] {
            let opened = html.matches(&format!("<{tag}>")).count()
                + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let html = sample().html();
        for outside in ["src=", "@import", "url(", "<link", "<iframe"] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
