//! The sizes of studies: profiles that come with the program, or TOML files.

use std::path::Path;

use anyhow::{Context, Result, bail};

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
