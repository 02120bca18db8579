//! Tasks at once: every one made, none twice, the same whoever makes them.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail, ensure};

use super::*;
use crate::files::write_text;
use crate::{Runner, Shard, State, derive_seed};

/// Tasks whose result is their seed; `counts` how often each really worked.
fn tasks<'a>(study: &Study, counts: &'a [AtomicUsize]) -> Result<Vec<Planned<'a>>> {
    let one = |(i, count): (usize, &'a AtomicUsize)| {
        Ok(study.plan(&format!("t{i}"), 1, &i, &[], 3, move |workspace| {
            count.fetch_add(1, Ordering::SeqCst);
            workspace.advance(2);
            let text = derive_seed(i as u64, "task").to_string();
            write_text(&workspace.path("seed.txt"), &text)
        })?)
    };
    counts.iter().enumerate().map(one).collect()
}

fn counts(n: usize) -> Vec<AtomicUsize> {
    (0..n).map(|_| AtomicUsize::new(0)).collect()
}

fn total(counts: &[AtomicUsize]) -> Vec<usize> {
    counts.iter().map(|count| count.load(Ordering::SeqCst)).collect()
}

fn texts(outputs: &[Output]) -> Result<Vec<String>> {
    outputs.iter().map(|output| Ok(fs::read_to_string(output.path("seed.txt"))?)).collect()
}

fn shard(folder: &Path, text: &str) -> Result<Study> {
    let shard = text.parse::<Shard>().expect("a shard");
    Ok(Study::open_shard(folder, shard, Runner::default())?)
}

#[test]
fn outputs_have_the_order_of_the_tasks_and_do_not_depend_on_the_crew() -> Result<()> {
    let mut results = Vec::new();
    for crew in [Crew::InTurn, Crew::one_per_thread(), Crew::SideBySide(4)] {
        let folder = tempfile::tempdir()?;
        let study = Study::open(folder.path(), false, Runner::default())?;
        let counts = counts(9);
        results.push(texts(&study.run_all("seeds", crew, tasks(&study, &counts)?)?)?);
        assert_eq!(total(&counts), [1; 9]);
        let again = study.run_all("seeds", crew, tasks(&study, &counts)?)?;
        assert!(again.iter().all(|output| output.reused));
        assert_eq!(total(&counts), [1; 9], "found, not made");
    }
    let expected: Vec<String> = (0..9).map(|i| derive_seed(i, "task").to_string()).collect();
    assert!(results.iter().all(|result| *result == expected));
    Ok(())
}

#[test]
fn tasks_side_by_side_have_one_thread_each_and_run_at_the_same_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = Study::open(folder.path(), false, Runner::default())?;
    // Passed only by three tasks at once.
    let barrier = Barrier::new(3);
    let plan = |i: usize| {
        let barrier = &barrier;
        study.plan(&format!("t{i}"), 1, &i, &[], 1, move |_| -> Result<()> {
            barrier.wait();
            ensure!(rayon::current_num_threads() == 1, "the pool is not its own");
            Ok(())
        })
    };
    let tasks = (0..3).map(plan).collect::<crate::Result<_>>()?;
    assert_eq!(study.run_all("barrier", Crew::SideBySide(3), tasks)?.len(), 3);
    Ok(())
}

#[test]
fn failures_and_panics_are_collected_and_the_other_results_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = Study::open(folder.path(), false, Runner::default())?;
    let attempt = |cured: bool| {
        let plan = |i: usize| {
            study.plan(&format!("t{i}"), 1, &i, &[], 1, move |workspace| -> Result<()> {
                let before: u32 = workspace.load("begun").unwrap_or(0);
                workspace.resume(before as usize);
                workspace.save("begun", &(before + 1))?;
                match i {
                    1 if !cured => bail!("no luck"),
                    2 if !cured => panic!("out of range"),
                    _ => Ok(write_text(&workspace.path("n.txt"), &before.to_string())?),
                }
            })
        };
        study.run_all("some", Crew::SideBySide(2), (0..5).map(plan).collect::<crate::Result<_>>()?)
    };
    let error = attempt(false).err().expect("two tasks fail").to_string();
    for part in ["2 of 5 tasks of 'some' failed", "t1: no luck", "t2: it panicked: out of range"] {
        assert!(error.contains(part), "'{part}' not in {error}");
    }
    let outputs = attempt(true)?;
    let reused: Vec<bool> = outputs.iter().map(|output| output.reused).collect();
    assert_eq!(reused, [true, false, false, true, true]);
    assert_eq!(fs::read_to_string(outputs[2].path("n.txt"))?, "1", "it continued");
    Ok(())
}

