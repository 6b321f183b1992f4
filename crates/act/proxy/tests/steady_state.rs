//! The steady state allocates nothing: shown with a counting allocator over the whole process.
//!
//! Client and endpoint of this test are threads with buffers on their stacks, so whatever is counted is the
//! proxy's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use haechi_model::EndpointState;
use haechi_proxy::Proxy;
use haechi_trust::Credentials;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] = b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: keep-alive\r\nCookie: a=b; c=d\r\nOrigin: https://a.example\r\n\r\n";

/// Needs an edit on its way (`Keep-Alive` must not go on), so that the slower of the two ways is counted.
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello";

/// Edits both ways and a new path and host: all that a request with filters needs on its way.
const FILTERS: &str = ", filters: { requestHeaderModifier: { set: { Cookie: none }, add: { X-Env: prod }, remove: User-Agent }, \
    responseHeaderModifier: { set: { Content-Type: text/html }, add: { X-Frame-Options: DENY } }, \
    urlRewrite: { hostname: api.example.com, path: { replacePrefixMatch: /v2/a } } }";

/// All that judges a request, and lets it pass.
const JUDGES: &str = ", filters: { clientAddresses: { allow: 127.0.0.0/8, deny: 10.0.0.0/8 }, \
    rateLimit: { requests: 1000000, per: 1s }, maxRequestBody: 1MiB, cors: { allowOrigins: \"https://a.example\" } }";

const WARM_UP: usize = 500;
/// Few enough for a busy machine, where each costs four waits for a core: the connection lives for a minute at most.
const COUNTED: usize = 2_000;
/// Long enough for several sweeps of idle connections (one a second), most of which find the only connection in
/// use: a sweep that then gave back the endpoint's room made the next request allocate it again.
const COUNTED_FOR: Duration = Duration::from_secs(5);

/// Answers each request of each connection, reading no further than its end.
fn endpoint(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut buffer = [0u8; 4096];
    let mut held = 0;
    loop {
        match stream.read(&mut buffer[held..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => held += count,
        }
        if buffer[..held].ends_with(b"\r\n\r\n") {
            held = 0;
            stream.write_all(RESPONSE).unwrap();
        }
    }
}

fn ask(stream: &mut TcpStream, times: usize) {
    let mut buffer = [0u8; 4096];
    for _ in 0..times {
        stream.write_all(REQUEST).unwrap();
        let mut held = 0;
        while !buffer[..held].ends_with(b"hello") {
            let count = stream.read(&mut buffer[held..]).unwrap();
            assert!(count > 0);
            held += count;
        }
    }
}

#[test]
fn a_kept_connection_allocates_nothing_per_request() {
    // One after the other: the counter is the process's.
    counts_nothing("");
    counts_nothing(FILTERS);
    counts_nothing(JUDGES);
}

fn counts_nothing(filters: &str) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "listeners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ host: example.com, path: /a, pool: web{filters} }}, {{ pool: web }}] }}\n\
         pools:\n  web: {{ endpoints: {{ e: \"{}\" }}, algorithm: leastResponseTime, connectionLimit: 10 }}\n",
        upstream.local_addr().unwrap()
    );
    let snapshot = Arc::new(haechi_config::compile(&config).snapshot.expect("the config compiles"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let proxy = runtime.block_on(async {
        let (proxy, _signals) = Proxy::start(1, 7).unwrap();
        let bound = proxy.bind(&snapshot).unwrap();
        proxy
            .apply(Arc::clone(&snapshot), bound, &Credentials::default(), &|_| EndpointState::default())
            .await;
        proxy
    });
    std::thread::spawn(move || endpoint(&upstream));
    let mut client = TcpStream::connect(listen).unwrap();
    let region = Region::new(COUNTING);
    ask(&mut client, WARM_UP);
    assert!(region.change().allocations > 0, "the first requests must allocate, or nothing is counted");
    let region = Region::new(COUNTING);
    let began = haechi_sys::clock::now();
    while haechi_sys::clock::now().since(began) < COUNTED_FOR {
        ask(&mut client, COUNTED);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
    drop(proxy);
}
