//! Maps that went wrong on their way to the analysis are told, with the right cause; right ones are
//! not.

mod support;

use full_field::{
    Cause, Error, Finding, FindingKind, MapCheck, Pixel, Severity, ShapeCause, Statistic,
};
use lognormal_sim::{FieldKind, Simulator, Survey};
use support::{maps_of_prior, prior, reordered, right_map, right_maps, scaled, simulator, survey};

/// A survey with its simulated maps and one right map.
struct Case {
    npix: usize,
    check: MapCheck,
    map: Vec<f64>,
}

impl Case {
    fn new(npix: usize) -> Self {
        let simulator = simulator(npix);
        let check = MapCheck::new(&simulator, &prior(1, 400), 5).expect("simulations");
        Self { npix, check, map: right_map(&simulator, 0) }
    }

    fn findings(&self, map: &[f64]) -> Vec<Finding> {
        self.check.check(map).expect("a map of the survey")
    }

    /// Findings of the map of another survey.
    fn of_survey(&self, survey: Survey) -> Vec<Finding> {
        self.findings(&right_map(&Simulator::new(survey).expect("a survey"), 0))
    }

    /// The only finding.
    fn only(&self, map: &[f64]) -> Finding {
        let mut findings = self.findings(map);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }

    fn index(&self, Pixel { bin, y, x }: Pixel) -> usize {
        (bin * self.npix + y) * self.npix + x
    }
}

/// What would explain the power spectra.
fn causes(findings: &[Finding]) -> &[Cause] {
    let causes = findings.iter().find_map(|finding| match &finding.kind {
        FindingKind::Spectra { causes, .. } => Some(causes),
        _ => None,
    });
    causes.unwrap_or_else(|| panic!("the power spectra should not fit: {findings:#?}"))
}

#[test]
fn right_maps_are_rarely_flagged() {
    for npix in [32, 64] {
        let simulator = simulator(npix);
        let check = MapCheck::new(&simulator, &prior(1, 400), 5).expect("simulations");
        let maps = maps_of_prior(&simulator, right_maps());
        let flagged: Vec<String> = maps
            .iter()
            .flat_map(|(k, map)| {
                let findings = check.check(map).expect("a map of the survey");
                (!findings.is_empty()).then(|| format!("map {k}: {}", findings[0]))
            })
            .collect();
        assert!(maps.len() > 9 * right_maps() / 10);
        assert!(20 * flagged.len() <= maps.len(), "{npix}: {flagged:#?}");
        println!("{npix} pixels: {} of {} right maps flagged", flagged.len(), maps.len());
    }
}

#[test]
fn other_scales_are_told_with_their_factor() {
    for npix in [32, 64] {
        let case = Case::new(npix);
        for factor in [1.2, 1.5, 10.0, 100.0, 1000.0, 1e-9] {
            let findings = case.findings(&scaled(&case.map, factor));
            let causes = causes(&findings);
            let found = causes.iter().find_map(|cause| match cause {
                Cause::Scale { factor, error } => Some((*factor, *error)),
                _ => None,
            });
            let (found, error) = found.unwrap_or_else(|| panic!("{factor}: {causes:?}"));
            assert!((found / factor).ln().abs() < 4.0 * error, "{found} instead of {factor}");
            if factor >= 1.5 {
                assert_eq!(findings[0].severity, Severity::Hopeless, "{}", findings[0]);
            }
            println!("{npix} pixels, x {factor}: {}", findings[0]);
        }
        let text = case.findings(&scaled(&case.map, 1e-9))[0].to_string();
        assert!(text.contains("units? Divide the map by 1e-9"), "{text}");
        let text = case.findings(&scaled(&case.map, 100.0))[0].to_string();
        assert!(text.contains("units? Divide the map by 100 (per cent)"), "{text}");
    }
}

