//! Virtual routers: what each says for itself. `transport` and `track` read their parts, `spread` makes
//! several of one entry, and `whole` compares all of them.

mod spread;
mod track;
mod transport;
mod whole;

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, Mover, Pool, VirtualAddress, VirtualRouter};

use self::whole::Whole;
use super::clash::Bind;
use super::{References, health, named, not_here};
use crate::object::{Object, Read, item, many};
use crate::report::{Report, quote};
use crate::tree::{Data, Entry};
use crate::value::{self, duration::format};
use crate::{Code, Span, defaults, keys};

/// Most addresses of one: an advertisement counts them with 8 bits (RFC 9568 §5.2.5).
const MAX_ADDRESSES: usize = 255;

/// The address owner's priority (RFC 9568 §5.2.4).
const OWNER: u8 = 255;

/// One hundredth of a second, in which intervals are counted on the wire.
const CENTISECOND: Duration = Duration::from_millis(10);

/// What a virtual router refers to.
pub(super) struct Around<'a> {
    /// This node's name.
    pub(super) node: &'a str,
    pub(super) pools: &'a [Pool],
    /// Where listeners stand, if that is known for all of them and there is any.
    pub(super) binds: Option<&'a Vec<Bind>>,
}

/// An address and where it is written.
type Placed = (VirtualAddress, Span);

/// All virtual routers, spread ones as several. They are only right if the report has no error.
pub(super) fn virtual_routers(
    root: &Object<'_, '_>,
    around: &Around<'_>,
    references: &mut References,
    report: &mut Report,
) -> Vec<VirtualRouter> {
    let entries = named(root, "virtualRouters", "a virtual router", report).unwrap_or_default();
    let mut whole = Whole::new(entries);
    let mut routers = Vec::with_capacity(entries.len());
    for Entry { key, value } in entries {
        let before = report.errors();
        match Object::open(value, &keys::VIRTUAL_ROUTER, key.span, report) {
            Some(object) => {
                routers.extend(read(&key.text, object, around, references, &mut whole, report));
            }
            None => references.lose(),
        }
        whole.broken |= report.errors() != before;
    }
    whole.finish(around.binds, report);
    routers
}

fn read(
    name: &str,
    object: Object<'_, '_>,
    around: &Around<'_>,
    references: &mut References,
    whole: &mut Whole,
    report: &mut Report,
) -> Vec<VirtualRouter> {
    let interface =
        object.parsed("interface", "an interface such as `eth0`", report, |text, _| value::interface(text));
    let addresses = addresses(&object, report);
    let family = addresses.first().map(|(first, _)| first.address.is_ipv4());
    let transport = transport::transport(&object, around.node, &addresses, report);
    let mover = mover(&object, report);
    let priority = object.int::<u8>("priority", report);
    preemption(&object, &priority, report);
    let template = VirtualRouter {
        advertisement_interval: interval(&object, report),
        preempt: object.flag("preempt", report).or(true),
        preempt_delay: object.duration("preemptDelay", report).or(Duration::ZERO),
        startup_delay: object.duration("startupDelay", report).or(Duration::ZERO),
        virtual_mac: virtual_mac(&object, &mover, report),
        announce: announce(&object, &mover, report),
        mover,
        track: track::track(&object, interface.ok(), around.pools, references, report),
        group: object.name("group", report).ok().map(Into::into),
        drain: object.duration("drain", report).or(defaults::VIRTUAL_ROUTER_DRAIN),
        transport,
        addresses: addresses.iter().map(|(address, _)| *address).collect(),
        ..defaults::virtual_router(name, NonZeroU8::MIN, interface.or(""))
    };
    let id = object.int::<u8>("id", report);
    let routers = if object.has("spread") {
        for (key, why) in [
            ("id", "`firstId` numbers the virtual routers of a spread"),
            ("priority", "a spread gives each node its priorities"),
            ("group", "addresses that move together can't be spread"),
        ] {
            not_here(&object, key, why, "remove it, or remove `spread`", report);
        }
        let spread = (object.section("spread", report), object.at);
        spread::spread(spread, (&template, &addresses), around.node, whole, report)
    } else {
        for key in ["id", "priority"].into_iter().filter(|key| !object.has(key)) {
            report.add(Code::MissingKey, object.at, format!("a virtual router needs `{key}`")).help(
                if key == "id" {
                    "a number from 1 to 255, the same on all its nodes"
                } else {
                    "from 1 to 254, another one on each node: the greatest is the first to be active"
                },
            );
        }
        object.node("spread");
        if family == Some(false) {
            link_local(&template, &addresses, report);
        }
        one(template, id, priority, &addresses, object.key_span("group"), whole, report)
    };
    object.done();
    routers
}

fn one(
    template: VirtualRouter,
    id: Read<u8>,
    priority: Read<u8>,
    addresses: &[Placed],
    group: Span,
    whole: &mut Whole,
    report: &mut Report,
) -> Vec<VirtualRouter> {
    let at = id.span();
    let (id, priority) = (id.ok().and_then(NonZeroU8::new), priority.ok().and_then(NonZeroU8::new));
    let router = VirtualRouter {
        id: id.unwrap_or(NonZeroU8::MIN),
        priority: priority.unwrap_or(NonZeroU8::MIN),
        ..template
    };
    whole.add(&router, at.filter(|_| id.is_some()), addresses, group, report);
    vec![router]
}

