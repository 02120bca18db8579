//! The array that a user points to: a file, or one array of it.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use super::{Array, open_archive, read_npy, read_npz, require_finite};

/// `FILE`, `FILE#NAME` for an array of an `.npz`, `FILE#NAME[K]` and `FILE#[K]` for the `K`-th
/// entry, from 0, along its first axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    file: PathBuf,
    name: Option<String>,
    index: Option<usize>,
}

impl FromStr for Chosen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = Self { file: text.into(), name: None, index: None };
        let Some((file, choice)) = text.rsplit_once('#') else { return Ok(whole) };
        if whole.file.exists() {
            return Ok(whole);
        }
        let (name, index) = match choice.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
            Some((name, index)) => {
                let number = index.parse();
                (name, Some(number.map_err(|_| format!("'{index}' in '{text}' is no index"))?))
            }
            None => (choice, None),
        };
        let name = (!name.is_empty()).then(|| name.to_owned());
        if name.is_none() && index.is_none() {
            return Err(format!("'{text}' names no array after #"));
        }
        Ok(Self { file: file.into(), name, index })
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.name.is_some() || self.index.is_some() {
            write!(f, "#{}", self.name.as_deref().unwrap_or_default())?;
        }
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

impl Chosen {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads it. Of an archive of several arrays it is the one that was named, or else the first of
    /// `usual` that is there.
    ///
    /// # Errors
    /// If the file is missing, damaged or not numeric, or it is not clear which array is meant.
    pub fn read(&self, usual: &[&str]) -> Result<Array> {
        let array = if is_archive(&self.file)? {
            read_npz(&self.file, &self.member(usual)?)?
        } else {
            ensure!(
                self.name.is_none(),
                "{self}: an .npy file holds one array without a name; arrays of an .npz have names"
            );
            read_npy(&self.file)?
        };
        match self.index {
            Some(index) => entry(array, index).with_context(|| self.to_string()),
            None => Ok(array),
        }
    }

    /// As [`Chosen::read`], of finite numbers.
    ///
    /// # Errors
    /// As [`Chosen::read`], and if an element is not finite.
    pub fn read_finite(&self, usual: &[&str]) -> Result<Array> {
        let array = self.read(usual)?;
        require_finite(&array, &self.to_string())?;
        Ok(array)
    }

    /// How a user asks for the entry at `index` of what was read.
    ///
    /// # Errors
    /// As [`Chosen::read`].
    pub fn entry_of(&self, usual: &[&str], index: usize) -> Result<Self> {
        let archive = is_archive(&self.file)?;
        let name = archive.then(|| self.member(usual)).transpose()?;
        Ok(Self { file: self.file.clone(), name, index: Some(index) })
    }

    /// Name of the array in an archive.
    fn member(&self, usual: &[&str]) -> Result<String> {
        let file = &self.file;
        let names = names(file)?;
        let known = |name: &str| names.iter().any(|one| one == name);
        let list = || names.join(", ");
        match (&self.name, &names[..]) {
            (_, []) => bail!("{} holds no array", file.display()),
            (Some(name), _) if known(name) => Ok(name.clone()),
            (Some(name), _) => {
                bail!("{} has no array named '{name}'; it holds {}", file.display(), list())
            }
            (None, [only]) => Ok(only.clone()),
            (None, [first, ..]) => match usual.iter().find(|name| known(name)) {
                Some(name) => Ok((*name).to_owned()),
                None => bail!(
                    "{0} holds the arrays {1}; say which as in {0}#{first}",
                    file.display(),
                    list()
                ),
            },
        }
    }
}

/// Whether a file is a zip archive, as an `.npz` is, by its first bytes.
fn is_archive(path: &Path) -> Result<bool> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut head = Vec::new();
    file.take(4)
        .read_to_end(&mut head)
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!head.is_empty(), "{} is empty", path.display());
    Ok(head == b"PK\x03\x04" || head == b"PK\x05\x06")
}

/// Names of the arrays of an `.npz`, in their order in the file.
fn names(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let archive = open_archive(BufReader::new(file), path)?;
    let names = archive.file_names().collect::<Result<Vec<_>, _>>()?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".npy")).map(String::from).collect())
}

/// The entry at `index` along the first axis.
fn entry(array: Array, index: usize) -> Result<Array> {
    let Array { shape, data } = array;
    let Some((&count, rest)) = shape.split_first() else { bail!("a number has no entries") };
    ensure!(
        index < count,
        "shape {shape:?} has {count} entries along its first axis, counted from 0: there is no \
         {index}"
    );
    let size: usize = rest.iter().product();
    let data = data[index * size..(index + 1) * size].to_vec();
    Ok(Array { shape: rest.to_vec(), data })
}
