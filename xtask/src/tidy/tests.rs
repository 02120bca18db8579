//! Each rule against a tree that breaks it, and the real tree against all of them.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::check;

const MANIFEST: &str = "[package]\nname = \"hmc\"\ndescription = \"d\"\nlicense = \"MIT\"\n\
    edition = \"2024\"\nrust-version = \"1.95\"\n[lints]\nworkspace = true\n";

/// A tidy tree of one crate, changed by writing `text` to `path`.
fn problems_with(path: &str, text: &str) -> Result<Vec<String>> {
    let root = tempfile::tempdir()?;
    let files = [
        ("crates/hmc/Cargo.toml", MANIFEST),
        ("crates/hmc/README.md", "# hmc\nSee `crates/hmc/src/lib.rs` and [it](src/lib.rs).\n"),
        ("crates/hmc/src/lib.rs", "//! A library.\n"),
        (path, text),
    ];
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        fs::write(path, text)?;
    }
    check(root.path())
}

#[test]
fn every_rule_can_fail() -> Result<()> {
    let long = "//! Long.\n".repeat(801);
    let unfinished = format!("//! A.\n// {}: finish\n", concat!("TO", "DO"));
    let ignored = format!("//! A.\n{}]\nfn f() {{}}\n", concat!("#[", "ignore"));
    let imports = format!("{MANIFEST}[dependencies]\nautodiff.workspace = true\n");
    let cases: &[(&str, &str, &str)] = &[
        ("crates/hmc/src/a.rs", "fn f() {}\n", "opens with //!"),
        ("crates/hmc/src/a.rs", &long, "801 lines"),
        ("crates/hmc/src/a.rs", &unfinished, "finish it"),
        ("crates/hmc/src/a.rs", &ignored, "never ignored"),
        ("crates/hmc/src/a.rs", "//! A.\nfn f() { println!(); }\n", "prints nothing"),
        ("crates/hmc/src/a.rs", "//! A.\nuse std::env;\n", "no environment"),
        ("crates/hmc/src/a.rs", "//! A.\nfn f(omega_c: f64) {}\n", "no cosmology"),
        ("xtask/src/a.rs", concat!("//! A.\nuse crate::", "commands::b;\n"), "know no command"),
        ("crates/hmc/src/utils.rs", "//! A.\n", "name the file"),
        ("crates/hmc/Cargo.toml", &imports, "must not import autodiff"),
        ("crates/hmc/Cargo.toml", &MANIFEST.replace("license", "licence"), "no license"),
        ("crates/hmc/Cargo.toml", &MANIFEST.replace("workspace = true", ""), "[lints]"),
        ("crates/linalg/Cargo.toml", &MANIFEST.replace("hmc", "linalg"), "unsafe_code"),
        ("crates/novel/Cargo.toml", &MANIFEST.replace("hmc", "novel"), "ARCHITECTURE.md"),
        ("crates/novel/Cargo.toml", MANIFEST, "name of its folder"),
        ("README.md", "See `crates/hmc/src/none.rs`.\n", "names missing"),
        ("README.md", "See [there](docs/none.md).\n", "link to missing"),
    ];
    for (path, text, expected) in cases {
        let problems = problems_with(path, text)?;
        let found = problems.iter().any(|problem| problem.contains(expected));
        assert!(found, "'{expected}' not among {problems:?}");
    }
    Ok(())
}

#[test]
fn what_is_allowed_passes() -> Result<()> {
    let tested = "//! A.\n//! println! in words.\n#[cfg(test)]\nmod tests {\n    // println!\n    \
        fn f() { println!(); }\n}\n";
    let cases = [
        ("crates/hmc/src/a.rs", tested),
        ("crates/hmc/tests/a.rs", "//! A.\nfn f() { eprintln!(); }\n"),
        ("crates/hmc/src/a.rs", "//! A.\nfn my_println!() {}\n"),
        ("README.md", "`crates/*/src`, `cargo xtask`, https://a.b/c, [s](https://a.b/c)\n"),
    ];
    for (path, text) in cases {
        assert_eq!(problems_with(path, text)?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn this_tree_is_tidy() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert_eq!(check(&root)?, Vec::<String>::new());
    Ok(())
}
