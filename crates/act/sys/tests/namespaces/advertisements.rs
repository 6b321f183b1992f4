//! Advertisements between hosts of one network, seen by a third who only looks at frames.

use std::io;
use std::net::IpAddr;

use crate::rig::capture::{Capture, is_ipv4, is_ipv6, part};
use crate::rig::{Namespace, SOON, cable};
use haechi_sys::Family::{V4, V6};
use haechi_sys::raw::{Advertisements, Hears, LARGEST, group, mark_as_control};
use haechi_sys::{Family, clock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockAddr, Socket, Type};

const VRRP: u8 = 112;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn open(host: &Namespace, family: Family, interface: &str, hears: Hears) -> Advertisements {
    host.run(|| Advertisements::open(family, &interface.into(), hears).unwrap())
}

/// What a socket received next.
#[derive(PartialEq, Eq, Debug)]
struct Heard {
    payload: Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
}

fn heard(socket: &Advertisements) -> Heard {
    let mut buffer = [0; LARGEST];
    let deadline = clock::now() + SOON;
    loop {
        match socket.receive(&mut buffer) {
            Ok(received) => {
                return Heard {
                    payload: received.payload.to_vec(),
                    source: received.source,
                    destination: received.destination,
                    hop_limit: received.hop_limit,
                };
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
        }
        assert!(clock::now() < deadline, "no advertisement");
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&wait)).unwrap();
    }
}

