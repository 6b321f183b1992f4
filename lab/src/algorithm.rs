//! Changing the algorithm: finding the one that is meant, and the line of the config that says it.

use crate::error::LabError;

/// Those of the config.
const ALL: [&str; 6] =
    ["roundRobin", "weightedRoundRobin", "leastConnections", "ipHash", "leastResponseTime", "random"];

/// The algorithm as the config writes it. Case, `-` and `_` make no difference: `least-connections` is meant
/// as well as it is written elsewhere.
///
/// # Errors
/// There is no such one: the nearest, and all there are.
pub(crate) fn named(name: &str) -> Result<&'static str, LabError> {
    let wanted = plain(name);
    let found = ALL.into_iter().find(|known| plain(known) == wanted);
    found.ok_or_else(|| LabError::new(crate::hints::unknown("algorithm", name, &ALL)))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// `config` with another algorithm in its first `algorithm:` line, all else as it is, comments included.
///
/// # Errors
/// There is no such line: it was edited.
pub(crate) fn rewrite(config: &str, algorithm: &str) -> Result<String, LabError> {
    let mut done = false;
    let mut text = String::with_capacity(config.len() + algorithm.len());
    for line in config.split_inclusive('\n') {
        let (content, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
        let (space, rest) = content.split_at(content.len() - content.trim_start().len());
        match rest.strip_prefix("algorithm:") {
            Some(value) if !done => {
                done = true;
                let value = value.trim_start();
                let remark = value.find(char::is_whitespace).map_or("", |end| &value[end..]);
                text.push_str(&format!("{space}algorithm: {algorithm}{remark}{end}"));
            }
            _ => text.push_str(line),
        }
    }
    if done {
        Ok(text)
    } else {
        Err(LabError::new("the config has no line `algorithm: …` any more; write one below `pools:`, `web:`"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_algorithm_compiles_in_place() {
        let members = crate::plan::members(2);
        let addresses = [9001, 9002].map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let config = crate::plan::config(([127, 0, 0, 1], 8080).into(), members.iter().zip(addresses));
        let mut seen = Vec::new();
        for name in ALL {
            let text = rewrite(&config, named(name).unwrap()).unwrap();
            let outcome = haechi_config::compile(&text);
            assert!(outcome.diagnostics.is_empty(), "{name}: {:?}", outcome.diagnostics);
            let algorithm = outcome.snapshot.unwrap().pools[0].algorithm;
            assert!(!seen.contains(&algorithm), "{name}");
            seen.push(algorithm);
        }
    }

    #[test]
    fn spellings_of_elsewhere_are_understood() {
        for (written, meant) in [
            ("leastConnections", "leastConnections"),
            ("least-connections", "leastConnections"),
            ("LEAST_CONNECTIONS", "leastConnections"),
            ("roundrobin", "roundRobin"),
            ("ip-hash", "ipHash"),
        ] {
            assert_eq!(named(written), Ok(meant), "{written}");
        }
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest() {
        let said = named("leastConection").unwrap_err().to_string();
        assert!(said.contains("did you mean `leastConnections`?"), "{said}");
        let said = named("xyz").unwrap_err().to_string();
        assert!(!said.contains("did you mean") && said.contains("ipHash"), "{said}");
    }

    #[test]
    fn only_the_word_changes() {
        for (before, after) in [
            ("a:\n    algorithm: roundRobin\nb: 1\n", "a:\n    algorithm: random\nb: 1\n"),
            ("  algorithm:   roundRobin   # why\n", "  algorithm: random   # why\n"),
            ("  algorithm: roundRobin", "  algorithm: random"),
            ("  algorithm:\n", "  algorithm: random\n"),
            ("  algorithm: ipHash\r\n", "  algorithm: random\r\n"),
            (
                "# algorithm: x\n  algorithm: x\n  algorithm: y\n",
                "# algorithm: x\n  algorithm: random\n  algorithm: y\n",
            ),
        ] {
            assert_eq!(rewrite(before, "random").as_deref(), Ok(after), "{before}");
        }
        assert!(rewrite("pools: {}\n", "random").is_err());
    }

    proptest! {
        #[test]
        fn one_line_changes_and_a_second_time_none(text in "([ #a-z:\\n\\t]|algorithm:|\\r\\n){0,60}") {
            if let Ok(once) = rewrite(&text, "random") {
                let changed = text.split('\n').zip(once.split('\n')).filter(|(before, after)| before != after);
                prop_assert!(changed.count() <= 1);
                prop_assert_eq!(text.matches('\n').count(), once.matches('\n').count());
                prop_assert_eq!(rewrite(&once, "random"), Ok(once));
            } else {
                prop_assert!(!text.lines().any(|line| line.trim_start().starts_with("algorithm:")));
            }
        }
    }
}