#[test]
fn masked_empty_and_missing_pixels_are_named() {
    let case = Case::new(32);
    let (npix, size) = (32, 32 * 32);

    let mut masked = case.map.clone();
    masked.iter_mut().enumerate().filter(|(k, _)| k % size < size / 4).for_each(|(_, x)| *x = 0.0);
    let finding = case.only(&masked);
    assert_eq!(finding.severity, Severity::Hopeless);
    let first = Pixel { bin: 0, y: 0, x: 0 };
    let bins: Vec<usize> = (0..5).collect();
    let kind =
        FindingKind::EqualPixels { bins, count: 5 * size / 4, share: 0.25, value: 0.0, first };
    assert_eq!(finding.kind, kind);
    assert!(finding.to_string().contains("mask"), "{finding}");

    // Isolated masked pixels of one bin, and pixels that are repeated rather than masked.
    let mut stars = case.map.clone();
    (0..20).for_each(|k| stars[3 * size + 47 * k + 5] = 0.0);
    let finding = case.findings(&stars).remove(0);
    assert!(
        matches!(&finding.kind, FindingKind::EqualPixels { bins, count: 20, .. } if bins == &[3]),
        "{finding}"
    );
    let pixel = |k: usize| (k / size) * size + (k % size / npix / 2 * 2) * npix + k % npix / 2 * 2;
    let coarse: Vec<f64> = (0..case.map.len()).map(|k| case.map[pixel(k)]).collect();
    let finding = case.findings(&coarse).remove(0);
    assert!(
        matches!(finding.kind, FindingKind::EqualPixels { share, .. } if share == 1.0),
        "{finding}"
    );

    let finding = case.only(&vec![0.0; case.map.len()]);
    let kind = FindingKind::Constant { bins: (0..5).collect(), value: 0.0 };
    assert_eq!((finding.severity, finding.kind), (Severity::Hopeless, kind));
    let mut one = case.map.clone();
    one[2 * size..3 * size].fill(0.3);
    let kind = FindingKind::Constant { bins: vec![2], value: 0.3 };
    assert_eq!(case.only(&one).kind, kind);

    let first = Pixel { bin: 2, y: 3, x: 4 };
    for (value, meaning) in [
        (-1.6375e30, "HEALPix"),
        (f64::from(-1.6375e30_f32), "HEALPix"),
        (1e20, "fill value"),
        (-999.0, "missing"),
        (3e33, "any convergence"),
    ] {
        let mut map = case.map.clone();
        map[case.index(first)] = value;
        map[case.index(first) + 9] = value;
        let finding = case.only(&map);
        assert_eq!(finding.severity, Severity::Hopeless);
        let text = finding.to_string();
        assert!(
            text.contains(meaning)
                && text.contains("[bin 2, y 3, x 4]")
                && text.contains("2 pixel"),
            "{text}"
        );
    }
    let mut map = case.map.clone();
    map[case.index(first)] = f64::NAN;
    map[case.index(first) + 1] = f64::INFINITY;
    let kind = FindingKind::NotFinite { nan: 1, infinite: 1, first };
    assert_eq!(case.only(&map).kind, kind);
}

#[test]
fn a_glitch_pixel_is_named() {
    for npix in [32, 64] {
        let case = Case::new(npix);
        let sd = metrics::variance(&case.map[2 * npix * npix..3 * npix * npix]).sqrt();
        let bright = (2 * npix * npix..).find(|&k| case.map[k] > 1.5 * sd).expect("a pixel");
        let size = npix * npix;
        let at = Pixel { bin: 2, y: bright % size / npix, x: bright % npix };
        for glitch in [10.0 * case.map[bright], 100.0 * case.map[bright], 1000.0, -1000.0, 1e6] {
            let mut map = case.map.clone();
            map[bright] = glitch;
            // The rest of the map is judged without the pixel.
            let finding = case.only(&map);
            let FindingKind::Outliers { pixel, value, score, largest, count, .. } = finding.kind
            else {
                panic!("{finding}");
            };
            assert_eq!((pixel, value), (at, glitch));
            assert!(score > largest && count == 1, "{finding}");
            let severe = finding.severity == Severity::Hopeless;
            assert!(severe || score < 2.0 * largest, "{finding}");
            println!("{npix} pixels: {finding}");
        }
    }
}

#[test]
fn swapped_bins_are_told_with_their_numbers() {
    for npix in [32, 64] {
        let case = Case::new(npix);
        for order in
            [[0, 1, 2, 4, 3], [0, 2, 1, 3, 4], [1, 0, 2, 3, 4], [4, 3, 2, 1, 0], [1, 2, 3, 4, 0]]
        {
            let findings = case.findings(&reordered(&case.map, &order));
            let expected = Cause::Order { order: order.to_vec() };
            assert_eq!(causes(&findings)[0], expected, "{}", findings[0]);
            assert!(findings[0].to_string().contains("bins swapped?"), "{}", findings[0]);
        }
        // One bin transposed: it fits by itself.
        let mut map = case.map.clone();
        let size = npix * npix;
        (0..size).for_each(|k| map[2 * size + k] = case.map[2 * size + k % npix * npix + k / npix]);
        assert_eq!(causes(&case.findings(&map)), [Cause::Misaligned]);
    }
}