/// Nothing waits now. To be asked when something that was sent later has already arrived.
fn is_silent(socket: &Advertisements) -> bool {
    let received = socket.receive(&mut [0; LARGEST]).map(|received| received.source);
    received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Two hosts with addresses and a cable between their `eth0`.
fn two_hosts() -> (Namespace, Namespace) {
    let (one, two) = (Namespace::new("a"), Namespace::new("b"));
    cable(&one, "eth0", &two, "eth0");
    one.give("eth0", "10.77.0.1/24");
    one.give("eth0", "10.77.0.11/24");
    two.give("eth0", "10.77.0.2/24");
    (one, two)
}

#[test]
fn ipv4_goes_to_the_group_as_the_rfc_wants() {
    let (one, two) = two_hosts();
    let capture = Capture::start(&two);
    let (sender, receiver) = (open(&one, V4, "eth0", Hears::Group), open(&two, V4, "eth0", Hears::Group));
    // Not the first address of the interface: the source is chosen.
    sender.send(b"\x31advertisement", ip("10.77.0.11"), group(V4)).unwrap();

    let frame = capture.next("advertisement", |frame| is_ipv4(frame, VRRP));
    assert_eq!(part(&frame, 0, 6), [0x01, 0x00, 0x5e, 0, 0, 0x12], "group's MAC");
    assert_eq!(part(&frame, 6, 6), one.mac("eth0").octets());
    assert_eq!(part(&frame, 15, 1), [0xc0], "network control");
    assert_eq!(part(&frame, 22, 1), [255], "TTL");
    assert_eq!(part(&frame, 26, 8), [10, 77, 0, 11, 224, 0, 0, 18]);
    assert_eq!(&frame[34..], b"\x31advertisement", "nothing was added or changed");

    let wanted = Heard {
        payload: b"\x31advertisement".to_vec(),
        source: ip("10.77.0.11"),
        destination: ip("224.0.0.18"),
        hop_limit: 255,
    };
    assert_eq!(heard(&receiver), wanted);
    assert!(is_silent(&sender), "it does not hear itself");
}

#[test]
fn ipv6_goes_to_the_group_and_its_checksum_is_left_alone() {
    let (one, two) = two_hosts();
    let capture = Capture::start(&two);
    let (sender, receiver) = (open(&one, V6, "eth0", Hears::Group), open(&two, V6, "eth0", Hears::Group));
    let source: IpAddr = one.link_local("eth0").into();
    // An advertisement whose checksum is wrong: the kernel neither mends nor drops it.
    let payload = [0x31, 51, 100, 1, 0, 10, 0xde, 0xad, 1, 2, 3, 4];
    sender.send(&payload, source, group(V6)).unwrap();

    let frame = capture.next("advertisement", |frame| is_ipv6(frame, VRRP));
    assert_eq!(part(&frame, 0, 6), [0x33, 0x33, 0, 0, 0, 0x12], "group's MAC");
    // Behind the traffic class the kernel puts a flow label.
    assert_eq!((frame[14], frame[15] & 0xf0), (0x6c, 0x00), "network control");
    assert_eq!(part(&frame, 21, 1), [255], "hop limit");
    assert_eq!(&frame[54..], payload);

    let received = heard(&receiver);
    assert_eq!((received.payload.as_slice(), received.hop_limit), (&payload[..], 255));
    assert_eq!((received.source, received.destination), (source, group(V6)));
    assert!(is_silent(&sender), "it does not hear itself");
}

#[test]
fn unicast_is_heard_without_the_group() {
    let (one, two) = two_hosts();
    for (family, from, to) in [
        (V4, ip("10.77.0.1"), ip("10.77.0.2")),
        (V6, one.link_local("eth0").into(), two.link_local("eth0").into()),
    ] {
        // Another program on the same host is in the group; this socket must not hear for that.
        let _other = open(&two, family, "eth0", Hears::Group);
        let (sender, receiver) =
            (open(&one, family, "eth0", Hears::Unicast), open(&two, family, "eth0", Hears::Unicast));
        sender.send(b"to all", from, group(family)).unwrap();
        let others = if family == V4 { ip("224.0.0.1") } else { ip("ff02::1") };
        sender.send(b"to others", from, others).unwrap();
        sender.send(b"to you", from, to).unwrap();
        let received = heard(&receiver);
        assert_eq!((received.payload.as_slice(), received.hop_limit), (&b"to you"[..], 255));
        assert_eq!((received.source, received.destination), (from, to));
        assert!(is_silent(&receiver));
    }
}

#[test]
fn groups_of_others_are_not_heard() {
    let (one, two) = two_hosts();
    for (family, from, others) in
        [(V4, ip("10.77.0.1"), ip("224.0.0.1")), (V6, one.link_local("eth0").into(), ip("ff02::1"))]
    {
        let (sender, receiver) =
            (open(&one, family, "eth0", Hears::Group), open(&two, family, "eth0", Hears::Group));
        sender.send(b"to others", from, others).unwrap();
        sender.send(b"to us", from, group(family)).unwrap();
        assert_eq!(heard(&receiver).payload, b"to us");
    }
}

#[test]
fn what_came_through_a_router_shows_it() {
    let (one, two) = two_hosts();
    let receivers = [V4, V6].map(|family| open(&two, family, "eth0", Hears::Unicast));
    let to_v6 = std::net::SocketAddrV6::new(two.link_local("eth0"), 0, 0, receivers[1].interface());
    one.run(|| {
        let v4 = Socket::new(Domain::IPV4, Type::RAW, Some(112.into())).unwrap();
        v4.set_ttl_v4(254).unwrap();
        v4.send_to(b"far", &"10.77.0.2:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        let v6 = Socket::new(Domain::IPV6, Type::RAW, Some(112.into())).unwrap();
        v6.set_unicast_hops_v6(1).unwrap();
        v6.bind_device(Some(b"eth0")).unwrap();
        let index = rustix::net::netdevice::name_to_index(&v6, "eth0").unwrap();
        let mut to = to_v6;
        to.set_scope_id(index);
        v6.send_to(b"far", &SockAddr::from(to)).unwrap();
    });
    assert_eq!(receivers.each_ref().map(|receiver| heard(receiver).hop_limit), [254, 1]);
}

#[test]
fn another_interface_is_not_heard() {
    let (one, two) = two_hosts();
    cable(&one, "eth1", &two, "eth1");
    one.give("eth1", "10.78.0.1/24");
    two.give("eth1", "10.78.0.2/24");
    for family in [V4, V6] {
        let [near, far] = ["eth0", "eth1"].map(|name| open(&two, family, name, Hears::Group));
        let [here, there] = ["eth0", "eth1"].map(|name| open(&one, family, name, Hears::Group));
        let source = |interface: &str, v4: &str| match family {
            V4 => ip(v4),
            V6 => one.link_local(interface).into(),
        };
        there.send(b"there", source("eth1", "10.78.0.1"), group(family)).unwrap();
        here.send(b"here", source("eth0", "10.77.0.1"), group(family)).unwrap();
        assert_eq!(heard(&near).payload, b"here");
        assert_eq!(heard(&far).payload, b"there");
        assert!(is_silent(&near) && is_silent(&far));
    }
}

#[test]
fn the_largest_passes_in_fragments() {
    let (one, two) = two_hosts();
    let payload: Vec<u8> = (0..=255).cycle().take(8 + 255 * 16).collect();
    for (family, source) in [(V4, ip("10.77.0.1")), (V6, one.link_local("eth0").into())] {
        let (sender, receiver) =
            (open(&one, family, "eth0", Hears::Group), open(&two, family, "eth0", Hears::Group));
        sender.send(&payload, source, group(family)).unwrap();
        assert_eq!(heard(&receiver).payload, payload);
    }
}

#[test]
fn udp_can_be_marked_as_control_too() {
    let (one, two) = two_hosts();
    two.give("eth0", "2001:db8:77::2/64");
    one.give("eth0", "2001:db8:77::1/64");
    let capture = Capture::start(&two);
    for (family, from, to) in
        [(V4, "10.77.0.1:7112", "10.77.0.2:7112"), (V6, "[2001:db8:77::1]:7112", "[2001:db8:77::2]:7112")]
    {
        let socket = one.run(|| std::net::UdpSocket::bind(from).unwrap());
        mark_as_control(&socket, family);
        socket.send_to(b"advertisement", to).unwrap();
        let traffic_class = match family {
            V4 => capture.next("datagram", |frame| is_ipv4(frame, 17))[15],
            V6 => {
                let frame = capture.next("datagram", |frame| is_ipv6(frame, 17));
                frame[14] << 4 | frame[15] >> 4
            }
        };
        assert_eq!(traffic_class, 0xc0);
    }
}

#[test]
fn what_can_not_be_sent_says_why() {
    let (one, _two) = two_hosts();
    let missing = one.run(|| Advertisements::open(V4, &"eth9".into(), Hears::Group).unwrap_err());
    assert_eq!(missing.raw_os_error(), Some(libc::ENODEV));
    let sender = open(&one, V4, "eth0", Hears::Group);
    let mixed = sender.send(b"x", ip("10.77.0.1"), group(V6)).unwrap_err();
    assert_eq!(mixed.kind(), io::ErrorKind::InvalidInput);
    let foreign = sender.send(b"x", ip("10.77.0.99"), group(V4)).unwrap_err();
    assert_eq!(foreign.raw_os_error(), Some(libc::ENETUNREACH));
    let foreign = open(&one, V6, "eth0", Hears::Group).send(b"x", ip("fe80::99"), group(V6)).unwrap_err();
    assert_eq!(foreign.raw_os_error(), Some(libc::EINVAL));
    one.ip("link set eth0 down");
    let down = sender.send(b"x", ip("10.77.0.1"), group(V4)).unwrap_err();
    assert_eq!(down.raw_os_error(), Some(libc::ENETUNREACH));
    one.ip("link del eth0");
    let gone = sender.send(b"x", ip("10.77.0.1"), group(V4)).unwrap_err();
    assert!([Some(libc::ENODEV), Some(libc::ENETUNREACH)].contains(&gone.raw_os_error()), "{gone}");
}

#[test]
fn without_the_right_there_is_no_socket() {
    let (one, _two) = two_hosts();
    let refused = one.run(|| {
        haechi_sys::capabilities::keep_only(&[haechi_sys::capabilities::Capability::NetAdmin]).unwrap();
        [V4, V6].map(|family| Advertisements::open(family, &"eth0".into(), Hears::Group).unwrap_err().kind())
    });
    assert_eq!(refused, [io::ErrorKind::PermissionDenied; 2]);
}
