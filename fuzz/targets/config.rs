//! A config file: never a panic, every diagnostic inside the text, and what was understood can be written
//! down and understood again. The same text as a keys file: never a panic, and nothing moves when it is concealed.

#![no_main]

use haechi_config::{Severity, compile, compile_keys, conceal, diff, render, to_yaml, to_yaml_with_defaults};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    keys(text);
    let outcome = compile(text);
    for one in &outcome.diagnostics {
        let (start, length) = (one.span.offset as usize, one.span.length as usize);
        assert!(text.get(start..start + length).is_some(), "{one:?} is not in the text");
    }
    render(&outcome.diagnostics, "fuzz.yaml", text, true);
    let refused = outcome.diagnostics.iter().any(|one| one.severity == Severity::Error);
    assert!(outcome.snapshot.is_none() || !refused, "taken in spite of an error");
    assert!(outcome.snapshot.is_some() || refused || outcome.omitted > 0, "refused without a reason");
    let Some(snapshot) = outcome.snapshot else { return };
    for written in [to_yaml(&snapshot), to_yaml_with_defaults(&snapshot)] {
        let again = compile(&written);
        let shown = || render(&again.diagnostics, "written.yaml", &written, false);
        assert_eq!(again.snapshot.as_ref(), Some(&snapshot), "{}\n{written}", shown());
    }
    assert!(diff(&snapshot, &snapshot).steps.is_empty(), "a plan from a snapshot to itself");
});

fn keys(text: &str) {
    let outcome = compile_keys(text);
    let hidden = conceal(text);
    assert_eq!(hidden.len(), text.len());
    render(&outcome.diagnostics, "keys.yaml", &hidden, true);
    assert_eq!(outcome.keys.is_none(), !outcome.diagnostics.is_empty(), "a keys file has no warnings");
    if let Some(keys) = outcome.keys {
        assert!(keys.all.iter().any(|(id, _)| *id == keys.sign));
        assert!(keys.all.iter().all(|(_, secret)| (16..=64).contains(&secret.bytes().len())));
    }
}
