//! Events of the network, made by `ip` and seen by a subscription.

use haechi_sys::clock;
use haechi_sys::netlink::{Event, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketType};

use crate::rig::{Namespace, SOON, cable, switch};

fn watch(host: &Namespace) -> Watch {
    host.run(|| Watch::open().unwrap())
}

/// The next event that is `wanted`; others are passed over.
fn next(watch: &mut Watch, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let deadline = clock::now() + SOON;
    loop {
        while let Some(event) = watch.next_event().unwrap() {
            if wanted(&event) {
                return event;
            }
        }
        assert!(clock::now() < deadline, "no event: {what}");
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&wait)).unwrap();
    }
}

#[test]
fn links_and_addresses_are_told_as_they_change() {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    let mut watch = watch(&one);
    assert_eq!(watch.next_event().unwrap(), None, "what was before is not told");

    let of_eth0 = |event: &Event, usable: bool| matches!(event, Event::Interface(it) if it.name.as_str() == "eth0" && it.usable() == usable);
    two.ip("link set eth0 down");
    next(&mut watch, "no carrier", |event| of_eth0(event, false));
    two.ip("link set eth0 up");
    next(&mut watch, "carrier", |event| of_eth0(event, true));

    for address in ["10.77.0.100/24", "2001:db8:77::100/64"] {
        one.ip(&format!("addr add {address} dev eth0 "));
        let (wanted, prefix) = address.split_once('/').unwrap();
        let Event::Address(came) = next(
            &mut watch,
            "address",
            |event| matches!(event, Event::Address(it) if it.address.to_string() == wanted),
        ) else {
            panic!("not an address");
        };
        assert_eq!(came.prefix.to_string(), prefix);
        one.ip(&format!("addr del {address} dev eth0"));
        next(
            &mut watch,
            "no address",
            |event| matches!(event, Event::AddressGone(it) if it.address == came.address && it.interface == came.interface),
        );
    }

    one.ip("link set eth0 down");
    next(
        &mut watch,
        "off",
        |event| matches!(event, Event::Interface(it) if it.name.as_str() == "eth0" && !it.up),
    );
    one.ip("link del eth0");
    next(
        &mut watch,
        "gone",
        |event| matches!(event, Event::InterfaceGone { name, .. } if name.as_str() == "eth0"),
    );
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    let host = Namespace::new("a");
    let switch = switch(&[&host]);
    let mut watch = watch(&switch);
    switch.ip("link set port0 nomaster");
    switch.ip("link set port0 down");
    let event = next(&mut watch, "off", |event| match event {
        Event::Interface(it) => it.name.as_str() == "port0" && !it.up,
        Event::InterfaceGone { .. } => true,
        _ => false,
    });
    assert!(matches!(event, Event::Interface(_)), "{event:?}");
}

/// Any process with `CAP_NET_ADMIN` may write to a netlink socket of another (CVE-2012-6689 and its like).
#[test]
fn only_the_kernel_is_believed() {
    let host = Namespace::new("a");
    let mut watch = watch(&host);
    let Ok(place) = SocketAddrNetlink::try_from(rustix::net::getsockname(&watch).unwrap()) else {
        panic!("no netlink socket");
    };
    // "Interface 1, called lo, is gone."
    let mut forged = vec![44, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    forged.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    forged.extend_from_slice(&[7, 0, 3, 0, b'l', b'o', 0, 0, 4, 0, 0, 0]);
    let sent = host.run(|| {
        let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
        rustix::net::sendto(&socket, &forged, SendFlags::empty(), &place).unwrap()
    });
    assert_eq!(sent, forged.len(), "it is there");
    host.ip("addr add 10.77.0.1/32 dev lo");
    let first = next(&mut watch, "anything", |_| true);
    assert!(matches!(first, Event::Address(_)), "{first:?}");
}

#[test]
fn what_was_lost_is_told() {
    let host = Namespace::new("a");
    let mut watch = watch(&host);
    // Far more than the kernel holds for one that does not read.
    let added = (0..8000).map(|number| format!("addr add 10.{}.{}.1/32 dev lo", number / 250, number % 250));
    host.ip_batch(&added.collect::<Vec<_>>());
    next(&mut watch, "lost", |event| *event == Event::Lost);
    // And then it goes on.
    while watch.next_event().unwrap().is_some() {}
    host.ip("addr add 10.99.99.99/32 dev lo");
    next(
        &mut watch,
        "address",
        |event| matches!(event, Event::Address(it) if it.address.to_string() == "10.99.99.99"),
    );
}
