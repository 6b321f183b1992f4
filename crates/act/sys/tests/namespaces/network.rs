//! Addresses, routes, rules and settings, judged by `ip` and by packets.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use haechi_sys::Family;
use haechi_sys::capabilities::keep_only;
use haechi_sys::netlink::{Interface, Mark, Network, Outcome, Route, Rule};
use haechi_sys::sysctl::Setting;

use crate::rig::{Namespace, SOON, cable, switch};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn network(host: &Namespace) -> Network {
    host.run(|| Network::open().unwrap())
}

pub(crate) fn interface(network: &mut Network, name: &str) -> Interface {
    network.interface(&name.into()).unwrap().unwrap_or_else(|| panic!("no {name}"))
}

fn two_hosts() -> (Namespace, Namespace) {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    (one, two)
}

#[test]
fn interfaces_are_as_the_kernel_has_them() {
    let (one, two) = two_hosts();
    one.ip("link set eth0 mtu 1400");
    one.ip("link add eth0.7 link eth0 type macvlan");
    let mut kernel = network(&one);
    let eth0 = interface(&mut kernel, "eth0");
    assert_eq!(eth0.mac, Some(one.mac("eth0")));
    assert_eq!((eth0.mtu, eth0.kind.as_deref(), eth0.loopback), (1400, Some("veth"), false));
    assert!(eth0.up && eth0.carrier && eth0.running && eth0.usable());
    let lo = interface(&mut kernel, "lo");
    assert!(lo.loopback && lo.usable() && lo.kind.is_none());
    let above = interface(&mut kernel, "eth0.7");
    assert_eq!((above.parent, above.kind.as_deref(), above.up), (Some(eth0.index), Some("macvlan"), false));
    assert_eq!(kernel.interfaces().unwrap().len(), 3);
    assert_eq!(kernel.interface(&"eth9".into()).unwrap(), None);

    two.ip("link set eth0 down");
    one.wait_until("no carrier", || one.ip("link show eth0").contains("NO-CARRIER"));
    let cut = interface(&mut kernel, "eth0");
    assert!(cut.up && !cut.carrier && !cut.usable(), "its administrator left it on");
    kernel.set_up(eth0.index, false).unwrap();
    assert!(!interface(&mut kernel, "eth0").up);
    assert_eq!(kernel.set_up(999, true).unwrap_err().os_error(), Some(libc::ENODEV));
}

#[test]
fn an_address_is_there_at_once_and_gone_at_once() {
    let (one, two) = two_hosts();
    // Address detection stays on where the address goes to.
    one.set("ipv6/conf/all/accept_dad", "1");
    one.give("eth0", "10.77.0.1/24");
    two.give("eth0", "10.77.0.2/24");
    two.give("eth0", "2001:db8:77::2/64");
    let mut kernel = network(&one);
    let index = interface(&mut kernel, "eth0").index;
    for (address, prefix, told) in
        [("10.77.0.100", 24, "inet 10.77.0.100/24"), ("2001:db8:77::100", 64, "inet6 2001:db8:77::100/64")]
    {
        let address = ip(address);
        assert_eq!(kernel.add_address(index, address, prefix).unwrap(), Outcome::Changed);
        assert_eq!(kernel.add_address(index, address, prefix).unwrap(), Outcome::AlreadySo);
        assert!(one.ip("-o addr show dev eth0").contains(told));
        let there = kernel.addresses().unwrap().into_iter().find(|it| it.address == address).unwrap();
        assert_eq!((there.interface, there.prefix, there.link_local), (index, prefix, false));
        assert!(!there.tentative && !there.duplicate);
        // It serves.
        let listener = one.run(|| TcpListener::bind(SocketAddr::new(address, 0)).unwrap());
        let to = listener.local_addr().unwrap();
        let mut client = two.run(|| TcpStream::connect_timeout(&to, SOON).unwrap());
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();

        assert_eq!(kernel.remove_address(index, address, prefix).unwrap(), Outcome::Changed);
        assert_eq!(kernel.remove_address(index, address, prefix).unwrap(), Outcome::AlreadySo);
        assert!(!one.ip("-o addr show dev eth0").contains(told));
    }
}

#[test]
fn own_connections_do_not_come_from_an_address_that_moves() {
    let (one, two) = two_hosts();
    for (own, virtual_one, other, prefix) in [
        ("10.77.0.1", "10.77.0.100", "10.77.0.2", 24),
        ("2001:db8:77::1", "2001:db8:77::100", "2001:db8:77::2", 64),
    ] {
        one.give("eth0", &format!("{own}/{prefix}"));
        two.give("eth0", &format!("{other}/{prefix}"));
        let mut kernel = network(&one);
        let index = interface(&mut kernel, "eth0").index;
        kernel.add_address(index, ip(virtual_one), prefix).unwrap();
        let endpoint = two.run(|| TcpListener::bind(SocketAddr::new(ip(other), 0)).unwrap());
        let to = endpoint.local_addr().unwrap();
        let flow = one.run(|| TcpStream::connect_timeout(&to, SOON).unwrap());
        assert_eq!(flow.local_addr().unwrap().ip(), ip(own));
    }
}

