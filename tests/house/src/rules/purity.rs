//! Words and cores touch nothing: no runtime, no socket, no file, no clock, no chance.

use crate::{Belt, House, Place, Rule, Source};

/// Crates that touch the world, or exist for those that do.
const WORLD: &[&str] = &[
    "tokio",
    "socket2",
    "rustix",
    "rustls",
    "kube",
    "hyper",
    "axum",
    "libc",
    "mio",
    "nix",
    "reqwest",
    "redis",
    "notify",
    "getrandom",
];

/// Parts of std that touch the world.
const IO: &[&[&str]] = &[
    &["std", ":", ":", "fs"],
    &["std", ":", ":", "process"],
    &["std", ":", ":", "env"],
    &["std", ":", ":", "thread"],
    &["TcpStream"],
    // The model has a `TcpListener` of its own: the config of one.
    &["net", ":", ":", "TcpListener"],
    &["TcpListener", ":", ":", "bind"],
    &["UdpSocket"],
    &["UnixStream"],
    &["ToSocketAddrs"],
    &["println", "!"],
    &["eprintln", "!"],
];

/// What asks for the time, or for chance without a seed.
const CLOCK: &[&[&str]] = &[
    &["Instant"],
    &["SystemTime"],
    &["thread", ":", ":", "sleep"],
    &["thread_rng"],
    &["rand", ":", ":", "rng"],
    &["rand", ":", ":", "random"],
    &["from_entropy"],
    &["from_os_rng"],
    &["OsRng"],
];

/// By cargo's own word, through any number of crates.
pub(crate) const NO_WORLD_BELOW: Rule = Rule {
    name: "no words or core crate depends on a crate that touches the world, not through others either",
    reason: "a core that can do I/O will, and then no recording of it replays and no fuzzer reaches it",
    way_out: "take bytes, events and `now` as arguments; let the shell in crates/act do the I/O",
    check: |house| {
        let mut places = Vec::new();
        for package in house.packages.members.iter().filter(|package| package.is_pure()) {
            let at = format!("{}/Cargo.toml", package.folder);
            if let Some(way) = house.packages.way_to(&package.name, WORLD) {
                places.push(Place::new(&at, way.join(" -> ")));
            }
            // proptest brings libc along, so of what tests use only the direct ones count.
            let tests =
                package.dependencies.iter().filter(|line| line.dev && WORLD.contains(&line.name.as_str()));
            places.extend(tests.map(|line| Place::new(&at, format!("{} for tests", line.name))));
        }
        places
    },
};

/// Also not under another name or in a test.
pub(crate) const NO_WORLD_NAMED: Rule = Rule {
    name: "no source of a words or core crate names a crate that touches the world",
    reason: "the first `use tokio` in a core is a copy and paste away from the second",
    way_out: "write the test with two real sockets in the shell; a core's test passes bytes",
    check: |house| {
        let named = |source: &Source, at: usize| {
            WORLD.contains(&source.tokens[at].text.as_str()) && source.starts_path(at)
        };
        pure(house)
            .flat_map(|source| {
                let all = (0..source.tokens.len()).filter(move |at| named(source, *at));
                all.map(|at| place(source, at))
            })
            .collect()
    },
};

/// What ships only: a core's tests may read their samples from files.
pub(crate) const NO_IO: Rule = Rule {
    name: "no words or core crate reads, writes, connects, spawns or prints",
    reason: "who decides must be repeatable: same input, same output, on any machine",
    way_out: "return what is to be done as a value; the shell does it and tells the result as an input",
    check: |house| shipped(house, IO),
};

/// What ships only: a core's tests may bound how long it takes.
pub(crate) const NO_CLOCK: Rule = Rule {
    name: "no words or core crate asks for the time, sleeps, or draws without a seed",
    reason: "time that is asked for can't be replayed, and tests that wait for it are slow and flaky",
    way_out: "take `now: haechi_model::Moment` and a seed as arguments",
    check: |house| shipped(house, CLOCK),
};

