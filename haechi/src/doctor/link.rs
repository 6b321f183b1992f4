//! The links of virtual routers: who is heard on them, and who answers for an address.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use haechi_doctor::{Heard, Link, Look, Owners, RouterFacts};
use haechi_model::{InterfaceName, Moment, Transport, VirtualRouter};
use haechi_sys::capabilities::Capability;
use haechi_sys::clock::now;
use haechi_sys::neighbour::Question;
use haechi_sys::netlink::{Interface, InterfaceAddress, Network};
use haechi_sys::raw::{Advertisements, Hears, LARGEST};
use haechi_sys::sysctl::Setting;
use haechi_sys::{Family, Mac};
use haechi_vrrp::packet::{Advertisement, Carrier};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Asked, denied};
use crate::control::{Found, keys_files};

/// How long neighbours may take to answer: a switch that wakes up, and a host under load.
const ANSWERS: Duration = Duration::from_millis(500);

/// Asked so often, because a frame may get lost.
const ASKED: u32 = 2;

/// Longest time of listening: an interval may be 40 s, and nobody waits for two minutes.
const LONGEST: Duration = Duration::from_secs(5);

/// Most addresses that are asked for: each takes a socket.
const MOST: usize = 256;

/// What the kernel says of its network now.
struct Here {
    interfaces: Vec<Interface>,
    addresses: Vec<InterfaceAddress>,
}

pub(super) fn look(asked: &Asked<'_>, own: &[Capability]) -> Vec<RouterFacts> {
    let here = Network::open().map_err(|error| error.to_string()).and_then(|mut network| {
        let interfaces = network.interfaces().map_err(|refused| refused.to_string())?;
        Ok(Here { interfaces, addresses: network.addresses().map_err(|refused| refused.to_string())? })
    });
    let right = denied(own, Capability::NetRaw);
    // All listen at the same time: the whole takes as long as the slowest.
    std::thread::scope(|scope| {
        let looks: Vec<_> = (asked.snapshot.virtual_routers.iter())
            .map(|router| scope.spawn(|| router_facts(asked, router, &here, &right)))
            .collect();
        // A look that panicked was printed, and leaves its router without facts.
        looks.into_iter().filter_map(|look| look.join().ok()).collect()
    })
}

fn router_facts(
    asked: &Asked<'_>,
    router: &VirtualRouter,
    here: &Look<Here>,
    right: &Result<(), String>,
) -> RouterFacts {
    let link = here.as_ref().map_err(Clone::clone).map(|here| here.link(&router.interface));
    let family = router.addresses.first().map_or(Family::V4, |it| Family::of(it.address));
    let listened = (router.advertisement_interval * 4).min(LONGEST);
    let (socket, heard) = match &router.transport {
        Transport::Vrrp { .. } => listen(router, family, listened, here, right),
        // Sealed advertisements are for those who have the key and the port.
        Transport::Udp { bind, .. } => {
            (Ok(bindable(asked, *bind)), Err("advertisements are sealed".to_owned()))
        }
    };
    let asks = |addresses: &[IpAddr]| {
        right.clone()?;
        let here = here.as_ref().map_err(Clone::clone)?;
        who_has(here, &router.interface, addresses)
    };
    let addresses: Vec<IpAddr> = router.addresses.iter().map(|it| it.address).take(MOST).collect();
    let owners = asks(&addresses);
    let v4 = family == Family::V4;
    RouterFacts {
        link,
        socket,
        heard,
        listened,
        owners: addresses.iter().map(|address| (*address, owner(&owners, *address, here))).collect(),
        peers: peers(router, here, &asks),
        rp_filter: v4.then(|| in_force(&router.interface, Setting::RpFilter)).flatten(),
        arp_ignore: v4.then(|| in_force(&router.interface, Setting::ArpIgnore)).flatten(),
        keys: keys(asked, router),
    }
}

impl Here {
    fn link(&self, name: &InterfaceName) -> Option<Link> {
        let interface = self.interface(name)?;
        let mtu = fs::read_to_string(format!("/sys/class/net/{name}/mtu"));
        Some(Link {
            usable: interface.up && interface.running,
            mtu: mtu.ok().and_then(|text| text.trim().parse().ok()),
            has_mac: interface.mac.is_some(),
        })
    }

