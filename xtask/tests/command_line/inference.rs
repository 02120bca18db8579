//! The study of inference methods, and all studies together.

use std::fs;

use super::Folder;

/// A profile of the study of inference methods, of a few seconds: every kind of cell once.
fn tiny_inference() -> String {
    let training = "training = { max_steps = 12, batch = 10, evaluate_every = 3 }";
    let flow = "flow = { family = 'affine', layers = 2, hidden = [8] }";
    let score = "score = { weight = 1e-5, units = 'parameters' }";
    let method = |name: &str, words: &str, learn: &str, settings: &str| {
        format!(
            "[[method]]\nname = '{name}'\nsimulations = [50]\n{words}\n\
             [method.learn.{learn}]\n{settings}\nfit = {{ {training} }}\n"
        )
    };
    let once = "group = 'methods'\nruns = 2";
    let rounds = "group = 'methods'\nruns = 1\nrounds = 5";
    let scores = "group = 'scores'\nruns = 1";
    let with = |kind: &str| format!("{scores}\nscore = '{kind}'");
    let scored = format!("{flow}\n{score}");
    let ratio = "ratio = { hidden = [8] }\nothers = 4";
    let methods = [
        method("NPE", once, "npe", flow),
        method("SNPE", rounds, "npe", flow),
        method("NLE", once, "nle", flow),
        method("SNLE", rounds, "nle", flow),
        method("NRE", once, "nre", ratio),
        method("SNRE", rounds, "nre", ratio),
        method("FMPE", once, "fmpe", "field = { hidden = [8], tolerance = 0.1 }"),
        method("NLE affine", scores, "nle", flow),
        method("NLE affine, conditional", &with("conditional"), "nle", &scored),
        method("NLE affine, marginal", &with("marginal"), "nle", &scored),
        method("NPE, more", "group = 'ours'\nruns = 1", "npe", flow),
    ];
    let chains = |name: &str, draws: usize| {
        format!("[explicit.{name}]\nchains = 2\nwarmup = 15\ndraws = {draws}\nmax_depth = 3\n")
    };
    let sampling = "prior_draws = 400\npoints = 60\nchains = 6\nwarmup = 8\nmax_depth = 3\n";
    format!(
        "name = 'tiny'\nsurvey = 'lsst_y10'\nprior = 'lsst_y10'\nnpix = 16\nthresholds = [0.6]\n\
         [explicit]\nlengths = 2\n{}{}{}\
         [compressor]\nloss = {{ vmim = {{ family = 'affine', layers = 2, hidden = [8] }} }}\n\
         [compressor.network.res_net]\nstem = {{ width = 8, kernel = 3, stride = 2, pool = false }}\n\
         stages = [{{ blocks = 1, width = 8 }}]\n\
         [compressor.training]\nbatch = 16\nexamples = 64\nvalidation = 16\nsteps = 12\n\
         evaluate_every = 4\n\
         [marginal]\nsimulations = 60\n\
         network = {{ hidden = [8], fit = {{ training = {{ max_steps = 10, batch = 20 }} }} }}\n\
         [sampling]\n{sampling}[proposals]\n{sampling}\
         [c2st]\ndraws = 40\n\
         [c2st.classifier]\nrepetitions = 1\nmax_epochs = 10\n{}",
        chains("reference", 40),
        chains("ours", 20),
        chains("published", 10),
        methods.concat()
    )
}

#[test]
fn the_study_of_inference_gives_the_same_table_again_in_shards_and_on_one_thread() {
    let folder = Folder::new();
    fs::write(folder.path("tiny.toml"), tiny_inference()).expect("the folder is writable");
    let words = "benchmark --study inference --profile tiny.toml --out";
    folder.succeeds(&format!("{words} whole"));
    let read = |file: &str| fs::read_to_string(folder.path(file)).expect("it was written");
    let (results, page) = (read("whole/results.json"), read("whole/report.html"));
    let table: serde_json::Value = serde_json::from_str(&results).expect("it is JSON");
    let cells = table["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 11 + 4);
    for cell in cells {
        assert_eq!(cell["count"]["simulations"], cell["simulations"], "{cell}");
        let scored = cell["method"] == "NLE affine, conditional";
        let (gradients, failures) = (&cell["count"]["gradients"], &cell["count"]["failures"]);
        let expected = if scored { 50 - failures.as_u64().expect("a number") } else { 0 };
        assert_eq!(gradients.as_u64(), Some(expected), "{cell}");
    }
    assert_eq!(table["compressor"]["simulations"], 80);
    assert_eq!(table["marginal"]["count"]["simulations"], 60);
    for part in ["Question and answer", "Do scores help?", "paper's accounting", "counted and"] {
        assert!(page.replace("&#39;", "'").contains(part), "{part} is missing");
    }
    assert!(!page.contains("NaN"), "a number is missing");

    // Both are drawn again from what is there.
    fs::remove_file(folder.path("whole/report.html")).expect("it was written");
    folder.succeeds("report whole");
    assert!(read("whole/report.html") == page && read("whole/results.json") == results);
    fs::create_dir(folder.path("all")).expect("the folder is writable");
    let all = "{ \"study\": \"all\", \"facts\": [], \"entries\": [\
               { \"study\": \"lensing\", \"folder\": \"../none\", \"state\": { \"failed\": \"no space\" } }, \
               { \"study\": \"inference\", \"folder\": \"../whole\", \"state\": \"done\" }] }";
    fs::write(folder.path("all/study.json"), all).expect("the folder is writable");
    folder.succeeds("report all");
    let together = read("all/report.html");
    for part in ["no space", "href=\"../whole/report.html\"", "fewest simulations", "<svg"] {
        assert!(together.contains(part), "{part} is missing");
    }

    for shard in ["1/2", "0/2"] {
        let mut command = folder.command(&format!("{words} parts --shard {shard}"));
        let output = command.env("RAYON_NUM_THREADS", "1").output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let message = folder.succeeds(&format!("{words} parts"));
    assert!(message.contains("29 of 29 tasks found done"), "{message}");
    assert!(read("parts/results.json") == results, "shards give another table");
}

#[test]
fn without_a_study_all_are_run_and_failures_stop_no_other() {
    let folder = Folder::new();
    let output = folder.run("benchmark --profile smoke --status");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let studies = ["lensing", "gradients", "compression", "inference"];
    let places: Vec<Option<usize>> =
        studies.iter().map(|study| text.find(&format!("{study}-smoke"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(!folder.path("results").exists(), "looking writes nothing");

    fs::create_dir(folder.path("out")).expect("the folder is writable");
    for study in studies {
        fs::write(folder.path(&format!("out/{study}-smoke")), "in the way").expect("writable");
    }
    let (code, message) = folder.fails("benchmark --profile smoke --out out");
    assert!(code == 1 && message.contains("4 of 4 studies failed"), "{message}");
    let page = fs::read_to_string(folder.path("out/all-smoke/report.html")).expect("written");
    assert_eq!(page.matches("This study failed").count(), 4);
}
