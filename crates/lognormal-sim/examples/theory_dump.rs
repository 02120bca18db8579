use lognormal_sim::*;
fn arr(n:&str)->Vec<f64>{ read_npy(std::path::Path::new(&format!("/work/shared/reference/{n}.npy"))).unwrap().1 }
fn main() {
    let t = arr("nz_fine_ccl"); let n = t.len()/6;
    let bins: Vec<_> = (1..6).map(|b| RedshiftDistribution::from_table(&t[..n], &t[b*n..(b+1)*n]).unwrap()).collect();
    let s = Sources { bins, gals_per_arcmin2: vec![5.4;5], edges: vec![] };
    let theory = Theory::new(&s, 2.34, 20000.0).unwrap();
    let c = Cosmology::FIDUCIAL;
    let ell = arr("cl_ell_log60");
    let cl = theory.spectra(&c, &ell).unwrap();
    let e = arr("ccl_eh_cl_log60");
    for (p, pair) in theory.pairs().iter().enumerate() {
        print!("{pair:?} ");
        for l in (0..60).step_by(6) { print!("{:8.4} ", 100.*(cl[p][l]/e[p*60+l]-1.0)); }
        println!();
    }
    let power = MatterPower::new(&PowerBasis::new(), &c);
    let (k,z)=(arr("pk_k"),arr("pk_z")); let (pl,pn)=(arr("ccl_eh_pk_lin"),arr("ccl_eh_pk_nl"));
    let knl = arr("halofit_knl_neff_C");
    for (i,&z) in z.iter().enumerate() {
        let s = power.nonlinear_scale(z).unwrap();
        println!("z {z} {s:?} {:?}", &knl[3*i..3*i+3]);
        for j in (0..60).step_by(3) { println!("{:.4e} {:.4} {:.4}", k[j], 100.*(power.linear(k[j],z)/pl[60*i+j]-1.), 100.*(power.nonlinear(k[j],z).unwrap()/pn[60*i+j]-1.)); }
    }
}