    fn interface(&self, name: &InterfaceName) -> Option<&Interface> {
        self.interfaces.iter().find(|it| it.name == *name)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|it| it.address == address)
    }

    /// An address that an interface asks from: link-local for IPv6.
    fn source(&self, index: u32, family: Family) -> Option<IpAddr> {
        let fits = |it: &&InterfaceAddress| {
            it.interface == index
                && Family::of(it.address) == family
                && it.link_local == (family == Family::V6)
        };
        self.addresses.iter().find(fits).map(|it| it.address)
    }

    fn is_on_link(&self, name: &InterfaceName, address: IpAddr) -> bool {
        let index = self.interface(name).map(|it| it.index);
        self.addresses
            .iter()
            .any(|it| Some(it.interface) == index && same_network(it.address, address, it.prefix))
    }
}

fn same_network(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let cut = u32::from(prefix).min(128);
    one.is_ipv4() == other.is_ipv4() && (cut == 0 || (bits(one) ^ bits(other)) >> (128 - cut) == 0)
}

/// Opens the socket for protocol 112, and hears who else is there.
fn listen(
    router: &VirtualRouter,
    family: Family,
    listened: Duration,
    here: &Look<Here>,
    right: &Result<(), String>,
) -> (Look<Result<(), String>>, Look<Vec<Heard>>) {
    if let Err(text) = right {
        return (Err(text.clone()), Err(text.clone()));
    }
    let port = match Advertisements::open(family, &router.interface, Hears::Group) {
        Ok(port) => port,
        Err(error) => return (Ok(Err(error.to_string())), Err("its socket can't be opened".to_owned())),
    };
    let own = |address| here.as_ref().is_ok_and(|here| here.is_own(address));
    (Ok(Ok(())), Ok(hear(&port, listened, own)))
}

fn hear(port: &Advertisements, listened: Duration, own: impl Fn(IpAddr) -> bool) -> Vec<Heard> {
    let until = now() + listened;
    let mut heard: BTreeMap<(IpAddr, u8), Heard> = BTreeMap::new();
    let mut buffer = vec![0; LARGEST];
    while now() < until {
        let Ok(received) = port.receive(&mut buffer) else {
            if !readable([port.as_fd()], until) {
                break;
            }
            continue;
        };
        let (source, destination, hop_limit) = (received.source, received.destination, received.hop_limit);
        let carrier = Carrier::Ip { source, destination, hop_limit };
        if let Ok((advertisement, _)) = Advertisement::decode(received.payload, carrier)
            && advertisement.priority > 0
            && !own(source)
        {
            let Advertisement { id, priority, addresses, .. } = advertisement;
            heard.insert((source, id), Heard { source, id, priority, addresses });
        }
    }
    heard.into_values().collect()
}

/// Asks for all of them at once, and gives who answers for each.
fn who_has(here: &Here, name: &InterfaceName, addresses: &[IpAddr]) -> Look<BTreeMap<IpAddr, Vec<Mac>>> {
    let interface = here.interface(name).ok_or_else(|| format!("there is no interface {name}"))?;
    let mac = interface.mac.ok_or_else(|| format!("{name} has no MAC"))?;
    let question = |address: &IpAddr| {
        // IPv4 asks from nowhere, which changes nobody's cache (RFC 5227).
        let family = Family::of(*address);
        let source = if family == Family::V4 { None } else { here.source(interface.index, family) };
        Question::open(name, mac, source, *address).map(|question| (*address, question))
    };
    let questions: Vec<_> =
        addresses.iter().map(question).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut found: BTreeMap<IpAddr, Vec<Mac>> = BTreeMap::new();
    for _ in 0..ASKED {
        for (_, question) in &questions {
            question.ask().map_err(|error| error.to_string())?;
        }
        let until = now() + ANSWERS / ASKED;
        // It is the second answer that matters: all of the time is waited for.
        while readable(questions.iter().map(|(_, question)| question.as_fd()), until) {
            questions
                .iter()
                .for_each(|(address, question)| take(found.entry(*address).or_default(), question));
        }
    }
    found.retain(|_, macs| !macs.is_empty());
    Ok(found)
}

/// Bounded, because a flood of forged answers must end.
fn take(macs: &mut Vec<Mac>, question: &Question) {
    for _ in 0..MOST {
        let Ok(Some(answer)) = question.next_answer() else { return };
        if !macs.contains(&answer.mac) && macs.len() < MOST {
            macs.push(answer.mac);
        }
    }
}

