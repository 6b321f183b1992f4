//! A macvlan for a virtual router's MAC, seen from the other end of the cable.

use std::net::IpAddr;

use haechi_sys::netlink::{Macvlan, MacvlanMode, Network, Outcome};
use haechi_sys::raw::{Advertisements, Hears, group};
use haechi_sys::{Family, Mac};

use crate::network::{interface, network};
use crate::rig::capture::{Capture, is_arp, is_ipv4, part};
use crate::rig::{Namespace, cable};

fn host_with_macvlan(name: &str, mac: Mac) -> (Namespace, Namespace, Network) {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    one.give("eth0", "10.77.0.1/24");
    two.give("eth0", "10.77.0.2/24");
    let mut kernel = network(&one);
    let parent = interface(&mut kernel, "eth0").index;
    let name = name.into();
    let wanted = Macvlan { name: &name, parent, mac, mode: MacvlanMode::Private };
    assert_eq!(kernel.add_macvlan(&wanted).unwrap(), Outcome::Changed);
    assert_eq!(kernel.add_macvlan(&wanted).unwrap(), Outcome::AlreadySo);
    (one, two, kernel)
}

#[test]
fn the_interface_is_as_wanted_and_goes_again() {
    let mac = Mac::of_virtual_router(Family::V4, 51);
    let (one, _two, mut kernel) = host_with_macvlan("vrrp.51", mac);
    let made = interface(&mut kernel, "vrrp.51");
    assert_eq!((made.mac, made.up), (Some(mac), false));
    kernel.set_up(made.index, true).unwrap();
    let shown = one.ip("-d link show vrrp.51");
    assert!(shown.contains("macvlan mode private") && shown.contains("addrgenmode none"), "{shown}");
    assert_eq!(one.ip("-o -6 addr show dev vrrp.51"), "", "no link-local address that both nodes would have");

    // Of the same name, but not the same.
    let name = "vrrp.51".into();
    let parent = interface(&mut kernel, "eth0").index;
    let other = Macvlan {
        name: &name,
        parent,
        mac: Mac::of_virtual_router(Family::V4, 52),
        mode: MacvlanMode::Bridge,
    };
    assert_eq!(kernel.add_macvlan(&other).unwrap_err().os_error(), Some(libc::EEXIST));
    let taken = "eth0".into();
    let refused = kernel.add_macvlan(&Macvlan { name: &taken, ..other }).unwrap_err();
    assert_eq!(refused.os_error(), Some(libc::EEXIST));
    assert_eq!(kernel.remove_macvlan(&"eth0".into()).unwrap_err().os_error(), Some(libc::EINVAL));
    assert!(one.ip("link show eth0").contains("eth0"), "what is not ours stays");

    assert_eq!(kernel.remove_macvlan(&name).unwrap(), Outcome::Changed);
    assert_eq!(kernel.remove_macvlan(&name).unwrap(), Outcome::AlreadySo);
    assert_eq!(kernel.interface(&name).unwrap(), None);
}

#[test]
fn the_address_answers_from_the_virtual_mac_alone() {
    let mac = Mac::of_virtual_router(Family::V4, 51);
    let (one, two, mut kernel) = host_with_macvlan("vrrp.51", mac);
    let index = interface(&mut kernel, "vrrp.51").index;
    kernel.set_up(index, true).unwrap();
    let virtual_one: IpAddr = "10.77.0.100".parse().unwrap();
    kernel.add_address(index, virtual_one, 32).unwrap();
    // Otherwise the parent answers too, with its own MAC.
    one.set("ipv4/conf/eth0/arp_ignore", "1");

    let asked = two.mac("eth0");
    let answers = two.run(|| {
        let within = std::time::Duration::from_millis(500);
        haechi_sys::neighbour::who_has(&"eth0".into(), asked, None, virtual_one, within).unwrap()
    });
    assert_eq!(answers.iter().map(|answer| (answer.mac, answer.sender)).collect::<Vec<_>>(), [(mac, mac)]);
}

#[test]
fn advertisements_come_from_the_virtual_mac_and_the_own_address() {
    let mac = Mac::of_virtual_router(Family::V4, 51);
    let (one, two, mut kernel) = host_with_macvlan("vrrp.51", mac);
    let index = interface(&mut kernel, "vrrp.51").index;
    kernel.set_up(index, true).unwrap();
    let capture = Capture::start(&two);
    let (advertisements, announcer) = one.run(|| {
        let name = "vrrp.51".into();
        let advertisements = Advertisements::open(Family::V4, &name, Hears::Group).unwrap();
        (advertisements, haechi_sys::neighbour::Announcer::open().unwrap())
    });
    advertisements.send(b"advertisement", "10.77.0.1".parse().unwrap(), group(Family::V4)).unwrap();
    let frame = capture.next("advertisement", |frame| is_ipv4(frame, 112));
    assert_eq!(part(&frame, 6, 6), mac.octets(), "so that switches learn where it is");
    assert_eq!(part(&frame, 26, 4), [10, 77, 0, 1], "the parent's address");
    announcer.announce(index, mac, &["10.77.0.100".parse().unwrap()], false).unwrap();
    assert_eq!(part(&capture.next("gratuitous ARP", is_arp), 22, 6), mac.octets());
}
