//! Who may know whom (docs/decisions/0001-rooms-and-belts.md).

use crate::{Belt, House, Package, Place, Rule};

/// No arrow up, not even in tests: a room that needs a higher one to be tested is not a room.
pub(crate) const ARROWS_POINT_DOWN: Rule = Rule {
    name: "dependencies point down: words <- decide <- act <- haechi; only haechi knows lab",
    reason: "a room that knows who uses it can't be understood, tested or replaced alone",
    way_out: "move the shared type to crates/words/model, or pass what is needed as an argument",
    check: |house| {
        pairs(house)
            .filter(|(package, known)| match known.belt() {
                // The tests of the whole stand beside the binary, because only there cargo names it; the bench
                // takes its rig from them.
                Belt::Outside => {
                    package.belt() != Belt::Outside
                        && !(package.belt() == Belt::Binary && only_in_tests(package, "haechi-tests", known))
                }
                Belt::Lab => package.belt() != Belt::Binary,
                // The lab runs whole nodes, so it may know all but the binary; outsiders may know all.
                below => package.belt() < below,
            })
            .map(|(package, known)| place(package, known))
            .collect()
    },
};

/// Pairs within a belt that are by design.
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("haechi-manifests", "haechi-config", "manifests writes what config compiles"),
    (
        "haechi-http2",
        "haechi-hpack",
        "field blocks are part of HTTP/2's frames, and a core of their own to be fuzzed",
    ),
    ("haechi-http3", "haechi-hpack", "field sections have HPACK's strings and integers, and the same bounds"),
    (
        "haechi-http3",
        "haechi-http2",
        "a head is the same message in both, and is judged by one piece of code",
    ),
];

/// Shells that other shells stand on: the system itself, and how TLS is configured.
const GROUND: &[&str] = &["haechi-sys", "haechi-trust"];

/// Rooms of one belt meet only in who uses them.
pub(crate) const ROOMS_OF_A_BELT: Rule = Rule {
    name: "rooms of one belt do not know each other, but shells stand on haechi-sys and haechi-trust",
    reason: "the binary wires the shells, and a shell wires the cores: elsewhere wiring can't be found",
    way_out: "give both rooms a common word in crates/words/model, and wire them one belt higher",
    check: |house| {
        pairs(house)
            .filter(|(package, known)| package.belt() == known.belt() && package.belt() < Belt::Outside)
            .filter(|(_, known)| !GROUND.contains(&known.name.as_str()))
            .filter(|(one, other)| !NEIGHBOURS.iter().any(|pair| pair.0 == one.name && pair.1 == other.name))
            .map(|(package, known)| place(package, known))
            .collect()
    },
};

/// A crate without `[lints] workspace = true` has no rules at all.
pub(crate) const LINTS_FOR_ALL: Rule = Rule {
    name: "every crate takes the workspace's lints",
    reason: "without them unsafe code, unwraps and silent truncation go unseen in that crate",
    way_out: "end its Cargo.toml with `[lints]` and `workspace = true`",
    check: |house| {
        let takes = |folder: &str| {
            let manifest = format!("{folder}/Cargo.toml");
            let text = house.texts.iter().find(|text| text.path == manifest);
            text.is_some_and(|text| {
                let mut lines = text.text.lines().skip_while(|line| line.trim() != "[lints]");
                lines.next().is_some() && lines.next().is_some_and(|line| line.trim() == "workspace = true")
            })
        };
        let bare = house.packages.members.iter().filter(|package| !takes(&package.folder));
        bare.map(|package| {
            Place::new(format!("{}/Cargo.toml", package.folder), "no [lints] of the workspace")
        })
        .collect()
    },
};

/// Every member with every other member that its manifest names.
fn pairs(house: &House) -> impl Iterator<Item = (&Package, &Package)> {
    house.packages.members.iter().flat_map(|package| {
        let known = package.dependencies.iter().filter_map(|line| house.packages.member(&line.name));
        known.map(move |known| (package, known))
    })
}