/// Waits until one of them has something; false at the moment at which that is too late.
fn readable<'a>(descriptors: impl IntoIterator<Item = BorrowedFd<'a>>, until: Moment) -> bool {
    let mut all: Vec<_> =
        descriptors.into_iter().map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN)).collect();
    let left = until.since(now());
    if left.is_zero() {
        return false;
    }
    let left = Timespec::try_from(left).unwrap_or_default();
    // Interrupted: whoever asks looks again, until it is too late.
    poll(&mut all, Some(&left)).is_ok_and(|count| count > 0) || now() < until
}

fn owner(found: &Look<BTreeMap<IpAddr, Vec<Mac>>>, address: IpAddr, here: &Look<Here>) -> Look<Owners> {
    let (found, here) = (found.as_ref().map_err(Clone::clone)?, here.as_ref().map_err(Clone::clone)?);
    let ours = |mac: &&Mac| here.interfaces.iter().any(|it| it.mac == Some(**mac));
    let macs = found.get(&address).into_iter().flatten();
    Ok(Owners {
        here: here.is_on_network(address),
        macs: macs.filter(|mac| !ours(mac)).map(ToString::to_string).collect(),
    })
}

impl Here {
    /// On an interface that answers for it: the loopback keeps it quiet for open flows.
    fn is_on_network(&self, address: IpAddr) -> bool {
        let with_mac = |index| self.interfaces.iter().any(|it| it.index == index && it.name.as_str() != "lo");
        self.addresses.iter().any(|it| it.address == address && with_mac(it.interface))
    }
}

fn peers(
    router: &VirtualRouter,
    here: &Look<Here>,
    asks: &impl Fn(&[IpAddr]) -> Look<BTreeMap<IpAddr, Vec<Mac>>>,
) -> Vec<(String, IpAddr, Look<bool>)> {
    let named: Vec<(String, IpAddr)> = match &router.transport {
        Transport::Vrrp { peers, .. } => peers.iter().map(|it| (it.name.to_string(), it.address)).collect(),
        Transport::Udp { peers, .. } => {
            peers.iter().map(|it| (it.name.to_string(), it.address.ip())).collect()
        }
    };
    let on_link = |address| here.as_ref().is_ok_and(|here| here.is_on_link(&router.interface, address));
    let asked: Vec<IpAddr> = named.iter().map(|(_, address)| *address).filter(|it| on_link(*it)).collect();
    let found = if asked.is_empty() { Ok(BTreeMap::new()) } else { asks(&asked) };
    let reached = |address: IpAddr| {
        if here.as_ref().is_ok_and(|here| here.is_own(address)) {
            return Ok(true);
        }
        if !on_link(address) {
            return Err("it is on no network of the interface".to_owned());
        }
        found.as_ref().map(|found| found.contains_key(&address)).map_err(Clone::clone)
    };
    named.into_iter().map(|(name, address)| (name, address, reached(address))).collect()
}

/// The greater of the interface's value and that of `all` is in force (ip-sysctl).
fn in_force(interface: &InterfaceName, of: fn(InterfaceName) -> Setting) -> Option<i32> {
    let own = of(interface.clone()).get().ok()?;
    Some(of("all".into()).get().unwrap_or(0).max(own))
}

fn keys(asked: &Asked<'_>, router: &VirtualRouter) -> Option<Result<u32, String>> {
    let Transport::Udp { keys, .. } = &router.transport else { return None };
    let wanted = asked.config.parent()?.join(&**keys);
    let found = keys_files(asked.config, asked.snapshot, false).into_iter().find(|it| it.path == wanted)?;
    Some(match found.found {
        Found::Unreadable(text) => Err(format!("{}: {text}", wanted.display())),
        Found::Read { diagnostics, .. } if !diagnostics.is_empty() => {
            Err(format!("{} holds no keys that can be used", wanted.display()))
        }
        Found::Read { .. } => fs::metadata(&wanted)
            .map(|metadata| metadata.permissions().mode())
            .map_err(|error| error.to_string()),
    })
}

/// The running haechi has its port; else it must be free.
fn bindable(asked: &Asked<'_>, bind: std::net::SocketAddr) -> Result<(), String> {
    if asked.running.is_some() {
        return Ok(());
    }
    std::net::UdpSocket::bind(bind).map(drop).map_err(|error| format!("{bind}: {error}"))
}
