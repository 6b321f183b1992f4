//! Which rights each way of running takes.

use std::time::Duration;

use haechi_model::{Listener, ListenerKind, Patience, PoolIndex, TcpListener};
use proptest::prelude::*;

use super::*;
use crate::samples::router;

const ALL: [Right; 4] = [Right::NetAdmin, Right::NetRaw, Right::NetBindService, Right::Realtime];

fn listener(port: u16) -> Listener {
    let kind = ListenerKind::Tcp(TcpListener {
        pool: PoolIndex(0),
        patience: Patience { idle: Duration::ZERO, half_closed: Duration::ZERO, keep_alive: None },
    });
    Listener {
        name: "db".into(),
        bind: vec![([0, 0, 0, 0], port).into()],
        kind,
        max_connections: None,
        max_connections_per_client: None,
        proxy_protocol: None,
    }
}

fn udp() -> Transport {
    Transport::Udp { bind: ([10, 0, 0, 1], 7112).into(), peers: Vec::new(), keys: "keys.yaml".into() }
}

fn snapshot(routers: Vec<VirtualRouter>, ports: &[u16]) -> Snapshot {
    let listeners = ports.iter().map(|port| listener(*port)).collect();
    Snapshot { virtual_routers: routers, listeners, ..Snapshot::default() }
}

fn missing(rights: &[Right], snapshot: &Snapshot) -> Vec<(Right, bool)> {
    let given = Given { rights: rights.iter().copied().collect(), free_from: 1024 };
    lacks(&given, snapshot).iter().map(|lack| (lack.right, lack.fatal)).collect()
}

#[test]
fn each_way_of_running_takes_its_rights_and_no_others() {
    use Right::{NetAdmin, NetBindService, NetRaw, Realtime};
    let program = Mover::Command(vec!["/bin/move".into()]);
    let table = [
        (router(), vec![(NetRaw, true), (NetAdmin, true), (Realtime, false)]),
        (VirtualRouter { mover: Mover::Bind, ..router() }, vec![(NetRaw, true), (Realtime, false)]),
        (
            VirtualRouter { transport: udp(), ..router() },
            vec![(NetRaw, false), (NetAdmin, true), (Realtime, false)],
        ),
        (VirtualRouter { transport: udp(), mover: Mover::Bind, ..router() }, vec![(Realtime, false)]),
        (VirtualRouter { transport: udp(), mover: program, ..router() }, vec![(Realtime, false)]),
    ];
    for (router, wanted) in table {
        let label = format!("{:?} {:?}", router.transport, router.mover);
        assert_eq!(missing(&[], &snapshot(vec![router.clone()], &[])), wanted, "{label}");
        assert_eq!(missing(&ALL, &snapshot(vec![router], &[])), [], "{label}");
    }
    for (port, wanted) in [(80, vec![(NetBindService, true)]), (1024, vec![]), (0, vec![])] {
        assert_eq!(missing(&[], &snapshot(vec![], &[port])), wanted, "port {port}");
    }
    assert_eq!(missing(&[NetBindService], &snapshot(vec![], &[80])), []);
}

#[test]
fn a_lack_says_who_needs_it_what_it_costs_and_the_way_out() {
    let found = lacks(&Given { free_from: 1024, ..Given::default() }, &snapshot(vec![router()], &[443]));
    let told: Vec<Finding> = found.iter().map(Finding::from).collect();
    let first = told.iter().find(|it| it.found == "no CAP_NET_RAW").unwrap();
    assert_eq!(first.subject, "virtual router edge");
    assert_eq!(first.why, "`transport: vrrp` is impossible: IP protocol 112 takes raw sockets");
    assert!(first.way_out.ends_with("or use `transport: udp`"), "{}", first.way_out);
    let last = told.last().unwrap();
    assert_eq!((last.level, last.subject.as_str()), (Level::Error, "listener db"));
}

proptest! {
    /// A model of one line: what lacks is what would lack without any right, less what is there.
    #[test]
    fn a_right_that_is_there_is_never_missed(rights in proptest::sample::subsequence(ALL.to_vec(), 0..=4), ports in proptest::collection::vec(0_u16..2000, 0..4)) {
        let snapshot = snapshot(vec![router()], &ports);
        let mut wanted = missing(&[], &snapshot);
        wanted.retain(|(right, _)| !rights.contains(right));
        prop_assert_eq!(missing(&rights, &snapshot), wanted);
    }
}