#[test]
fn a_list_with_the_same_task_twice_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = Study::open(folder.path(), false, Runner::default())?;
    let twice = (0..2)
        .map(|_| study.plan("same", 1, &(), &[], 1, |_| anyhow::Ok(())))
        .collect::<crate::Result<Vec<_>>>()?;
    let error = study.run_all("pair", Crew::InTurn, twice).err().expect("it is refused");
    assert!(error.to_string().contains("twice"), "{error}");
    Ok(())
}

#[test]
fn shards_make_their_share_and_no_more_and_say_what_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let counts = counts(7);
    let run = |text: &str| -> Result<(bool, Vec<State>)> {
        let study = shard(folder.path(), text)?;
        let outputs = study.run_share("part", Crew::SideBySide(2), tasks(&study, &counts)?)?;
        Ok((outputs.is_some(), study.seen().iter().map(|task| task.state).collect()))
    };
    let missing = |states: &[State]| states.iter().filter(|s| **s == State::Missing).count();
    let (complete, states) = run("1/3")?;
    assert!(!complete);
    assert_eq!((states.len(), missing(&states)), (7, 5));
    assert_eq!(total(&counts), [0, 1, 0, 0, 1, 0, 0]);
    run("0/3")?;
    let (complete, states) = run("2/3")?;
    assert_eq!((complete, missing(&states)), (false, 0));
    // Alone, and only then, the study has all outputs.
    let study = Study::open(folder.path(), false, Runner::default())?;
    let outputs = study.run_share("part", Crew::InTurn, tasks(&study, &counts)?)?;
    assert_eq!(outputs.map(|outputs| outputs.len()), Some(7));
    assert_eq!(total(&counts), [1; 7]);
    Ok(())
}

#[test]
fn shards_at_the_same_time_make_nothing_twice_and_wait_for_each_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let counts = counts(40);
    let common = AtomicUsize::new(0);
    let run = |text: String| -> Result<Vec<String>> {
        let study = shard(folder.path(), &text)?;
        let first = study.run("first", 1, &(), &[], |workspace| {
            common.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(50));
            write_text(&workspace.path("a.txt"), "a")
        })?;
        assert_eq!(fs::read_to_string(first.path("a.txt"))?, "a");
        texts(&study.run_all("all", Crew::SideBySide(3), tasks(&study, &counts)?)?)
    };
    let results: Vec<Vec<String>> = std::thread::scope(|scope| {
        let shards: Vec<_> = (0..3).map(|i| scope.spawn(move || run(format!("{i}/3")))).collect();
        shards.into_iter().map(|shard| shard.join().expect("no panic")).collect::<Result<_>>()
    })?;
    assert_eq!(common.load(Ordering::SeqCst), 1);
    assert_eq!(total(&counts), [1; 40]);
    assert!(results.iter().all(|result| result.len() == 40 && *result == results[0]));
    Ok(())
}

#[test]
fn a_shard_alone_makes_everything_that_later_stages_need() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let counts = counts(5);
    let study = shard(folder.path(), "1/2")?;
    assert_eq!(study.run_all("all", Crew::InTurn, tasks(&study, &counts)?)?.len(), 5);
    assert_eq!(total(&counts), [1; 5]);
    Ok(())
}

#[test]
fn looking_makes_nothing_and_works_beside_a_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let counts = counts(3);
    let look = || {
        let study = Study::look_into(folder.path(), Runner::default());
        let ending = study.run_all("all", Crew::InTurn, tasks(&study, &counts)?);
        if let Err(error) = &ending {
            assert!(matches!(error, Error::Unfinished), "{error:#}");
        }
        let seen = study.seen().iter().map(|task| task.state).collect::<Vec<State>>();
        Ok::<_, anyhow::Error>((ending.is_ok(), seen))
    };
    assert_eq!(look()?, (false, vec![State::Missing; 3]));
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "nothing is written");
    let study = Study::open(folder.path(), false, Runner::default())?;
    let first = tasks(&study, &counts)?.into_iter().take(1).collect();
    study.run_all("one", Crew::InTurn, first)?;
    let failing = study.plan("t1", 1, &1usize, &[], 1, |_| -> Result<()> { bail!("stopped") })?;
    assert!(study.run_all("two", Crew::InTurn, vec![failing]).is_err());
    let (finished, seen) = look()?;
    assert!(!finished && matches!(seen[..], [State::Done(_), State::Begun, State::Missing]));
    study.run_all("all", Crew::InTurn, tasks(&study, &counts)?)?;
    assert!(look()?.0);
    Ok(())
}