fn pure(house: &House) -> impl Iterator<Item = &Source> {
    house.sources.iter().filter(|source| matches!(belt_of(&source.path), Some(Belt::Words | Belt::Decide)))
}

fn belt_of(path: &str) -> Option<Belt> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["crates", "words", ..] => Some(Belt::Words),
        ["crates", "decide", ..] => Some(Belt::Decide),
        _ => None,
    }
}

fn shipped(house: &House, wanted: &[&[&str]]) -> Vec<Place> {
    pure(house)
        .flat_map(|source| {
            let found = source.shipped().filter(|(at, _)| wanted.iter().any(|it| source.follows(*at, it)));
            found.map(|(at, _)| place(source, at))
        })
        .collect()
}

fn place(source: &Source, at: usize) -> Place {
    let token = &source.tokens[at];
    let more = source.tokens[at + 1..].iter().take(3).take_while(|next| next.line == token.line);
    let text: String = std::iter::once(token).chain(more).map(|token| token.text.as_str()).collect();
    Place::line(&source.path, token.line, format!("`{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::tests::sample;

    fn found(rule: &Rule, path: &str, text: &str) -> usize {
        (rule.check)(&House::of(&[(path, text)])).len()
    }

    #[test]
    fn a_world_below_is_seen_through_others() {
        let known = |dependencies: &[&str]| {
            let members: [(&str, &str, &str, &[&str]); 2] =
                [("core", "crates/decide/core", "", dependencies), ("helper", "helper", "", &["libc"])];
            (NO_WORLD_BELOW.check)(&House { packages: sample(&members), ..House::default() })
        };
        assert_eq!(known(&["helper"])[0].what, "core -> helper -> libc");
        assert_eq!(known(&["tokio"]).len(), 1);
        assert_eq!(known(&["dev:rustix"]).len(), 1);
        assert_eq!(known(&["serde", "dev:helper"]).len(), 0);
    }

    #[test]
    fn a_named_world_is_seen() {
        let core = |text| found(&NO_WORLD_NAMED, "crates/decide/x/src/lib.rs", text);
        assert_eq!(core("use tokio::net::TcpStream;"), 1);
        assert_eq!(core("fn f() { libc::close(3); }"), 1);
        assert_eq!(core("#[cfg(test)] mod tests { use hyper; }"), 1);
        assert_eq!(core("//! Not tokio.\nfn kube(libc: u8) { let _ = \"rustls::\"; }"), 0);
        assert_eq!(found(&NO_WORLD_NAMED, "crates/act/x/src/lib.rs", "use tokio::net;"), 0);
    }

    #[test]
    fn io_in_a_core_is_seen() {
        let core = |text| found(&NO_IO, "crates/words/x/src/lib.rs", text);
        assert_eq!(core("fn f() { std::fs::read(\"x\"); }"), 1);
        assert_eq!(core("use std::net::TcpStream;"), 1);
        assert_eq!(core("fn f() { std::env::var(\"X\"); println!(\"x\"); }"), 2);
        assert_eq!(
            core("use std::net::{IpAddr, SocketAddr};\n#[cfg(test)] fn t() { std::fs::read(\"x\"); }"),
            0
        );
        assert_eq!(found(&NO_IO, "crates/decide/x/tests/golden.rs", "fn f() { std::fs::read(\"x\"); }"), 0);
    }

    #[test]
    fn a_core_that_asks_the_clock_is_seen() {
        let core = |text| found(&NO_CLOCK, "crates/decide/x/src/lib.rs", text);
        assert_eq!(core("fn f() { std::time::Instant::now(); }"), 1);
        assert_eq!(core("use std::time::SystemTime;"), 1);
        assert_eq!(core("fn f() { std::thread::sleep(d); rand::rng(); }"), 2);
        assert_eq!(core("use std::time::Duration;\n#[cfg(test)] mod tests { use std::time::Instant; }"), 0);
        assert_eq!(found(&NO_CLOCK, "crates/act/sys/src/clock.rs", "fn f() { Instant::now(); }"), 0);
    }
}
