//! `docs/config.md` and `docs/diagnostics.md` are what the tables say. `HAECHI_UPDATE_GOLDEN=1` writes them;
//! read the difference before you commit it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::path::Path;

fn compare(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs").join(name);
    if std::env::var_os("HAECHI_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let first = page.lines().zip(written.lines()).position(|(one, other)| one != other);
    assert!(
        written == page,
        "docs/{name} is not what the tables say, from line {} on; HAECHI_UPDATE_GOLDEN=1 writes it anew",
        first.unwrap_or_else(|| page.lines().count().min(written.lines().count())) + 1
    );
}

#[test]
fn docs_config_is_up_to_date() {
    compare("config.md", &haechi_config::reference());
}

#[test]
fn docs_diagnostics_is_up_to_date() {
    compare("diagnostics.md", &haechi_config::diagnostics_reference());
}
