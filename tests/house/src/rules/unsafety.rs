//! Where `unsafe` may stand.

use crate::{Place, Rule};

/// The one room that may.
const SYS: &str = "crates/act/sys/";

/// The keyword, and every way to allow it. That each block in `sys` says why it is sound, clippy checks.
pub(crate) const UNSAFE_IN_SYS: Rule = Rule {
    name: "`unsafe` stands in crates/act/sys and nowhere else, and nobody else allows it",
    reason: "one small room can be read by whoever doubts it; many corners can't",
    way_out: "find a safe function for it (rustix, socket2), or wrap it in crates/act/sys with a SAFETY comment",
    check: |house| {
        let outside = house.sources.iter().filter(|source| !source.path.starts_with(SYS));
        outside
            .flat_map(|source| {
                let found = source
                    .tokens
                    .iter()
                    .filter(|token| matches!(token.text.as_str(), "unsafe" | "unsafe_code"));
                found.map(|token| Place::line(&source.path, token.line, format!("`{}`", token.text)))
            })
            .collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::House;

    #[test]
    fn unsafe_elsewhere_is_seen() {
        let found = |path, text| (UNSAFE_IN_SYS.check)(&House::of(&[(path, text)])).len();
        assert_eq!(found("haechi/src/main.rs", "fn f() { unsafe { g() } }"), 1);
        assert_eq!(found("crates/act/x/src/a.rs", "#![allow(unsafe_code)]"), 1);
        assert_eq!(found("bench/src/a.rs", "#[expect(unsafe_code, reason = \"x\")] fn f() {}"), 1);
        assert_eq!(found("crates/decide/x/tests/a.rs", "unsafe impl Send for X {}"), 1);
        assert_eq!(found("crates/act/x/src/a.rs", "// unsafe\nfn f() { g(\"unsafe\") }"), 0);
        assert_eq!(found("crates/act/sys/src/net.rs", "fn f() { unsafe { g() } }"), 0);
    }
}
