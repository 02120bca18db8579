//! What is kept, what is made again, and what a kill leaves.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Result, ensure};

use super::*;
use crate::files::write_text;
use crate::{Bar, Observer, Silent};

fn open(folder: &Path, fresh: bool) -> Result<Study> {
    Ok(Study::open(folder, fresh, Runner::default())?)
}

/// Work that leaves nothing.
fn nothing(_: &Workspace) -> Result<()> {
    Ok(())
}

/// Runs a task that writes its configuration, counting how often it really works.
fn double(study: &Study, x: f64, inputs: &[&Output], count: &Cell<usize>) -> Result<Output> {
    Ok(study.run("double", 1, &x, inputs, |workspace| {
        count.set(count.get() + 1);
        write_text(&workspace.path("out.txt"), &format!("{}", 2.0 * x))
    })?)
}

#[test]
fn only_what_is_missing_or_changed_is_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = open(folder.path(), false)?;
    let count = Cell::new(0);
    let first = double(&study, 1.0, &[], &count)?;
    assert!(!first.reused && first.manifest.seconds >= 0.0);
    assert!(double(&study, 1.0, &[], &count)?.reused);
    let other = double(&study, 3.0, &[], &count)?;
    assert!(double(&study, 1.0, &[], &count)?.reused, "an earlier configuration is still there");
    assert_eq!(count.get(), 2);
    assert_eq!(fs::read_to_string(other.path("out.txt"))?, "6");

    // A task that reads another is made again when what it reads has changed.
    study.run("next", 1, &(), &[&first], nothing)?;
    assert!(study.run("next", 1, &(), &[&first], nothing)?.reused);
    assert!(!study.run("next", 1, &(), &[&other], nothing)?.reused);
    assert!(!study.run("next", 2, &(), &[&first], nothing)?.reused, "another method");
    Ok(())
}

#[test]
fn a_failed_task_keeps_its_checkpoints_and_no_result() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = open(folder.path(), false)?;
    let attempt = |fail: bool| {
        study.run("long", 1, &(), &[], |workspace| -> Result<()> {
            let steps: u32 = workspace.load("state").unwrap_or(0);
            workspace.save("state", &(steps + 1))?;
            ensure!(!fail, "interrupted");
            Ok(write_text(&workspace.path("steps.txt"), &steps.to_string())?)
        })
    };
    assert!(format!("{:#}", attempt(true).err().expect("it fails")).contains("'long'"));
    assert!(attempt(true).is_err());
    let output = attempt(false)?;
    assert_eq!(fs::read_to_string(output.path("steps.txt"))?, "2");
    assert!(!output.path(CHECKPOINTS).exists());
    assert_eq!(output.manifest.outputs.len(), 1);
    Ok(())
}

#[test]
fn a_damaged_result_is_made_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = open(folder.path(), false)?;
    let count = Cell::new(0);
    let output = double(&study, 1.0, &[], &count)?;
    write_text(&output.path("out.txt"), "3")?;
    assert!(!double(&study, 1.0, &[], &count)?.reused);
    fs::remove_file(output.path("out.txt"))?;
    assert!(!double(&study, 1.0, &[], &count)?.reused);
    write_text(&output.path(MANIFEST), "{")?;
    assert!(!double(&study, 1.0, &[], &count)?.reused);
    assert_eq!(fs::read_to_string(output.path("out.txt"))?, "2");
    Ok(())
}

#[test]
fn two_runs_do_not_share_a_folder_unless_both_are_shards() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let process = std::process::id().to_string();
    let refused = |study: Result<Study>, who: &str| {
        let refusal = format!("{:#}", study.err().expect("it is held"));
        assert!(refusal.contains(&process) && refusal.contains(who), "{refusal}");
    };
    let shard = |text: &str| -> Result<Study> {
        let shard = text.parse().expect("a shard");
        Ok(Study::open_shard(folder.path(), shard, Runner::default())?)
    };
    let study = open(folder.path(), false)?;
    refused(open(folder.path(), false), "another run");
    refused(shard("0/2"), "another run");
    drop(study);
    let shards = (shard("0/2")?, shard("1/2")?);
    refused(open(folder.path(), false), "shards");
    drop(shards);
    open(folder.path(), false).map(drop)
}