fn addresses(object: &Object<'_, '_>, report: &mut Report) -> Vec<Placed> {
    let Some((node, at)) = object.node("addresses") else { return Vec::new() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, "`addresses` needs at least one address")
            .help("such as `10.0.0.100/24`");
    }
    let nodes = many(node);
    if let Some(node) = nodes.get(MAX_ADDRESSES) {
        report
            .add(Code::TooManyAddresses, node.span, format!("{} addresses are too many", nodes.len()))
            .label(format!("number {}", MAX_ADDRESSES + 1))
            .help("an advertisement has room for 255; write a second virtual router, in one `group` with this one");
    }
    let wanted = "an address with a prefix length such as `10.0.0.100/24`";
    let placed = |node| {
        let parse = |text, _| value::net::virtual_address(text);
        Some((item(node, at, "addresses", wanted, report, parse)?, node.span))
    };
    let addresses: Vec<Placed> = nodes.iter().take(MAX_ADDRESSES).filter_map(placed).collect();
    families(&addresses, report);
    addresses
}

fn families(addresses: &[Placed], report: &mut Report) {
    let Some(((first, _), others)) = addresses.split_first() else { return };
    let family = |ip: IpAddr| if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    if let Some((other, span)) = others.iter().find(|(one, _)| family(one.address) != family(first.address)) {
        report
            .add(
                Code::Families,
                *span,
                format!("an {} address among {} ones", family(other.address), family(first.address)),
            )
            .help("write a virtual router for each family; both in one `group` move together");
    }
}

/// What RFC 9568 §5.2.9 asks of IPv6, where others may hear it.
fn link_local(router: &VirtualRouter, addresses: &[Placed], report: &mut Report) {
    let udp = matches!(router.transport, haechi_model::Transport::Udp { .. });
    let Some((first, span)) = addresses.first().filter(|(first, _)| !is_link_local(first.address) && !udp)
    else {
        return;
    };
    report
        .add(Code::NoLinkLocal, *span, format!("{} is not a link-local address", first.address))
        .label("the first IPv6 address should be one")
        .help(
            "put one such as `fe80::100/64` in front, the same on all nodes; strict peers want it (RFC 9568)",
        );
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn interval(object: &Object<'_, '_>, report: &mut Report) -> Duration {
    let read = object.duration("advertisementInterval", report);
    if let Read::Given(interval, span) = read
        && interval.subsec_nanos() % CENTISECOND.subsec_nanos() != 0
    {
        let whole = interval.as_millis().div_ceil(CENTISECOND.as_millis());
        let whole = CENTISECOND * u32::try_from(whole).unwrap_or(1);
        report
            .add(
                Code::Duration,
                span,
                format!("`advertisementInterval` can't be {}", quote(&format(interval))),
            )
            .label("not whole hundredths of a second")
            .suggest(Some(format(whole)))
            .help("advertisements carry it in hundredths of a second (RFC 9568 section 5.2.7)");
    }
    read.or(defaults::ADVERTISEMENT_INTERVAL)
}

/// Settings that nothing reads, because a node never takes over, or always does.
fn preemption(object: &Object<'_, '_>, priority: &Read<u8>, report: &mut Report) {
    let never = object.flag("preempt", &mut Report::default()).ok() == Some(false);
    let owner = matches!(priority, Read::Given(OWNER, _));
    let why = "the owner of the addresses (`priority: 255`) takes them back at once (RFC 9568 section 6.1)";
    if owner && never {
        idle(object, "preempt", why, report);
    }
    if owner {
        idle(object, "preemptDelay", why, report);
    } else if never {
        idle(
            object,
            "preemptDelay",
            "with `preempt: false` nothing is taken over from a living node",
            report,
        );
    }
}

/// Reports a key that nothing reads, because of what else is set.
fn idle(object: &Object<'_, '_>, key: &str, why: &str, report: &mut Report) {
    if object.has(key) {
        report
            .add(Code::Idle, object.key_span(key), format!("`{key}` has no effect"))
            .label(why)
            .help("remove it");
    }
}

fn mover(object: &Object<'_, '_>, report: &mut Report) -> Mover {
    let Some((node, at)) = object.node("mover") else { return Mover::default() };
    if matches!(node.data, Data::Map(_)) {
        let Some(object) = Object::open(node, &keys::MOVER, at, report) else { return Mover::default() };
        let command = health::command(&object, report);
        object.done();
        return Mover::Command(command);
    }
    let wanted = "`netlink`, `bind` or a map with `command`";
    let parse = |text: &str, _| match text {
        "netlink" => Ok(Mover::Netlink),
        "bind" => Ok(Mover::Bind),
        _ => Err(value::Complaint::new(Code::Word, format!("not {wanted}"))
            .help("a program is written as `mover: { command: [/path/to/program, argument] }`")),
    };
    item(node, at, "mover", wanted, report, parse).unwrap_or_default()
}

fn virtual_mac(object: &Object<'_, '_>, mover: &Mover, report: &mut Report) -> bool {
    let wanted = object.flag("virtualMac", report).or(false);
    if wanted && *mover != Mover::Netlink {
        idle(object, "virtualMac", "only `mover: netlink` makes an interface with this MAC", report);
    }
    wanted
}

fn announce(object: &Object<'_, '_>, mover: &Mover, report: &mut Report) -> Announcing {
    if *mover == Mover::Bind {
        idle(
            object,
            "announce",
            "with `mover: bind` the addresses do not move, so there is nothing to tell",
            report,
        );
    }
    let announce = object.section("announce", report);
    let default = Announcing::default();
    let read = Announcing {
        repeat: announce.int("repeat", report).or(default.repeat),
        interval: announce.duration("interval", report).or(default.interval),
        again: announce.duration("again", report).or(default.again),
        refresh: announce.duration("refresh", report).or(default.refresh),
    };
    announce.done();
    read
}
