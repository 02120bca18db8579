//! A part of a study, for one of several processes.

use std::fmt;
use std::str::FromStr;

/// Shard `index` of `count`: of a list of tasks, those whose place is `index` modulo `count`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// True if the task at this place of a list belongs to the shard.
    #[must_use]
    pub fn owns(self, place: usize) -> bool {
        place % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("'{text}' is not a shard; write I/N, such as 0/4");
        let (index, count) = text.split_once('/').ok_or_else(form)?;
        let number = |word: &str| word.trim().parse::<usize>().map_err(|_| form());
        let (index, count) = (number(index)?, number(count)?);
        if index >= count {
            return Err(format!("the shards of {count} are numbered from 0; there is no {index}"));
        }
        Ok(Self { index, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_one_shard() {
        let shards: Vec<Shard> = (0..3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        for place in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.owns(place)).count(), 1);
        }
        assert_eq!(shards[2].to_string(), "2/3");
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for (text, expected) in
            [("4/4", "numbered from 0"), ("0/0", "no 0"), ("1", "I/N"), ("-1/2", "I/N")]
        {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
