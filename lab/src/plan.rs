//! What the lab consists of: names, zones, and the node's config, which a student reads.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Most endpoints: their table and what stands around it still fit a screen of 45 lines.
pub const MAX_ENDPOINTS: u8 = 26;

/// The pool of all endpoints.
pub(crate) const POOL: &str = "web";

/// Where the demo stands, as in the seed: a region of three zones.
const ZONES: [&str; 3] = ["kr1-a", "kr1-b", "kr1-c"];

/// First port to try for the node.
pub(crate) const NODE_PORT: u16 = 8080;

/// One endpoint to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) zone: &'static str,
}

/// `web-1` in kr1-a, `web-2` in kr1-b, and so on round the zones.
pub(crate) fn members(count: u8) -> Vec<Member> {
    let zones = ZONES.iter().cycle();
    (1..=count).zip(zones).map(|(number, zone)| Member { name: format!("{POOL}-{number}"), zone }).collect()
}

/// The node's config as a file that explains itself.
pub(crate) fn config<'a>(
    listen: SocketAddr,
    endpoints: impl Iterator<Item = (&'a Member, SocketAddr)>,
) -> String {
    let mut lines = String::new();
    for (member, address) in endpoints {
        let key = format!("{}:", member.name);
        // Writing to a String can't fail.
        let _ = writeln!(lines, "      {key:<7} {{ address: \"{address}\", zone: {} }}", member.zone);
    }
    format!(
        "# The config of the lab's node. Change it and save: haechi takes it over at once and drops nothing,
# or says what is wrong and goes on with the old one. It is removed when the lab ends.
node:
  name: lab
  zone: {zone}

listeners:
  web:
    bind: [\"{listen}\"]
    protocol: http
    routes:
      - {{ path: /, pool: {POOL} }}   # every request goes to the pool below

pools:
  {POOL}:
    # Who gets the next request: roundRobin, weightedRoundRobin, leastConnections, ipHash,
    # leastResponseTime or random. `haechi lab algorithm leastConnections` changes this line.
    algorithm: roundRobin
    endpoints:
{lines}    # Each endpoint is asked for /health once a second. While the verdict is in doubt it is asked
    # sooner; 3 failures in a row make it unhealthy, 2 successes healthy again.
    healthCheck:
      protocol: http
      path: /health
      interval: 1s
      fastInterval: 250ms
      timeout: 500ms
      healthyThreshold: 2
      unhealthyThreshold: 3
    # An endpoint that takes no connection or does not answer within these times is given up; what is safe
    # to send twice is tried at another one.
    timeouts:
      connect: 500ms
      read: 1s
    # How long a draining endpoint may finish what it has.
    drain:
      timeout: 10s
",
        zone = ZONES[0],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(count: u8) -> String {
        let members = members(count);
        let addresses = (9001..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        config(([127, 0, 0, 1], NODE_PORT).into(), members.iter().zip(addresses))
    }

    #[test]
    fn names_go_round_the_zones() {
        let members = members(6);
        let found: Vec<_> = members.iter().map(|member| (member.name.as_str(), member.zone)).collect();
        assert_eq!(
            found,
            [
                ("web-1", "kr1-a"),
                ("web-2", "kr1-b"),
                ("web-3", "kr1-c"),
                ("web-4", "kr1-a"),
                ("web-5", "kr1-b"),
                ("web-6", "kr1-c")
            ]
        );
    }

    #[test]
    fn the_config_compiles_without_a_word_at_every_size() {
        for count in 1..=MAX_ENDPOINTS {
            let text = text(count);
            let outcome = haechi_config::compile(&text);
            assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
            let snapshot = outcome.snapshot.unwrap();
            assert_eq!(snapshot.pools[0].endpoints.len(), usize::from(count));
        }
    }

    #[test]
    fn it_means_what_its_comments_say() {
        let snapshot = haechi_config::compile(&text(6)).snapshot.unwrap();
        let pool = &snapshot.pools[0];
        let check = pool.health_check.as_ref().unwrap();
        assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (2, 3));
        assert_eq!((check.interval.as_millis(), check.timeout.as_millis()), (1000, 500));
        assert_eq!(pool.drain_timeout.as_secs(), 10);
        assert!(
            pool.retry.on.timeout && pool.retry.tries > 1,
            "the comment on timeouts promises another try"
        );
        let zones: std::collections::BTreeSet<_> = pool.endpoints.iter().map(|one| &one.zone).collect();
        assert_eq!(zones.len(), 3);
    }

    #[test]
    fn it_fits_a_terminal() {
        let long: Vec<_> = text(26).lines().filter(|line| line.len() > 110).map(str::to_owned).collect();
        assert!(long.is_empty(), "{long:?}");
    }
}
