//! Maps that went wrong are refused before sampling, and told in the report.

use std::fs;

use lognormal_sim::{Cosmology, Simulator, Survey};

use super::Folder;

/// A map that the survey cannot have made is refused with the likely cause before any sampling; if
/// it is forced, the report begins with what was found.
#[test]
fn maps_that_do_not_fit_the_survey_are_refused_with_the_cause() {
    let folder = Folder::new();
    let survey = Survey::preset("lsst_y10").expect("a preset").with_npix(16);
    let simulator = Simulator::new(survey).expect("a simulator");
    let map: Vec<f64> = simulator.simulate(&Cosmology::FIDUCIAL, 4, 0, true).expect("a map");
    let changed = |name: &str, change: &dyn Fn(usize, f64) -> f64| {
        let changed: Vec<f64> = map.iter().enumerate().map(|(k, x)| change(k, *x)).collect();
        folder.save(name, &[5, 16, 16], &changed);
    };
    changed("right.npy", &|_, x| x);
    changed("scaled.npy", &|_, x| 1e-9 * x);
    changed("masked.npy", &|k, x| if k % 256 < 64 { 0.0 } else { x });
    changed("unseen.npy", &|k, x| if k == 300 { -1.6375e30 } else { x });
    changed("glitch.npy", &|k, x| if k == 300 { 1000.0 } else { x });
    let words = "posterior --method power-spectrum --chains 2 --warmup 50 --draws 60 --map";
    for (name, expected) in [
        ("scaled", "units? Divide the map by 1e-9"),
        ("masked", "mask filled with a constant"),
        ("unseen", "UNSEEN of HEALPix, the first at [bin 1, y 2, x 12]"),
        ("glitch", "[bin 1, y 2, x 12] = 1e3"),
    ] {
        let (code, message) = folder.fails(&format!("{words} {name}.npy --out {name}"));
        assert!(code == 1 && message.contains(expected), "{name}: {message}");
        assert!(message.contains("--force"), "{message}");
        assert!(!folder.path(name).join("samples.npz").exists());
    }
    let page = |name: &str| {
        fs::read_to_string(folder.path(name).join("report.html")).expect("it was written")
    };
    let message = folder.succeeds(&format!("{words} right.npy --out right"));
    assert!(message.contains("the map looks like those"), "{message}");
    assert!(!page("right").contains("The map before sampling"));
    let message = folder.succeeds(&format!("{words} masked.npy --out masked --force"));
    assert!(message.contains("warning: 320 pixels of bins 0, 1, 2, 3, 4"), "{message}");
    assert!(page("masked").contains("The map before sampling: 320 pixels"));
}
