//! What `haechi why` tells of a failover that clients noticed.

use std::net::{SocketAddr, TcpStream};

use haechi_tests::{eventually, get, serve_flows, speak};

use crate::{Rig, SOON, VIRTUAL, hears};

#[test]
fn the_first_answer_and_the_lost_connections_are_part_of_it() {
    let rig = Rig::new();
    let at = |address: &str| address.parse::<SocketAddr>().unwrap();
    rig.network.host("endpoint").run(|| serve_flows(at("10.0.0.8:80")));
    let _better = rig.start("lb1", "priority: 150");
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    let client = rig.network.host("observer");
    let web = at(&format!("{VIRTUAL}:80"));
    let mut lost: Vec<TcpStream> = (0..3).map(|_| client.run(|| TcpStream::connect(web).unwrap())).collect();
    rig.network.host("lb1").signal_all("KILL");
    rig.wait_for("lb2");
    eventually(SOON, "requests are answered", || client.run(|| get(web, "/").is_ok()));
    for stream in &mut lost {
        speak(stream, "too late").unwrap_err();
    }
    let told = || worse.verb(&["why"]).out;
    eventually(SOON, "the end of it is told", || told().contains(" reset here in the 5s after it took over"));
    let story = told();
    let after = |part: &str| {
        story
            .split_once(part)
            .unwrap_or_else(|| panic!("{part}: {story}"))
            .1
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    let first: f64 = after("result   the first request was answered here ").parse().unwrap();
    assert!((0.0..5000.0).contains(&first), "{story}");
    let resets: u32 = after("in the 5s after it took over, ").parse().unwrap();
    assert!(resets >= 3, "{story}");
}
