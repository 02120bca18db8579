//! The sizes of studies: profiles that come with the program, or TOML files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::Value;

/// The texts of the profiles of a study that come with the program, with their names, smallest
/// first.
pub type Profiles = [(&'static str, &'static str); 3];

/// What `parse` makes of a profile, found among `known` by its name or read from a TOML file.
///
/// # Errors
/// If there is no such profile, the file cannot be read, or it cannot be parsed.
pub fn load<T>(name: &str, known: &Profiles, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    if let Some((_, text)) = known.iter().find(|(known, _)| *known == name) {
        return parse(text);
    }
    let path = Path::new(name);
    if !path.is_file() {
        let [first, second, third] = known.map(|(known, _)| known);
        bail!(
            "unknown profile '{name}': give {first}, {second}, {third} or the path of a TOML file"
        );
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    parse(&text).with_context(|| format!("{name} is not a usable profile"))
}

/// Refuses settings of a profile that would have no effect, because the study decides them: the end
/// of their dotted path, and who decides.
///
/// # Errors
/// With the first such setting, by its path.
pub fn refuse_decided(text: &str, decided: &[(&str, &str)]) -> Result<()> {
    for path in paths(&Value::Table(text.parse::<toml::Table>()?)) {
        let ends = |end: &str| path == end || path.ends_with(&format!(".{end}"));
        if let Some((_, reason)) = decided.iter().find(|(setting, _)| ends(setting)) {
            bail!("{path} has no effect, leave it out: {reason}");
        }
    }
    Ok(())
}

/// The dotted paths of all settings; entries of lists are counted from 1, as in `method.2.runs`.
fn paths(value: &Value) -> Vec<String> {
    let entries: Vec<(String, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) if values.iter().any(Value::is_table) => {
            values.iter().enumerate().map(|(i, value)| ((i + 1).to_string(), value)).collect()
        }
        _ => return vec![String::new()],
    };
    let join = |name: &str, below: String| match below.is_empty() {
        true => name.to_owned(),
        false => format!("{name}.{below}"),
    };
    entries
        .iter()
        .flat_map(|(name, value)| paths(value).into_iter().map(|below| join(name, below)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_effect_are_named_by_their_path() {
        let text = "sizes = [1, 2]\n[[method]]\nname = 'a'\n[[method]]\n\
                    fit = { training = { seed = 3 } }";
        let decided = [("training.seed", "the seed of the study decides")];
        let error = refuse_decided(text, &decided).unwrap_err().to_string();
        assert_eq!(
            error,
            "method.2.fit.training.seed has no effect, leave it out: the seed of the study decides"
        );
        assert!(refuse_decided(text, &[("seeds", ""), ("name.seed", ""), ("a", "")]).is_ok());
        assert!(refuse_decided("seed = 3", &[("seed", "")]).is_err());
    }
}
