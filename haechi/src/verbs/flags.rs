//! A config made of flags: one listener, one pool. What it means can be printed as the file it equals.

use haechi_config::{compile, defaults, render, to_yaml};
use haechi_model::{Algorithm, Listener, Pool, PoolIndex, Probe, Snapshot};

use crate::cli::{AlgorithmName, Listen, RunArgs};
use crate::failure::Failure;

/// Name of the one listener, the one pool, and the start of its endpoints' names.
const NAME: &str = "web";

/// The snapshot that these flags stand for.
///
/// # Errors
/// They contradict each other, as two equal addresses do; the diagnostics point into the file that they
/// equal.
pub(super) fn snapshot(args: &RunArgs) -> Result<Snapshot, Failure> {
    let bind = args.listen.iter().flat_map(|Listen(addresses)| addresses.iter().copied()).collect();
    let snapshot = Snapshot {
        node: defaults::node(),
        workers: args.workers,
        memory_ceiling: None,
        acme: Vec::new(),
        listeners: vec![listener(bind)],
        pools: vec![pool(args)],
        virtual_routers: Vec::new(),
        admin: haechi_model::Admin::default(),
    };
    checked(&snapshot)
}

fn listener(bind: Vec<std::net::SocketAddr>) -> Listener {
    defaults::http_listener(NAME, bind, vec![defaults::route(PoolIndex(0))])
}

/// Endpoints that do not listen are found by connecting: no path has to be guessed for that.
fn pool(args: &RunArgs) -> Pool {
    let endpoints = args.to.iter().zip(1..);
    Pool {
        algorithm: args.algorithm.map_or_else(Algorithm::default, Algorithm::from),
        endpoints: endpoints
            .map(|(to, number)| defaults::endpoint(&format!("{NAME}-{number}"), *to))
            .collect(),
        health_check: Some(defaults::health_check(Probe::Tcp)),
        ..defaults::pool(NAME)
    }
}

/// The same through the eyes that a file is read with.
fn checked(snapshot: &Snapshot) -> Result<Snapshot, Failure> {
    let text = to_yaml(snapshot);
    let outcome = compile(&text);
    outcome.snapshot.ok_or_else(|| {
        let rendered = render(&outcome.diagnostics, "the config of these flags", &text, false);
        Failure::config("these flags make no valid config".to_owned(), rendered, &outcome.diagnostics)
    })
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::RoundRobin => Self::RoundRobin,
            AlgorithmName::WeightedRoundRobin => Self::WeightedRoundRobin,
            AlgorithmName::LeastConnections => Self::LeastConnections,
            AlgorithmName::IpHash => Self::IpHash,
            AlgorithmName::LeastResponseTime => Self::LeastResponseTime,
            AlgorithmName::Random => Self::Random,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Parser, ValueEnum};

    use super::*;
    use crate::cli::{Cli, Verb};

    fn args(line: &str) -> RunArgs {
        let words = format!("haechi run {line}");
        match Cli::try_parse_from(words.split(' ')).unwrap().verb {
            Verb::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_are_a_file() {
        let snapshot =
            snapshot(&args("--listen :8080 --listen 127.0.0.1:81 --to 10.0.0.1:1 --to localhost:2")).unwrap();
        assert_eq!(snapshot.listeners[0].bind.len(), 3);
        let names: Vec<_> = snapshot.pools[0].endpoints.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["web-1", "web-2"]);
        assert!(snapshot.pools[0].health_check.is_some(), "a dead endpoint is found");
        assert_eq!(compile(&to_yaml(&snapshot)).snapshot, Some(snapshot));
    }

    #[test]
    fn every_algorithm_is_called_as_in_a_file() {
        for name in AlgorithmName::value_variants() {
            let word = name.to_possible_value().unwrap().get_name().to_owned();
            let snapshot =
                snapshot(&args(&format!("--listen :1 --to 10.0.0.1:1 --algorithm {word}"))).unwrap();
            assert_eq!(snapshot.pools[0].algorithm, Algorithm::from(*name));
            assert!(
                word == "roundRobin" || to_yaml(&snapshot).contains(&format!("algorithm: {word}")),
                "{word}"
            );
        }
    }

    #[test]
    fn workers_are_taken_over() {
        assert_eq!(
            snapshot(&args("--listen :1 --to 10.0.0.1:1 --workers 3")).unwrap().workers.unwrap().get(),
            3
        );
    }

    #[test]
    fn what_a_file_may_not_say_flags_may_not_either() {
        for line in [
            "--listen :80 --listen :80 --to 10.0.0.1:1",
            "--listen :80 --to 0.0.0.0:1",
            "--listen :0 --to 10.0.0.1:1",
        ] {
            assert_eq!(
                snapshot(&args(line)).unwrap_err().text(),
                "these flags make no valid config",
                "{line}"
            );
        }
    }
}
