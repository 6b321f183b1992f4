//! What virtual routers must not have in common, and what they should: ids, addresses, names, groups, and
//! listeners on what they move.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use haechi_model::{InterfaceName, Transport, VirtualRouter};

use super::super::clash::Bind;
use super::{Placed, is_link_local};
use crate::report::{Report, quote};
use crate::tree::Entry;
use crate::{Code, Span, value};

/// Where an id must be the only one of its kind.
#[derive(PartialEq, Eq, Hash)]
enum Realm {
    /// IP protocol 112 on an interface, each family for itself.
    Interface(InterfaceName, bool),
    /// A UDP socket: what arrives there does not say its family.
    Socket(SocketAddr),
}

/// All virtual routers that were read so far.
#[derive(Default)]
pub(super) struct Whole {
    /// Where each name is written.
    names: HashMap<String, Span>,
    ids: HashMap<(Realm, u8), (String, Span)>,
    /// A link-local address belongs to its interface.
    addresses: HashMap<(IpAddr, Option<InterfaceName>), (String, Span)>,
    /// How many are in each group, and the first place that names it.
    groups: BTreeMap<String, (usize, Span)>,
    /// Whether some could not be read, so that a group may have more members than were seen.
    pub(super) broken: bool,
    all: Vec<Placed>,
}

impl Whole {
    pub(super) fn new(entries: &[Entry<'_>]) -> Self {
        let names =
            entries.iter().map(|entry| (entry.key.text.as_ref().to_owned(), entry.key.span)).collect();
        Self { names, ..Self::default() }
    }

    /// Takes a name that is not written in the file, for the entry at `at`.
    pub(super) fn name(&mut self, name: &str, at: Span, report: &mut Report) {
        if let Some(taken) = self.names.get(name) {
            report
                .add(Code::Spread, at, format!("the spread makes {}, which is there already", quote(name)))
                .label(format!("the other one is on line {}", taken.line))
                .help("give one of them another name");
        } else if value::name(name).is_err() {
            report
                .add(
                    Code::Spread,
                    at,
                    format!("the spread makes {}, which is too long for a name", quote(name)),
                )
                .help("give it a shorter name");
        }
        self.names.insert(name.to_owned(), at);
    }

    /// Compares one with all before it. `id` is the place of its id, if that could be read; `group` of its
    /// group.
    pub(super) fn add(
        &mut self,
        router: &VirtualRouter,
        id: Option<Span>,
        addresses: &[Placed],
        group: Span,
        report: &mut Report,
    ) {
        if let Some(span) = id {
            self.id(router, span, report);
        }
        for placed in addresses {
            self.address(router, *placed, report);
        }
        if let Some(name) = &router.group {
            self.groups.entry(name.as_str().to_owned()).or_insert((0, group)).0 += 1;
        }
    }

    fn id(&mut self, router: &VirtualRouter, span: Span, report: &mut Report) {
        let realms = [
            match (router.interface.as_str(), router.addresses.first()) {
                ("", _) | (_, None) => None,
                (_, Some(first)) => Some(Realm::Interface(router.interface.clone(), first.address.is_ipv4())),
            },
            match &router.transport {
                Transport::Udp { bind, .. } if bind.port() != 0 => Some(Realm::Socket(*bind)),
                _ => None,
            },
        ];
        let id = router.id.get();
        let mut told = false;
        for realm in realms.into_iter().flatten() {
            let place = match &realm {
                Realm::Interface(interface, v4) => {
                    format!("{interface} in {}", if *v4 { "IPv4" } else { "IPv6" })
                }
                Realm::Socket(bind) => bind.to_string(),
            };
            let owner = || (router.name.as_str().to_owned(), span);
            let (other, at) = self.ids.entry((realm, id)).or_insert_with(owner);
            if other.as_str() != router.name.as_str() && !told {
                told = true;
                report
                    .add(Code::SameId, span, format!("id {id} is used twice on {place}"))
                    .label(format!("already the id of virtual router {} on line {}", quote(other), at.line))
                    .help("give one of them another id, on all its nodes");
            }
        }
    }

    fn address(&mut self, router: &VirtualRouter, placed: Placed, report: &mut Report) {
        let (address, span) = (placed.0.address, placed.1);
        let realm = is_link_local(address).then(|| router.interface.clone());
        let name = router.name.as_str();
        if let Some((other, at)) = self.addresses.get(&(address, realm.clone())) {
            let owner =
                if other == name { String::new() } else { format!(" in virtual router {}", quote(other)) };
            report
                .add(Code::SameVirtualAddress, span, format!("{address} is given twice"))
                .label(format!("already given{owner} on line {}", at.line))
                .help("an address moves with one virtual router; remove it from the other");
            return;
        }
        self.addresses.insert((address, realm), (name.to_owned(), span));
        self.all.push(placed);
    }

    /// Doubts that need all of them.
    pub(super) fn finish(self, binds: Option<&Vec<Bind>>, report: &mut Report) {
        for (group, (_, span)) in self.groups.iter().filter(|(_, (members, _))| *members == 1 && !self.broken)
        {
            report
                .add(Code::LoneGroup, *span, format!("the group {} has one member", quote(group)))
                .label("no other virtual router names it")
                .help("remove it, or give it to the virtual routers that move with this one");
        }
        let Some(binds) = binds else { return };
        for (placed, span) in &self.all {
            let ip = placed.address;
            // A link-local one is a gateway's, not a service's.
            let stands = |bind: &Bind| {
                let own = bind.address.ip();
                own == ip || own.is_unspecified() && own.is_ipv4() == ip.is_ipv4()
            };
            if !is_link_local(ip) && !binds.iter().any(stands) {
                report
                    .add(Code::NothingListens, *span, format!("no listener stands on {ip}"))
                    .label("who connects to it is refused")
                    .help(format!("add {} to a listener's `bind`, or `:PORT` for all addresses", bind(ip)));
            }
        }
    }
}

/// As `bind` wants it.
fn bind(ip: IpAddr) -> String {
    if ip.is_ipv4() { format!("`{ip}:PORT`") } else { format!("`[{ip}]:PORT`") }
}
