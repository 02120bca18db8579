use lognormal_sim::*;
use std::time::Instant;
fn main() {
    let (shape, t) = read_npy(std::path::Path::new("/work/shared/reference/nz_fine_ccl.npy")).unwrap();
    let n = shape[1];
    let bins: Vec<_> = (1..6).map(|b| RedshiftDistribution::from_table(&t[..n], &t[b*n..(b+1)*n]).unwrap()).collect();
    let s = Sources { bins, gals_per_arcmin2: vec![5.4;5], edges: vec![] };
    let t0 = Instant::now();
    let theory = Theory::new(&s, 2.34, 7000.0).unwrap();
    println!("new {:?} nodes {}", t0.elapsed(), theory.nodes().len());
    let c = Cosmology::FIDUCIAL;
    let d = c.with_derivatives();
    let best = |f: &dyn Fn()| { let mut b = f64::MAX; for _ in 0..60 { let t=Instant::now(); f(); b=b.min(t.elapsed().as_secs_f64()); } b*1e3 };
    println!("predict f64 {:.3} ms", best(&|| { std::hint::black_box(theory.predict(&c).unwrap()); }));
    println!("predict dual {:.3} ms", best(&|| { std::hint::black_box(theory.predict(&d).unwrap()); }));
    let basis = PowerBasis::new();
    println!("power f64 {:.3} ms", best(&|| { std::hint::black_box(MatterPower::new(&basis, &c)); }));
    println!("power dual {:.3} ms", best(&|| { std::hint::black_box(MatterPower::new(&basis, &d)); }));
    println!("growth dual {:.3} ms", best(&|| { std::hint::black_box(Growth::solve(&d)); }));
}
