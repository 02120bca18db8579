//! From a map to its full-field posterior, a corner plot and a Figure of Merit.

use std::ops::ControlFlow;

use full_field::{Prior, Problem, parameters};
use hmc::RunSettings;
use lognormal_sim::{Cosmology, PARAMETERS, Simulator, Survey};
use metrics::{Samples, figure_of_merit};
use report::plot::corner::{Parameter, Posterior, corner};
use report::plot::markup::parameter_label;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A map of yours goes here: [bin][y][x], as many pixels on a side as the survey says.
    let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(32))?;
    let map: Vec<f64> = simulator.simulate(&Cosmology::FIDUCIAL, 1, 0, true)?;

    let prior = Prior::load("lsst_y10")?;
    let problem = Problem { simulator: &simulator, prior: &prior, map: &map };
    let mut chains = problem.full_field_chains(4, 200, 1)?;
    let run = RunSettings { draws: 300, threads: 4, ..RunSettings::default() };
    let keep = |_: &mut _, position: &[f64]| parameters(&prior, position).to_vec();
    hmc::run_chains(&mut chains, &run, &keep, &|_| ControlFlow::Continue(()))?;

    let draws: Vec<f64> = chains.iter().flat_map(|chain| chain.record.values.concat()).collect();
    let samples = Samples::new(&draws, 4, &PARAMETERS)?;
    for row in metrics::summarise(&samples)? {
        println!("{:8} {:.3} +- {:.3}  R-hat {:.3}", row.name, row.mean, row.sd, row.r_hat);
    }
    println!("Figure of Merit {:.0}", figure_of_merit(&samples, 0, 2)?.value);

    let truth = Cosmology::FIDUCIAL.parameters();
    let axes: Vec<Parameter> = (prior.bounds().zip(truth))
        .map(|((name, bounds), truth)| Parameter {
            label: parameter_label(name),
            bounds,
            truth: Some(truth),
        })
        .collect();
    let posterior = Posterior { name: "full field".into(), samples: &draws, effective: None };
    std::fs::write("corner.svg", corner(&axes, &[posterior])?)?;
    Ok(())
}
