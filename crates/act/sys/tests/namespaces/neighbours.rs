//! Announcements and questions, judged by the frames that arrive and by what another host's kernel makes of them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::rig::capture::{Capture, is_arp, is_ipv6, part};
use crate::rig::{Namespace, cable, switch};
use haechi_sys::neighbour::{Announcer, who_has};
use haechi_sys::{Family, Mac};

const ICMPV6: u8 = 58;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_advertisement(frame: &[u8]) -> bool {
    is_ipv6(frame, ICMPV6) && part(frame, 54, 1) == [136]
}

#[test]
fn announcements_arrive_as_they_should_and_move_the_address() {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    two.give("eth0", "10.77.0.2/24");
    two.give("eth0", "2001:db8:77::2/64");
    // The other host knows a former active.
    for address in ["10.77.0.100", "2001:db8:77::100"] {
        two.ip(&format!("neigh add {address} lladdr 02:00:00:00:00:99 nud stale dev eth0"));
    }
    let capture = Capture::start(&two);
    let announcer = one.run(|| Announcer::open().unwrap());
    let mac = one.mac("eth0");
    let sent = announcer
        .announce(one.index("eth0"), mac, &[ip("10.77.0.100"), ip("2001:db8:77::100")], true)
        .unwrap();
    assert_eq!(sent, 2);

    let arp = capture.next("gratuitous ARP", is_arp);
    assert_eq!((part(&arp, 0, 6), part(&arp, 6, 6)), (&[0xff; 6][..], &mac.octets()[..]));
    assert_eq!(part(&arp, 20, 2), [0, 1], "a request");
    assert_eq!((part(&arp, 22, 6), part(&arp, 28, 4)), (&mac.octets()[..], &[10, 77, 0, 100][..]), "sender");
    assert_eq!((part(&arp, 32, 6), part(&arp, 38, 4)), (&mac.octets()[..], &[10, 77, 0, 100][..]), "target");

    let advertisement = capture.next("neighbour advertisement", is_advertisement);
    assert_eq!(part(&advertisement, 0, 6), [0x33, 0x33, 0, 0, 0, 1], "to all nodes");
    assert_eq!(part(&advertisement, 21, 1), [255]);
    assert_eq!(part(&advertisement, 58, 1), [0xa0], "router and override, unsolicited");
    assert_eq!(part(&advertisement, 80, 6), mac.octets());

    for address in ["10.77.0.100", "2001:db8:77::100"] {
        two.wait_until("the address has moved", || {
            two.ip(&format!("neigh show {address} dev eth0")).contains(&mac.to_string())
        });
    }
    assert!(two.ip("neigh show 2001:db8:77::100 dev eth0").contains("router"));
}

#[test]
fn a_batch_is_announced_from_the_virtual_mac() {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    let capture = Capture::start(&two);
    let mac = Mac::of_virtual_router(Family::V4, 51);
    let addresses: Vec<IpAddr> = (0..=254).map(|last| Ipv4Addr::new(10, 77, 1, last).into()).collect();
    let announcer = one.run(|| Announcer::open().unwrap());
    let mut sent = 0;
    while sent < addresses.len() {
        sent += announcer.announce(one.index("eth0"), mac, &addresses[sent..], false).unwrap();
    }
    for address in &addresses {
        let arp = capture.next("gratuitous ARP", is_arp);
        assert_eq!((part(&arp, 6, 6), part(&arp, 22, 6)), (&mac.octets()[..], &mac.octets()[..]));
        assert_eq!(IpAddr::from(<[u8; 4]>::try_from(part(&arp, 28, 4)).unwrap()), *address);
    }
}

#[test]
fn all_who_have_an_address_are_found() {
    let hosts = ["a", "b", "c"].map(Namespace::new);
    let [asking, one, two] = &hosts;
    let _switch = switch(&[asking, one, two]);
    asking.give("eth0", "10.77.0.1/24");
    for (number, host) in [one, two].into_iter().enumerate() {
        host.ip(&format!("addr add 10.77.0.{}/24 dev eth0", number + 2));
        // Two owners: what a doctor must notice.
        host.give("eth0", "10.77.0.100/24");
        host.give("eth0", "2001:db8:77::100/64");
    }
    let mac = asking.mac("eth0");
    let link_local: IpAddr = asking.link_local("eth0").into();
    let ask = |source: Option<IpAddr>, address: &str, millis: u64| {
        let found = asking.run(|| {
            who_has(&"eth0".into(), mac, source, ip(address), Duration::from_millis(millis)).unwrap()
        });
        let mut macs: Vec<_> = found.iter().map(|answer| answer.mac).collect();
        assert!(found.iter().all(|answer| answer.mac == answer.sender));
        macs.sort();
        macs
    };
    let mut both = vec![one.mac("eth0"), two.mac("eth0")];
    both.sort();
    assert_eq!(ask(None, "10.77.0.100", 1000), both);
    assert_eq!(ask(Some(ip("10.77.0.1")), "10.77.0.100", 1000), both);
    assert_eq!(ask(Some(link_local), "2001:db8:77::100", 1000), both);
    assert_eq!(ask(None, "10.77.0.3", 1000), [two.mac("eth0")]);
    assert_eq!(ask(None, "10.77.0.200", 200), []);
    assert_eq!(ask(Some(link_local), "2001:db8:77::200", 200), []);
    // What the asking host has itself it does not hear of.
    assert_eq!(ask(None, "10.77.0.1", 200), []);
}

#[test]
fn who_says_it_again_and_again_counts_once() {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    let mac = one.mac("eth0");
    let address = ip("10.77.0.100");
    let [ours, theirs] = [&one, &two].map(|host| host.run(|| Announcer::open().unwrap()));
    let within = Duration::from_millis(500);
    let answers = std::thread::scope(|scope| {
        let asked = scope.spawn(|| one.run(|| who_has(&"eth0".into(), mac, None, address, within).unwrap()));
        while !asked.is_finished() {
            theirs.announce(two.index("eth0"), two.mac("eth0"), &[address], false).unwrap();
            // What the asking host says itself it does not hear.
            ours.announce(one.index("eth0"), mac, &[address], false).unwrap();
        }
        asked.join().unwrap()
    });
    assert_eq!(answers.iter().map(|answer| answer.mac).collect::<Vec<_>>(), [two.mac("eth0")]);
}

#[test]
fn a_probe_leaves_no_trace() {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    one.give("eth0", "10.77.0.1/24");
    two.give("eth0", "10.77.0.2/24");
    let mac = one.mac("eth0");
    let answers =
        one.run(|| who_has(&"eth0".into(), mac, None, ip("10.77.0.2"), Duration::from_millis(500)).unwrap());
    assert_eq!(answers.len(), 1);
    assert_eq!(two.ip("-4 neigh show"), "", "the other host learnt nothing");
}

#[test]
fn questions_that_can_not_be_asked_are_refused() {
    let host = Namespace::new("a");
    let refused = |source: Option<&str>, address: &str, interface: &str| {
        host.run(|| {
            let (source, mac) = (source.map(ip), Mac::BROADCAST);
            who_has(&interface.into(), mac, source, ip(address), Duration::ZERO).unwrap_err()
        })
    };
    assert_eq!(refused(None, "fe80::1", "lo").kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(refused(Some("fe80::1"), "10.0.0.1", "lo").kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(refused(None, "10.0.0.1", "eth0").raw_os_error(), Some(libc::ENODEV));
}