#[test]
fn maps_of_another_survey_are_told() {
    for npix in [32, 64] {
        let case = Case::new(npix);
        // (sigma_e, side in degrees) and the variance of the noise in units of the survey's.
        for (sigma_e, side, expected) in
            [(0.39, 10.0, 2.25), (0.13, 10.0, 0.25), (0.26, 5.0, 4.0), (0.26, 20.0, 0.25)]
        {
            let other = Survey { sigma_e, map_size_deg: side, ..survey(npix) };
            let findings = case.of_survey(other);
            let causes = causes(&findings);
            let found = causes.iter().find_map(|cause| match cause {
                Cause::Noise { factor } => Some(*factor),
                _ => None,
            });
            let text = findings[0].to_string();
            let found = found.unwrap_or_else(|| panic!("{npix} {expected}: {text}"));
            assert!((found / expected).ln().abs() < 0.15, "{found} instead of {expected}");
            assert!(text.contains("area"), "{text}");
        }
    }
}

#[test]
fn integers_offsets_and_signs_are_told() {
    let case = Case::new(64);
    let integers: Vec<f64> = case.map.iter().map(|x| (1000.0 * x).round()).collect();
    let findings = case.findings(&integers);
    assert!(matches!(causes(&findings)[0], Cause::Scale { .. }), "{}", findings[0]);
    let rounded = |finding: &Finding| matches!(finding.kind, FindingKind::Rounded { .. });
    assert!(findings.iter().any(rounded), "{findings:#?}");
    // Single precision is exact enough.
    let single: Vec<f64> = case.map.iter().map(|x| f64::from(*x as f32)).collect();
    assert_eq!(case.findings(&single), []);

    let cause = |map: &[f64]| match case.only(map).kind {
        FindingKind::Shape { cause, .. } => cause,
        kind => panic!("{kind}"),
    };
    let offset: Vec<f64> = case.map.iter().map(|x| x + 0.002).collect();
    assert_eq!(cause(&offset), Some(ShapeCause::Offset));
    assert_eq!(cause(&scaled(&case.map, -1.0)), Some(ShapeCause::Sign));
    // The same spectra without skewness are within the prior: they are not seen before sampling.
    assert_eq!(case.of_survey(Survey { field: FieldKind::Gaussian, ..survey(64) }), []);
}

#[test]
fn findings_are_data() {
    let case = Case::new(16);
    let mut map = scaled(&case.map, 30.0);
    map[7] = 1e5;
    let findings = case.findings(&map);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    let text = serde_json::to_string(&findings).expect("JSON");
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&text).expect("findings"), findings);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Hopeless));
    let FindingKind::Outliers { comparison, .. } = &findings[0].kind else {
        panic!("{}", findings[0]);
    };
    assert_eq!(comparison.deviations.len(), 3);
    let of_bin_0 = |statistic: &Statistic| {
        matches!(statistic, Statistic::Highest { bin: 0 } | Statistic::Isolation { bin: 0 })
    };
    assert!(of_bin_0(&comparison.deviations[0].statistic));
}

#[test]
fn few_bins_many_bins_and_small_maps_are_checked() {
    let smail = |bins: usize| {
        format!(
            "name = 'n'\nnpix = 16\nmap_size_deg = 10.0\nsigma_e = 0.26\n[sources]\nkind = \
             'smail'\na = 2.0\nb = 0.68\nz0 = 0.11\nbins = {bins}\nphoto_z_scatter = 0.05\n\
             gals_per_arcmin2 = 27.0\n"
        )
    };
    for (bins, npix) in [(1, 8), (2, 16), (10, 16), (14, 8)] {
        let survey = Survey::from_toml(&smail(bins)).expect("a survey").with_npix(npix);
        let simulator = Simulator::new(survey).expect("a simulator");
        let check = MapCheck::new(&simulator, &prior(1, 400), 5).expect("simulations");
        let map = right_map(&simulator, 0);
        assert_eq!(check.check(&map).expect("findings"), [], "{bins} bins");
        let findings = check.check(&scaled(&map, 10.0)).expect("findings");
        assert!(matches!(causes(&findings)[0], Cause::Scale { .. }), "{}", findings[0]);
    }
}

#[test]
fn bad_input_is_named() {
    let case = Case::new(16);
    let error = case.check.check(&case.map[1..]).expect_err("a pixel is missing");
    assert!(error.to_string().contains("5 x 16 x 16"), "{error}");
    let simulator = simulator(16);
    let error = MapCheck::new(&simulator, &prior(1, 20), 5).err().expect("few draws");
    assert!(matches!(error, Error::TooFewDraws { found: 20, .. }), "{error}");
    let mut draws = prior(1, 200);
    draws[7][2] = f64::NAN;
    let error = MapCheck::new(&simulator, &draws, 5).err().expect("NaN");
    assert_eq!(error.to_string(), "draws of the prior 7: sigma_8 is NaN");
    let outside = vec![[-1.0; 6]; 200];
    let error = MapCheck::new(&simulator, &outside, 5).err().expect("outside the domain");
    assert!(matches!(error, Error::Unsimulable { draws: 200, .. }), "{error}");
}
