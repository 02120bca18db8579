//! The literature behind a run: entries of `data/references.bib`, cited by key.
//!
//! A study names the keys of the methods that it really used; the report lists them and
//! [`bibliography`] gives their BibTeX entries.

use crate::plot::markup::to_html;

/// All entries the project knows.
const BIBLIOGRAPHY: &str = include_str!("../../../data/references.bib");

/// An entry of the bibliography.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its key.
    pub key: String,
    /// Its BibTeX text.
    pub bibtex: String,
}

impl Reference {
    /// The entry with this key.
    pub fn find(key: &str) -> Option<Self> {
        entries().find(|r| r.key == key)
    }

    /// A field of the entry without braces, such as `title`.
    pub fn field(&self, name: &str) -> Option<String> {
        let line = self.bibtex.lines().map(str::trim).find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then_some(value.trim())
        })?;
        // Braces only group, except within mathematics.
        let mut mathematics = false;
        let kept = line.trim_end_matches(',').chars().filter(|&c| {
            mathematics ^= c == '$';
            mathematics || !matches!(c, '{' | '}')
        });
        let text: String = kept.collect();
        let text = text.replace("--", "–");
        Some(if name == "author" { text.replace(" and ", "; ") } else { text })
    }

    /// Authors, title, place and a link, escaped.
    pub fn html(&self) -> String {
        let field = |name| self.field(name).map(|t| to_html(&t));
        let mut out = String::new();
        if let Some(author) = field("author") {
            out.push_str(&format!("{}. ", author.trim_end_matches('.')));
        }
        if let Some(title) = field("title") {
            out.push_str(&format!("<i>{title}</i>. "));
        }
        if let Some(place) = field("journal").or_else(|| field("booktitle")) {
            out.push_str(&place);
            if let Some(volume) = field("volume") {
                out.push_str(&format!(" {volume}"));
            }
            if let Some(pages) = field("pages") {
                out.push_str(&format!(", {pages}"));
            }
            out.push_str(", ");
        }
        if let Some(year) = field("year") {
            out.push_str(&format!("{year}. "));
        }
        if let Some(doi) = field("doi") {
            out.push_str(&format!("<a href=\"https://doi.org/{doi}\">doi:{doi}</a>"));
        } else if let Some(id) = field("eprint") {
            out.push_str(&format!("<a href=\"https://arxiv.org/abs/{id}\">arXiv:{id}</a>"));
        } else if let Some(url) = field("url") {
            out.push_str(&format!("<a href=\"{url}\">{url}</a>"));
        }
        out.trim_end().to_owned()
    }
}

/// Keys without an entry in the bibliography.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("no bibliography entry for {0:?}")]
pub struct Unknown(pub Vec<String>);

/// The entries with these keys, in the order of first mention and each once.
///
/// # Errors
/// With the keys that have no entry.
pub fn select(keys: &[&str]) -> Result<Vec<Reference>, Unknown> {
    let mut found: Vec<Reference> = Vec::new();
    let mut unknown = Vec::new();
    for key in keys {
        match Reference::find(key) {
            Some(r) if !found.contains(&r) => found.push(r),
            Some(_) => {}
            None => unknown.push((*key).to_owned()),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(Unknown(unknown)) }
}

/// BibTeX text of the references.
pub fn bibliography(references: &[Reference]) -> String {
    references.iter().map(|r| format!("{}\n\n", r.bibtex.trim_end())).collect()
}

fn entries() -> impl Iterator<Item = Reference> {
    BIBLIOGRAPHY.split("\n@").filter_map(|text| {
        let text = text.trim_start_matches('@');
        let (head, _) = text.split_once(',')?;
        let (kind, key) = head.split_once('{')?;
        let known = kind.chars().all(|c| c.is_ascii_alphabetic());
        let end = text.rfind("\n}")?;
        let bibtex = format!("@{}\n}}", &text[..end]);
        known.then(|| Reference { key: key.trim().to_owned(), bibtex })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_complete_and_its_key_is_its_own() {
        let all: Vec<Reference> = entries().collect();
        assert_eq!(
            all.len(),
            BIBLIOGRAPHY.matches("\n@").count() + usize::from(BIBLIOGRAPHY.starts_with('@'))
        );
        for r in &all {
            for name in ["author", "title", "year"] {
                assert!(r.field(name).is_some_and(|v| !v.is_empty()), "{}: {name}", r.key);
            }
            let link = ["doi", "eprint", "url"].iter().find_map(|name| r.field(name));
            assert!(link.is_some(), "{}: no link", r.key);
            assert_eq!(r.bibtex.matches('{').count(), r.bibtex.matches('}').count(), "{}", r.key);
            assert_eq!(all.iter().filter(|o| o.key == r.key).count(), 1, "{}", r.key);
        }
    }

    #[test]
    fn references_are_selected_once_and_unknown_keys_are_named() {
        let two = select(&["hoffman2014", "hilbert2011", "hoffman2014"]).unwrap();
        assert_eq!(two.len(), 2);
        let text = bibliography(&two);
        assert!(
            text.starts_with("@article{hoffman2014,") && text.contains("@article{hilbert2011,")
        );
        let error = select(&["nobody2000"]).unwrap_err();
        assert_eq!(error.to_string(), "no bibliography entry for [\"nobody2000\"]");
        assert!(two[0].html().contains("Hoffman"));
        let kernel = Reference::find("gretton2012").unwrap().html();
        assert!(kernel.contains("<a href=\"https://jmlr.org/papers/v13/gretton12a.html\">"));
    }
}
