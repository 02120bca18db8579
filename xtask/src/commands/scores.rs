//! `scores`: how noisy the scores of simulations are, by what they hold fixed.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::cli::{Parameters, ResumeArguments, SurveyArguments};
use crate::files::{read_json, write_json, write_text};
use crate::machine::machine;
use crate::products::{PRODUCTS, REPORT, spare_inputs};
use crate::progress::Progress;
use crate::report::references::select;
use crate::report::{Report, Table};
use crate::score_noise::{NOISE, ScoreNoise, Settings, measure, section};
use crate::study::Study;

/// Arguments of `scores`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask scores --out runs/scores\n  \
    cargo xtask scores --npix 256 --maps 16 --params 0.3,0.05,0.8,0.7,0.96,-0.9 --out runs/scores\n\n\
    Writes score_noise.json and report.html to the folder, and prints the tables.")]
pub struct Arguments {
    #[command(flatten)]
    survey: SurveyArguments,
    /// Pixels along a side of the map
    #[arg(long, default_value_t = 64)]
    npix: usize,
    /// omega_c,omega_b,sigma_8,h_0,n_s,w_0, or 'fiducial'
    #[arg(long, default_value = "fiducial", allow_hyphen_values = true)]
    params: Parameters,
    /// Maps for each of the two mixings of latents
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..))]
    maps: u32,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the results
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, a simulation fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let survey = arguments.survey.load()?.with_npix(Some(arguments.npix))?;
    let simulator = survey.simulator()?;
    let settings = Settings { maps: arguments.maps as usize, ..Settings::default() };
    let parameters = arguments.params.0;
    spare_inputs(&arguments.out, survey.files())?;
    let study = Study::open(&arguments.out, arguments.resume.earlier())?;
    let config = (&survey, parameters, settings, arguments.seed);
    study.begin(&("scores", &config), &PRODUCTS)?;
    let output = study.run("score noise", 1, &config, &[], |workspace| {
        let progress = Progress::new("scores", settings.steps());
        let step = || progress.advance(1);
        let noise = measure(&simulator, &parameters, &settings, arguments.seed, &step)?;
        progress.finish();
        write_json(&workspace.path(NOISE), &noise)
    })?;
    let noise: ScoreNoise = read_json(&output.path(NOISE))?;
    let section = section(&noise);
    section.tables.iter().for_each(print_table);
    write_json(&arguments.out.join(NOISE), &noise)?;
    let report = Report {
        title: "How noisy are the scores of simulations?".into(),
        subtitle: "Latent noise of scores against the marginal score of a map".into(),
        facts: vec![
            ("survey".into(), simulator.survey().name.clone()),
            ("parameters".into(), format!("{parameters:?}")),
            ("seed".into(), arguments.seed.to_string()),
            ("wall time".into(), format!("{:.0} s", output.manifest.seconds)),
            ("machine".into(), machine()),
        ],
        sections: vec![section],
        references: select(&["zeghal2022", "zeghal2025"])?,
    };
    write_text(&arguments.out.join(REPORT), &report.html())?;
    println!("{}", arguments.out.join(REPORT).display());
    Ok(())
}

/// A table as Markdown.
fn print_table(table: &Table) {
    println!("{}\n", table.caption);
    println!("| {} |", table.columns.join(" | "));
    println!("|{}", "---|".repeat(table.columns.len()));
    for row in &table.rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}