/// Whether `known` is the crate of this name, and `package` needs it for its tests alone.
fn only_in_tests(package: &Package, name: &str, known: &Package) -> bool {
    known.name == name && package.dependencies.iter().filter(|line| line.name == name).all(|line| line.dev)
}

fn place(package: &Package, known: &Package) -> Place {
    Place::new(
        format!("{}/Cargo.toml", package.folder),
        format!("{} depends on {}", package.name, known.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::tests::sample;

    fn house(members: &[(&str, &str, &str, &[&str])]) -> House {
        House { packages: sample(members), ..House::default() }
    }

    fn broken(rule: &Rule, member: (&str, &str, &str, &[&str])) -> usize {
        let mut members = vec![
            ("haechi-model", "crates/words/model", "", &[][..]),
            ("haechi-route", "crates/decide/route", "", &["haechi-model"]),
            ("haechi-config", "crates/decide/config", "", &["haechi-model"]),
            ("haechi-sys", "crates/act/sys", "", &["haechi-model"]),
            ("haechi-proxy", "crates/act/proxy", "", &["haechi-sys", "haechi-route", "tokio"]),
            ("haechi-lab", "lab", "", &["haechi-proxy"]),
            ("haechi", "haechi", "", &["haechi-lab", "haechi-proxy", "haechi-model"]),
            ("haechi-tests", "tests", "", &["haechi-model"]),
        ];
        assert_eq!((rule.check)(&house(&members)), [], "the sample is sound");
        members.push(member);
        (rule.check)(&house(&members)).len()
    }

    #[test]
    fn an_arrow_up_is_seen() {
        let broken = |folder, known| broken(&ARROWS_POINT_DOWN, ("x", folder, "", known));
        assert_eq!(broken("crates/words/x", &["haechi-route"]), 1);
        assert_eq!(broken("crates/decide/x", &["dev:haechi-proxy"]), 1);
        assert_eq!(broken("crates/act/x", &["haechi"]), 1);
        assert_eq!(broken("crates/act/x", &["haechi-lab"]), 1);
        assert_eq!(broken("bench", &["haechi-lab"]), 1);
        assert_eq!(broken("lab", &["haechi"]), 1);
        assert_eq!(broken("haechi", &["haechi-tests"]), 1);
        assert_eq!(broken("haechi", &["dev:haechi-tests"]), 0);
        assert_eq!(broken("bench", &["haechi-tests"]), 0);
        assert_eq!(broken("crates/act/x", &["dev:haechi-tests"]), 1);
        assert_eq!(broken("crates/act/x", &["haechi-route", "haechi-model", "serde"]), 0);
    }

    #[test]
    fn a_neighbour_is_seen() {
        let broken = |name, folder, known| broken(&ROOMS_OF_A_BELT, (name, folder, "", known));
        assert_eq!(broken("x", "crates/act/x", &["haechi-proxy"]), 1);
        assert_eq!(broken("x", "crates/decide/x", &["haechi-route"]), 1);
        assert_eq!(broken("x", "crates/words/x", &["dev:haechi-model"]), 1);
        assert_eq!(broken("x", "crates/act/x", &["haechi-sys"]), 0);
        assert_eq!(broken("haechi-trust", "crates/act/trust", &["haechi-proxy"]), 1);
        assert_eq!(broken("haechi-manifests", "crates/decide/manifests", &["haechi-config"]), 0);
    }

    #[test]
    fn a_crate_without_lints_is_seen() {
        let with = |manifest: &str| {
            let mut house = House::of(&[("crates/act/x/Cargo.toml", manifest)]);
            house.packages = sample(&[("x", "crates/act/x", "", &[])]);
            (LINTS_FOR_ALL.check)(&house).len()
        };
        assert_eq!(with("[package]\nname = \"x\"\n"), 1);
        assert_eq!(with("[lints]\nrust.unsafe_code = \"allow\"\n"), 1);
        assert_eq!(with("[package]\n\n[lints]\nworkspace = true\n"), 0);
    }
}
