//! Which port is whose. Fixed, and below the range that the kernel gives to clients, so that a thousand
//! connections in TIME_WAIT cannot take one; a run that finds one taken says so and stops.

use crate::origin::Speaks;

/// The origin's ports: three of each kind, so that every contender balances over three endpoints.
pub(crate) struct Origin;

impl Origin {
    pub(crate) const HTTP: [u16; 3] = [21_001, 21_002, 21_003];
    pub(crate) const ECHO: [u16; 3] = [21_011, 21_012, 21_013];
    pub(crate) const SOURCE: [u16; 3] = [21_021, 21_022, 21_023];

    pub(crate) fn listeners() -> Vec<(u16, Speaks)> {
        let kinds = [(Self::HTTP, Speaks::Http), (Self::ECHO, Speaks::Echo), (Self::SOURCE, Speaks::Source)];
        kinds.iter().flat_map(|(ports, speaks)| ports.map(|port| (port, *speaks))).collect()
    }

    /// Name in a config template → port.
    pub(crate) fn placeholders() -> Vec<(String, String)> {
        let kinds = [("http", Self::HTTP), ("echo", Self::ECHO), ("source", Self::SOURCE)];
        kinds
            .iter()
            .flat_map(|(kind, ports)| {
                ports.iter().zip(1..).map(move |(port, n)| (format!("{kind}{n}"), port.to_string()))
            })
            .collect()
    }
}

/// Where one contender listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Doors {
    base: u16,
}

/// A contender's listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// Requests.
    Web,
    /// Requests with large bodies: HAProxy splices here only.
    Body,
    /// TCP to the echo.
    Echo,
    /// TCP to the source.
    Source,
    /// Its metrics.
    Metrics,
    /// Requests over TLS.
    Secure,
    /// Requests in HTTP/2, in the clear.
    Http2,
}

impl Doors {
    /// How many sets of doors there are: three contenders, and three shapes of the scale bench.
    pub(crate) const ORDERS: u16 = 6;
    const NAMED: [(&str, Door); 7] = [
        ("web", Door::Web),
        ("body", Door::Body),
        ("echo", Door::Echo),
        ("source", Door::Source),
        ("metrics", Door::Metrics),
        ("secure", Door::Secure),
        ("h2", Door::Http2),
    ];

    /// `order` tells contenders apart, from 0 to below [`Self::ORDERS`].
    pub(crate) const fn new(order: u16) -> Self {
        Self { base: 22_001 + 10 * order }
    }

    pub(crate) const fn port(self, door: Door) -> u16 {
        self.base
            + match door {
                Door::Web => 0,
                Door::Body => 1,
                Door::Echo => 2,
                Door::Source => 3,
                Door::Metrics => 4,
                Door::Secure => 5,
                Door::Http2 => 6,
            }
    }

    pub(crate) fn all(self) -> [u16; 7] {
        Self::NAMED.map(|(_, door)| self.port(door))
    }

    /// Name in a config template → port.
    pub(crate) fn placeholders(self) -> Vec<(String, String)> {
        Self::NAMED.iter().map(|(name, door)| ((*name).to_owned(), self.port(*door).to_string())).collect()
    }
}

/// Puts values into a config template: `{name}` becomes its value, other braces stay as they are.
pub(crate) fn fill(template: &str, values: &[(String, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled_to_the_last_placeholder() {
        for template in [
            include_str!("../configs/haproxy.cfg"),
            include_str!("../configs/nginx.conf"),
            include_str!("../configs/haechi.yaml"),
        ] {
            let mut values = [Origin::placeholders(), Doors::new(0).placeholders()].concat();
            values.extend([("dir".into(), "/d".into()), ("module".into(), "/m".into())]);
            let text = fill(template, &values);
            let left: Vec<_> = text
                .match_indices('{')
                .filter(|(at, _)| text[at + 1..].starts_with(char::is_alphabetic))
                .collect();
            assert_eq!(left, [], "{text}");
            assert!(text.contains(&Origin::HTTP[2].to_string()));
        }
    }

    #[test]
    fn no_two_share_a_port() {
        let mut ports: Vec<u16> = Origin::listeners().into_iter().map(|(port, _)| port).collect();
        for order in 0..6 {
            ports.extend(
                Doors::new(order).placeholders().iter().map(|(_, port)| port.parse::<u16>().unwrap()),
            );
        }
        let all = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), all);
        assert!(ports.iter().all(|port| *port < 32_768));
    }
}