#[test]
fn an_address_goes_whatever_its_prefix() {
    let (one, _two) = two_hosts();
    let mut kernel = network(&one);
    let index = interface(&mut kernel, "eth0").index;
    for (address, prefix, other) in [("10.77.0.100", 24, 32), ("2001:db8:77::100", 64, 128)] {
        one.give("eth0", &format!("{address}/{prefix}"));
        assert_eq!(kernel.remove_address(index, ip(address), other).unwrap(), Outcome::Changed);
        assert!(!one.ip("-o addr show dev eth0").contains(address));
    }
    // Where its interface is gone, so is the address.
    kernel.add_address(index, ip("10.77.0.100"), 24).unwrap();
    one.ip("link del eth0");
    assert_eq!(kernel.remove_address(index, ip("10.77.0.100"), 24).unwrap(), Outcome::AlreadySo);
    let refused = kernel.add_address(index, ip("10.77.0.100"), 24).unwrap_err();
    assert_eq!(refused.os_error(), Some(libc::ENODEV));
    assert!(refused.to_string().starts_with("adding 10.77.0.100/24 to interface"), "{refused}");
}

#[test]
fn without_the_right_it_says_which_one() {
    let (one, _two) = two_hosts();
    let refused = one.run(|| {
        keep_only(&[]).unwrap();
        let mut kernel = Network::open().unwrap();
        let index = interface(&mut kernel, "eth0").index;
        kernel.add_address(index, ip("10.77.0.100"), 24).unwrap_err()
    });
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(refused.to_string().contains("CAP_NET_ADMIN"), "{refused}");
}

#[test]
fn routes_and_rules_are_those_that_ip_shows() {
    let (one, _two) = two_hosts();
    one.give("eth0", "10.77.0.1/24");
    one.give("eth0", "2001:db8:77::1/64");
    let mut kernel = network(&one);
    let interface = interface(&mut kernel, "eth0").index;
    for (family, destination, prefix, gateway, flag) in [
        (Family::V4, "10.77.0.100", 32, "10.77.0.2", "-4"),
        (Family::V6, "2001:db8:77::100", 128, "2001:db8:77::2", "-6"),
        (Family::V4, "0.0.0.0", 0, "10.77.0.2", "-4"),
        (Family::V6, "::", 0, "2001:db8:77::2", "-6"),
    ] {
        let route = Route {
            destination: ip(destination),
            prefix,
            gateway: Some(ip(gateway)),
            interface,
            table: 7112,
        };
        assert_eq!(kernel.add_route(&route).unwrap(), Outcome::Changed);
        assert_eq!(kernel.add_route(&route).unwrap(), Outcome::Changed, "in the place of itself");
        let shown = one.ip(&format!("{flag} route show table 7112"));
        let name = if prefix == 0 { "default" } else { destination };
        assert!(shown.starts_with(&format!("{name} via {gateway} dev eth0")), "{shown}");
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(kernel.routes().unwrap().contains(&route));
        assert_eq!(kernel.remove_route(&route).unwrap(), Outcome::Changed);
        assert_eq!(kernel.remove_route(&route).unwrap(), Outcome::AlreadySo);
        assert!(!kernel.routes().unwrap().contains(&route));

        let mark = Mark { value: 0x70, mask: 0xf0 };
        let rule = Rule { family, priority: 50, mark: Some(mark), table: 7112 };
        assert_eq!(kernel.add_rule(&rule).unwrap(), Outcome::Changed);
        assert_eq!(kernel.add_rule(&rule).unwrap(), Outcome::AlreadySo);
        let shown = one.ip(&format!("{flag} rule show"));
        assert!(shown.contains("50:\tfrom all fwmark 0x70/0xf0 lookup 7112"), "{shown}");
        assert!(kernel.rules(family).unwrap().contains(&rule));
        assert_eq!(kernel.remove_rule(&rule).unwrap(), Outcome::Changed);
        assert_eq!(kernel.remove_rule(&rule).unwrap(), Outcome::AlreadySo);
        assert!(!one.ip(&format!("{flag} rule show")).contains("fwmark"));
    }
}

