//! `density`: log densities and gradients at given latents, for whoever validates another code.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use lognormal_sim::{Cosmology, LatentDensity};

use crate::arrays::{Chosen, LATENTS, MAPS, Named, read_map, write_npz};
use crate::cli::{Parameters, SurveyArguments};
use crate::files::require_output;

/// Arguments of `density`.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    cargo xtask density --params fiducial --latent z.npy --map y.npy --out density.npz\n\n\
    The .npz holds log_p_latent, log_p_map, grad_params [6], grad_latent [bin,y,x] (both of the\n\
    sum of the two) and the noise-free field [bin,y,x]. Maps and latents are [bin,y,x] or\n\
    [y,x,bin] in an .npy or .npz; the number of pixels is theirs, over the area of the survey.\n\
    FILE#NAME names an array of an .npz, FILE#NAME[K] the K-th entry, from 0, along its first axis.")]
pub struct Arguments {
    /// omega_c,omega_b,sigma_8,h_0,n_s,w_0, or 'fiducial'
    #[arg(long, allow_hyphen_values = true)]
    params: Parameters,
    /// Latents, standard normal under the prior (.npy or .npz)
    #[arg(long, value_name = "FILE")]
    latent: Chosen,
    /// Observed map (.npy or .npz)
    #[arg(long, value_name = "FILE")]
    map: Chosen,
    #[command(flatten)]
    survey: SurveyArguments,
    /// Output .npz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, the density cannot be evaluated or the output not written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let survey = arguments.survey.load()?;
    let cosmology = Cosmology::from_parameters(&arguments.params.0)?;
    let bins = survey.survey().sources()?.bins.len();
    let (npix, map) = read_map(&arguments.map, &MAPS, bins).context("--map")?;
    let (latent_npix, latents) = read_map(&arguments.latent, &LATENTS, bins).context("--latent")?;
    ensure!(
        npix == latent_npix,
        "the map has {npix} pixels along a side but the latents have {latent_npix}"
    );
    let maps = [&arguments.map, &arguments.latent].map(|chosen| chosen.file().to_path_buf());
    require_output(&arguments.out, &["npz"], &[survey.files(), &maps].concat())?;
    let simulator = survey.with_npix(Some(npix))?.simulator()?;
    let density = LatentDensity::new(&simulator, map)?;
    let point = density.evaluate(&cosmology, &latents)?;
    let shape = [bins, npix, npix];
    write_npz(
        &arguments.out,
        [
            Named::f64("log_p_latent", &[], &[point.log_p_latent]),
            Named::f64("log_p_map", &[], &[point.log_p_map]),
            Named::f64("grad_params", &[6], &point.parameters),
            Named::f64("grad_latent", &shape, &point.latents),
            Named::f64("field", &shape, &point.convergence),
        ],
    )
}