#[test]
fn inputs_that_cannot_be_told_apart_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = open(folder.path(), false)?;
    let count = Cell::new(0);
    let (a, b) = (double(&study, 1.0, &[], &count)?, double(&study, 2.0, &[], &count)?);
    let refused = study.run("next", 1, &(), &[&a, &b], nothing);
    assert!(refused.err().expect("it is refused").to_string().contains("two tasks named 'double'"));
    Ok(())
}

#[test]
fn a_folder_holds_the_products_of_one_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("page");
    let products = ["page", "more"];
    write_text(&page, "of the user")?;
    let begin = |run: &str, fresh: bool| -> Result<bool> {
        open(folder.path(), fresh)?.begin(&run, &products)?;
        Ok(page.exists())
    };
    assert!(begin("first", false)?, "nothing is removed from a folder that was never a study");
    assert!(begin("first", false)?, "the same run goes on");
    assert!(!begin("second", false)?, "another run begins");
    write_text(&page, "of the second run")?;
    assert!(begin("second", false)? && !begin("first", false)?);
    write_text(&page, "of the first run")?;
    assert!(!begin("first", true)?, "what is there is forgotten");
    write_text(&page, "of an unknown run")?;
    fs::remove_file(folder.path().join(RUN))?;
    assert!(!begin("first", false)?, "a run that did not say which it was");
    write_text(&page, "of the first run")?;
    Study::look_into(folder.path(), Runner::default()).begin(&"second", &products)?;
    assert!(page.exists(), "looking changes nothing");
    Ok(())
}

#[test]
fn fresh_forgets() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let count = Cell::new(0);
    double(&open(folder.path(), false)?, 1.0, &[], &count)?;
    assert!(!double(&open(folder.path(), true)?, 1.0, &[], &count)?.reused);
    Ok(())
}

/// A runner of the program whose sources have this hash.
fn runner(code: &str, strict: bool, told: &Arc<Mutex<Vec<String>>>) -> Runner {
    let program = Program { version: "1".into(), revision: code.into(), code: code.into() };
    Runner { program, strict, observer: Box::new(Told(told.clone())) }
}

/// Writes down what it is told.
struct Told(Arc<Mutex<Vec<String>>>);

impl Observer for Told {
    fn remark(&self, message: &str) {
        self.0.lock().expect("no panic").push(message.to_owned());
    }

    fn stage(&self, _: &str, _: usize) -> Box<dyn Bar> {
        Box::new(Silent)
    }
}

#[test]
fn results_of_other_sources_are_reused_with_a_remark_or_made_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (count, told) = (Cell::new(0), Arc::default());
    let run = |code: &str, strict: bool| -> Result<(bool, Vec<String>)> {
        let study = Study::open(folder.path(), false, runner(code, strict, &told))?;
        let first = double(&study, 1.0, &[], &count)?;
        let second = double(&study, 2.0, &[], &count)?;
        assert_eq!(first.reused, second.reused);
        Ok((first.reused, std::mem::take(&mut *told.lock().expect("no panic"))))
    };
    assert_eq!(run("old", false)?, (false, vec![]));
    assert_eq!(run("old", true)?, (true, vec![]), "the same sources");
    let (reused, remarks) = run("new", false)?;
    assert!(reused && remarks.len() == 1, "once for the study: {remarks:?}");
    assert!(remarks[0].contains("another revision (old, this is new)"), "{remarks:?}");
    let (reused, remarks) = run("new", true)?;
    assert!(!reused && remarks.len() == 2 && remarks[0].contains("set aside"), "{remarks:?}");
    assert_eq!(run("new", false)?, (true, vec![]));
    assert_eq!(count.get(), 4);
    Ok(())
}

#[test]
fn a_manifest_says_when_and_by_what_it_was_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let study = Study::open(folder.path(), false, runner("abc", false, &Arc::default()))?;
    let output = double(&study, 1.0, &[], &Cell::new(0))?;
    let text = fs::read_to_string(output.path(MANIFEST))?;
    let manifest: serde_json::Value = serde_json::from_str(&text)?;
    assert_eq!(manifest["revision"], "abc");
    let date = manifest["date"].as_str().expect("a date");
    let age = SystemTime::now().duration_since(humantime::parse_rfc3339(date)?)?;
    assert!(age.as_secs() < 600, "{date}");
    Ok(())
}
