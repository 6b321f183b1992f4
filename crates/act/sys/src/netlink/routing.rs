//! Routes in tables of their own, and the rules that lead into them by a packet's mark.
//!
//! That is how packets of flows that this node does not know go on to the node that does: a mark on what
//! conntrack calls invalid, a rule for that mark *before* the one for local addresses, and a route to the
//! former active. The kernel's rule for local addresses has priority 0, and a new rule of priority 0 comes
//! after it; so whoever wants to be before it adds a second one further down and then removes the first
//! (ip-rule(8)). Both are [`Rule`]s without a mark.

use std::net::IpAddr;

use super::wire::{Message, Request, address, u32_at};
use super::{Network, Outcome, Refused, connection, family_byte, octets};
use crate::mac::Family;

/// Bytes of `struct rtmsg` and of `struct fib_rule_hdr`.
const FIXED: usize = 12;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
/// `RTPROT_STATIC`: an administrator's; routing daemons leave it alone.
const PROTOCOL: u8 = 4;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `RT_SCOPE_LINK`: reached without a gateway.
const SCOPE_LINK: u8 = 253;

const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
/// `FR_ACT_TO_TBL`: look it up in a table.
const TO_TABLE: u8 = 1;

/// A route to somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// Where to: an address of the network.
    pub destination: IpAddr,
    /// Bits of the network's prefix; 0 is everywhere.
    pub prefix: u8,
    /// Through whom; `None` when the destination is on the link itself.
    pub gateway: Option<IpAddr>,
    /// Through which interface.
    pub interface: u32,
    /// In which table. 254 is the main one.
    pub table: u32,
}

/// A mark that packets bear (`SO_MARK`, nftables' `meta mark`), and which of its bits count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// What those bits must be.
    pub value: u32,
    /// Those bits.
    pub mask: u32,
}

/// When to look into which table; of several rules the one with the smallest priority comes first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// For which packets: each family has its own rules.
    pub family: Family,
    /// The smallest comes first; the kernel's own are 0 (local), 32766 (main) and 32767 (default).
    pub priority: u32,
    /// For which packets of these; `None` is for all.
    pub mark: Option<Mark>,
    /// Where to look. 255 is the table of local addresses, 254 the main one.
    pub table: u32,
}

impl Route {
    fn fixed(&self) -> [u8; FIXED] {
        let scope = if self.gateway.is_none() && self.destination.is_ipv4() { SCOPE_LINK } else { 0 };
        let family = family_byte(Family::of(self.destination));
        // The table stands in an attribute, because a byte is too small for it.
        [family, self.prefix, 0, 0, 0, PROTOCOL, scope, UNICAST, 0, 0, 0, 0]
    }

    fn named(&self, request: Request) -> Request {
        let request = request.number(RTA_TABLE, self.table).number(RTA_OIF, self.interface);
        let request =
            if self.prefix > 0 { request.attribute(RTA_DST, &octets(self.destination)) } else { request };
        match self.gateway {
            Some(gateway) => request.attribute(RTA_GATEWAY, &octets(gateway)),
            None => request,
        }
    }

    fn read(message: &Message<'_>) -> Option<Self> {
        let [family, prefix, _, _, short_table, _, _, kind] = *message.body.first_chunk()?;
        let everywhere: IpAddr =
            if family == family_byte(Family::V4) { [0_u8; 4].into() } else { [0_u8; 16].into() };
        let (mut destination, mut gateway, mut interface) = (everywhere, None, None);
        let mut table = u32::from(short_table);
        for (kind, value) in message.attributes(FIXED) {
            match kind {
                RTA_DST => destination = address(value)?,
                RTA_GATEWAY => gateway = address(value),
                RTA_OIF => interface = u32_at(value, 0),
                RTA_TABLE => table = u32_at(value, 0)?,
                _ => {}
            }
        }
        (kind == UNICAST).then_some(Self { destination, prefix, gateway, interface: interface?, table })
    }
}

impl Rule {
    const fn fixed(&self) -> [u8; FIXED] {
        [family_byte(self.family), 0, 0, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0]
    }

    fn named(&self, request: Request) -> Request {
        let request = request.number(FRA_PRIORITY, self.priority).number(FRA_TABLE, self.table);
        match self.mark {
            Some(mark) => request.number(FRA_FWMARK, mark.value).number(FRA_FWMASK, mark.mask),
            None => request,
        }
    }

