//! TCP probes.

use std::num::NonZeroU16;

use tokio::net::TcpSocket;

use super::*;

#[tokio::test]
async fn an_open_port_is_enough() {
    // Accepts and says nothing.
    let address = serve(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    assert_eq!(said(&probe(address, check(Probe::Tcp, PATIENCE)).await), (None, "connected"));
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let address = closed_port().await;
    let last = probe(address, check(Probe::Tcp, PATIENCE)).await;
    assert_eq!(said(&last), (Some(FailureKind::Refused), &*format!("connection refused ({address})")));
}

#[tokio::test]
async fn another_port_is_used_if_the_check_names_one() {
    let open = serve(|_| async {}).await;
    let ported = HealthCheck { port: NonZeroU16::new(open.port()), ..check(Probe::Tcp, PATIENCE) };
    assert_eq!(said(&probe(closed_port().await, ported).await), (None, "connected"));
}

#[tokio::test]
async fn a_full_backlog_is_a_timeout() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("its address");
    // Nobody accepts; once the queue is full the kernel drops what comes.
    let mut held = Vec::new();
    while let Ok(stream) = tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 100, "the backlog never fills");
    }
    let last = probe(address, check(Probe::Tcp, TIMEOUT)).await;
    assert_eq!(said(&last), (Some(FailureKind::Timeout), "no connection within 300ms"));
}
