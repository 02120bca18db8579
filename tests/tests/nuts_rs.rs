//! NUTS of `hmc` against `nuts-rs`.
#[test]
fn builds() {
    let _ = nuts_rs::DiagNutsSettings::default();
}