    fn read(message: &Message<'_>, family: Family) -> Option<Self> {
        let [ours, _, _, _, short_table, _, _, action] = *message.body.first_chunk()?;
        let (mut priority, mut value, mut mask) = (0, None, u32::MAX);
        let mut table = u32::from(short_table);
        for (kind, bytes) in message.attributes(FIXED) {
            match kind {
                FRA_PRIORITY => priority = u32_at(bytes, 0)?,
                FRA_TABLE => table = u32_at(bytes, 0)?,
                FRA_FWMARK => value = u32_at(bytes, 0),
                FRA_FWMASK => mask = u32_at(bytes, 0)?,
                _ => {}
            }
        }
        let mark = value.map(|value| Mark { value, mask });
        (action == TO_TABLE && ours == family_byte(family)).then_some(Self { family, priority, mark, table })
    }
}

impl Network {
    /// The unicast routes through one interface each, of both families and all tables. Needs no right.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn routes(&mut self) -> Result<Vec<Route>, Refused> {
        let request = |flags| Request::new(libc::RTM_GETROUTE, flags, &[0; FIXED]);
        self.0.list("listing routes", request, |message| {
            (message.kind == libc::RTM_NEWROUTE).then(|| Route::read(message)).flatten()
        })
    }

    /// Adds a route, in the place of one to the same destination in the same table. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENETUNREACH` or `EHOSTUNREACH`: the gateway is on no network of the interface. `ENODEV`: no such
    /// interface. `ENETDOWN`: it is off. `EPERM`: the right is missing.
    pub fn add_route(&mut self, route: &Route) -> Result<Outcome, Refused> {
        self.0.change(
            format_args!("adding a route to {}/{} in table {}", route.destination, route.prefix, route.table),
            libc::RTM_NEWROUTE,
            connection::CREATE | connection::REPLACE,
            |request| route.named(request),
            &route.fixed(),
            &[],
        )
    }

    /// Removes a route. Needs `CAP_NET_ADMIN`. That it is not there is no error (`ESRCH`), nor that its
    /// interface is gone (`ENODEV`).
    ///
    /// # Errors
    /// `EPERM`: the right is missing.
    pub fn remove_route(&mut self, route: &Route) -> Result<Outcome, Refused> {
        self.0.change(
            format_args!(
                "removing the route to {}/{} in table {}",
                route.destination, route.prefix, route.table
            ),
            libc::RTM_DELROUTE,
            0,
            |request| route.named(request),
            &route.fixed(),
            &[libc::ESRCH, libc::ENODEV],
        )
    }

    /// The rules of a family that lead into a table, first to last. Needs no right.
    ///
    /// # Errors
    /// The kernel does not answer, or has no policy routing (`EOPNOTSUPP`).
    pub fn rules(&mut self, family: Family) -> Result<Vec<Rule>, Refused> {
        let mut fixed = [0; FIXED];
        fixed[0] = family_byte(family);
        let request = |flags| Request::new(libc::RTM_GETRULE, flags, &fixed);
        self.0.list("listing rules", request, |message| {
            (message.kind == libc::RTM_NEWRULE).then(|| Rule::read(message, family)).flatten()
        })
    }

    /// Adds a rule. Needs `CAP_NET_ADMIN`. That the very same one is there is no error (`EEXIST`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` or `EAFNOSUPPORT`: no policy routing in this kernel. `EPERM`: the right is missing.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<Outcome, Refused> {
        self.0.change(
            format_args!("adding rule {} for table {}", rule.priority, rule.table),
            libc::RTM_NEWRULE,
            connection::CREATE | connection::EXCLUSIVE,
            |request| rule.named(request),
            &rule.fixed(),
            &[libc::EEXIST],
        )
    }

    /// Removes a rule. Needs `CAP_NET_ADMIN`. That it is not there is no error (`ENOENT`).
    ///
    /// # Errors
    /// `EPERM`: the right is missing.
    pub fn remove_rule(&mut self, rule: &Rule) -> Result<Outcome, Refused> {
        self.0.change(
            format_args!("removing rule {} for table {}", rule.priority, rule.table),
            libc::RTM_DELRULE,
            0,
            |request| rule.named(request),
            &rule.fixed(),
            &[libc::ENOENT],
        )
    }
}