#[test]
fn a_refusal_has_the_words_of_the_kernel() {
    let (one, _two) = two_hosts();
    one.give("eth0", "10.77.0.1/24");
    let mut kernel = network(&one);
    let interface = interface(&mut kernel, "eth0").index;
    let gateway = Some(ip("192.0.2.1"));
    let route = Route { destination: ip("10.77.0.100"), prefix: 32, gateway, interface, table: 7112 };
    let refused = kernel.add_route(&route).unwrap_err();
    assert_eq!(refused.os_error(), Some(libc::ENETUNREACH));
    assert!(refused.to_string().contains("Nexthop has invalid gateway"), "{refused}");
}

/// What a hand-over needs: packets with a mark go to the other node although the address is local here.
#[test]
fn a_mark_leads_past_the_own_address() {
    let hosts = ["a", "b"].map(Namespace::new);
    let [one, two] = &hosts;
    let _switch = switch(&[one, two]);
    // Here the client is this host, so the other node's answers come from an address that is local here too.
    one.set("ipv4/conf/eth0/accept_local", "1");
    for (family, ours, theirs, shared, prefix) in [
        (Family::V4, "10.77.0.1", "10.77.0.2", "10.77.0.100", 24),
        (Family::V6, "2001:db8:77::1", "2001:db8:77::2", "2001:db8:77::100", 64),
    ] {
        one.give("eth0", &format!("{ours}/{prefix}"));
        two.give("eth0", &format!("{theirs}/{prefix}"));
        // Both have it; the other node serves what it still has, quietly.
        one.give("lo", shared);
        two.give("lo", shared);
        let mut kernel = network(one);
        let interface = interface(&mut kernel, "eth0").index;
        let full = if family == Family::V4 { 32 } else { 128 };
        let (destination, gateway) = (ip(shared), Some(ip(theirs)));
        kernel.add_route(&Route { destination, prefix: full, gateway, interface, table: 7112 }).unwrap();
        let local = |priority| Rule { family, priority, mark: None, table: 255 };
        let mark = Some(Mark { value: 7, mask: u32::MAX });
        kernel.add_rule(&Rule { family, priority: 10, mark, table: 7112 }).unwrap();
        kernel.add_rule(&local(20)).unwrap();
        assert_eq!(kernel.remove_rule(&local(0)).unwrap(), Outcome::Changed);
        let order: Vec<_> = kernel.rules(family).unwrap().iter().map(|rule| rule.priority).collect();
        assert_eq!(order[..3], [10, 20, 32766]);

        let listeners = [one, two].map(|host| host.run(|| TcpListener::bind((ip(shared), 7112)).unwrap()));
        for (marked, listener) in [(0, &listeners[0]), (7, &listeners[1])] {
            let client = one.run(|| {
                let domain = socket2::Domain::for_address(SocketAddr::new(ip(shared), 7112));
                let client = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
                client.set_mark(marked).unwrap();
                client.bind(&SocketAddr::new(ip(ours), 0).into()).unwrap();
                client.connect_timeout(&SocketAddr::new(ip(shared), 7112).into(), SOON).unwrap();
                client
            });
            let (_flow, from) = listener.accept().unwrap();
            assert_eq!(Some(from), client.local_addr().unwrap().as_socket(), "mark {marked}");
        }
    }
}

#[test]
fn settings_are_put_back_where_they_were() {
    let (one, _two) = two_hosts();
    let file = "ipv4/conf/eth0/arp_ignore";
    let setting = Setting::ArpIgnore("eth0".into());
    assert_eq!(one.run(|| setting.get().unwrap()), 0);
    let changed = one.run(|| setting.set(1).unwrap());
    assert_eq!((changed.before(), one.get(file).as_str()), (0, "1"));
    // Dropped in another namespace than the one that it belongs to.
    drop(changed);
    assert_eq!(one.get(file), "0");

    one.run(|| setting.set(2).unwrap()).keep();
    assert_eq!(one.get(file), "2");
    // What was so already is not put back, whatever happens to it later.
    let same = one.run(|| setting.set(2).unwrap());
    one.set(file, "0");
    same.restore().unwrap();
    assert_eq!(one.get(file), "0");

    for setting in [
        Setting::ArpAnnounce("eth0".into()),
        Setting::ArpFilter("eth0".into()),
        Setting::RpFilter("all".into()),
        Setting::SendRedirects("all".into()),
        Setting::PromoteSecondaries("eth0".into()),
        Setting::Ipv4Forwarding,
        Setting::Ipv6Forwarding("eth0".into()),
    ] {
        one.run(|| {
            let before = setting.get().unwrap();
            let changed = setting.set(1 - before.min(1)).unwrap();
            assert_eq!(setting.get().unwrap(), 1 - before.min(1), "{setting:?}");
            changed.restore().unwrap();
            assert_eq!(setting.get().unwrap(), before, "{setting:?}");
        });
    }

    let changed = one.run(|| setting.set(1).unwrap());
    one.ip("link del eth0");
    assert!(changed.restore().is_err(), "there is nothing left to put back to");
}
