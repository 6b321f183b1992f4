//! Every `cases/*.yaml` is compiled and what a person would see is compared with the `.txt` beside it; so is
//! every `keys/*.yaml`, as a keys file.
//! `HAECHI_UPDATE_GOLDEN=1` writes those files; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests fail like tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haechi_config::{Code, MAX_BYTES, Severity, compile, compile_keys, conceal, render};

fn cases() -> Vec<PathBuf> {
    let cases = files("tests/cases");
    assert!(cases.len() > Code::ALL.len(), "only {} cases found", cases.len());
    cases
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    cases.sort();
    cases
}

/// Compares with the file beside the case, or writes it.
fn compare(case: &Path, seen: &str, wrong: &mut Vec<String>) {
    let golden = case.with_extension("txt");
    if std::env::var_os("HAECHI_UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, seen).unwrap();
    } else if std::fs::read_to_string(&golden).unwrap_or_default() != seen {
        wrong.push(format!("{}:\n{seen}", case.display()));
    }
}

#[test]
fn what_a_person_sees() {
    let mut wrong = Vec::new();
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = compile(&text);
        let errors = outcome.diagnostics.iter().any(|one| one.severity == Severity::Error);
        assert_eq!(outcome.snapshot.is_none(), errors, "{name}: a snapshot exactly if there is no error");
        assert_eq!(outcome.omitted, 0, "{name}");
        let seen = render(&outcome.diagnostics, &name, &text, false);
        compare(&case, &seen, &mut wrong);
    }
    assert!(wrong.is_empty(), "not as in the golden files:\n{}", wrong.join("\n"));
}

#[test]
fn what_a_person_sees_of_a_keys_file() {
    let mut wrong = Vec::new();
    for case in files("tests/keys") {
        let text = std::fs::read_to_string(&case).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = compile_keys(&text);
        assert_eq!(outcome.keys.is_none(), !outcome.diagnostics.is_empty(), "{name}: it has no warnings");
        let seen = render(&outcome.diagnostics, &name, &conceal(&text), false);
        assert!(!seen.contains("cafe"), "{name} shows a secret:\n{seen}");
        compare(&case, &seen, &mut wrong);
    }
    assert!(wrong.is_empty(), "not as in the golden files:\n{}", wrong.join("\n"));
}

#[test]
fn each_code_has_its_case() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let codes: BTreeSet<_> = compile(&std::fs::read_to_string(&case).unwrap())
            .diagnostics
            .iter()
            .map(|one| one.code)
            .collect();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(code) = name.split('-').next().and_then(Code::parse) {
            assert!(codes.contains(&code), "{name} does not give its code but {codes:?}");
        }
        seen.extend(codes);
    }
    for case in files("tests/keys") {
        let text = std::fs::read_to_string(&case).unwrap();
        seen.extend(compile_keys(&text).diagnostics.iter().map(|one| one.code));
    }
    seen.extend(compile(&"#".repeat(MAX_BYTES + 1)).diagnostics.iter().map(|one| one.code));
    // What is wrong with a file that the config names is seen by who reads it: haechi/tests/tls.
    let here = |code: &&Code| !code.number().starts_with("HCH06") && **code != Code::ExpiresSoon;
    let never: Vec<_> = Code::ALL.iter().filter(here).filter(|code| !seen.contains(code)).collect();
    assert!(never.is_empty(), "no case gives {never:?}");
}

#[test]
fn spans_lie_in_the_text() {
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        for one in compile(&text).diagnostics {
            let (start, length) = (one.span.offset as usize, one.span.length as usize);
            assert!(text.get(start..start + length).is_some(), "{}: {one:?}", case.display());
            let line = text[..start].matches('\n').count() + 1;
            assert_eq!(one.span.line as usize, line, "{}: {one:?}", case.display());
            let column = text[..start].chars().rev().take_while(|c| *c != '\n').count() + 1;
            assert_eq!(one.span.column as usize, column, "{}: {one:?}", case.display());
        }
    }
}
