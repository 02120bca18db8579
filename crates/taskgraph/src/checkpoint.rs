//! States that survive a kill: exact, checked, and never without a predecessor.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, chain};
use crate::files::write_atomic;

const MAGIC: &[u8; 8] = b"ffstate1";
const HASH: usize = blake3::OUT_LEN;

fn previous(path: &Path) -> PathBuf {
    path.with_added_extension("previous")
}

/// Stores a state bit for bit (floats included); the one before it is kept beside it.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn save<T: Serialize>(path: &Path, state: &T) -> Result<()> {
    let payload = postcard::to_stdvec(state)
        .map_err(|source| Error::State { path: path.to_owned(), source })?;
    if path.exists() {
        fs::rename(path, previous(path)).map_err(Error::io("rename", path))?;
    }
    write_atomic(path, |writer| {
        writer.write_all(MAGIC)?;
        writer.write_all(blake3::hash(&payload).as_bytes())?;
        writer.write_all(&payload)
    })
}

/// The last state stored at `path`, or its predecessor if the last one is damaged or was never
/// finished; none if there is neither. Damage is told to `remark`.
pub(crate) fn load<T: DeserializeOwned>(path: &Path, remark: impl Fn(&str)) -> Option<T> {
    [path.to_path_buf(), previous(path)].iter().find_map(|path| match read(path) {
        Ok(state) => Some(state),
        Err(_) if !path.exists() => None,
        Err(damage) => {
            let (path, damage) = (path.display(), chain(&damage));
            remark(&format!("warning: checkpoint {path} is not used: {damage}"));
            None
        }
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let damaged = |damage: &str| Error::Damaged { damage: damage.to_owned() };
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    if bytes.len() <= MAGIC.len() + HASH || !bytes.starts_with(MAGIC) {
        return Err(damaged("it is cut short"));
    }
    let (hash, payload) = bytes[MAGIC.len()..].split_at(HASH);
    if blake3::hash(payload).as_bytes() != hash {
        return Err(damaged("its checksum is wrong"));
    }
    postcard::from_bytes(payload).map_err(|_| damaged("it is of another version"))
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    fn load_checkpoint<T: DeserializeOwned>(path: &Path) -> Option<T> {
        load(path, |_| ())
    }

    #[test]
    fn states_come_back_bit_for_bit_and_damage_falls_back() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("chain");
        assert_eq!(load_checkpoint::<Vec<f64>>(&path), None);
        let first = vec![0.1, f64::MIN_POSITIVE, -0.0];
        save(&path, &first)?;
        let second = vec![f64::NAN, 1.0 / 3.0];
        save(&path, &second)?;
        let back: Vec<f64> = load_checkpoint(&path).expect("just stored");
        assert!(back.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits()));

        let mut bytes = fs::read(&path)?;
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&path, &bytes)?;
        assert_eq!(load_checkpoint(&path), Some(first.clone()), "one flipped bit");
        fs::write(&path, b"")?;
        assert_eq!(load_checkpoint(&path), Some(first.clone()), "nothing written");
        fs::remove_file(&path)?;
        assert_eq!(load_checkpoint(&path), Some(first), "killed between the renames");
        Ok(())
    }
}
