//! UDP probes.

use tokio::net::UdpSocket;

use super::*;

fn ask(send: &[u8], answer: &[u8]) -> Probe {
    Probe::Udp { send: send.into(), answer: answer.into() }
}

/// Sends `first` and then what it got, to each who asks.
async fn echo(first: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        while let Ok((size, from)) = socket.recv_from(&mut bytes).await {
            for answer in [first, &bytes[..size]] {
                let _ = socket.send_to(answer, from).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn any_answer_or_the_wanted_one_among_others() {
    let address = echo(b"hi").await;
    assert_eq!(
        said(&probe(address, check(ask(b"ping", b""), PATIENCE)).await),
        (None, "answered with 2 bytes")
    );
    let wanted = check(ask(b"a\x00\xff", b"\x00\xff"), PATIENCE);
    assert_eq!(said(&probe(address, wanted).await), (None, "answered with 3 bytes"));
}

#[tokio::test]
async fn another_answer_is_shown_and_silence_is_a_timeout() {
    let other = probe(echo(b"no\x1b[31m").await, check(ask(b"", b"yes"), TIMEOUT)).await;
    assert_eq!(said(&other).0, Some(FailureKind::Body));
    let mute = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = mute.local_addr().expect("its address");
    let silent = probe(address, check(ask(b"ping", b""), TIMEOUT)).await;
    assert_eq!(said(&silent), (Some(FailureKind::Timeout), "no answer within 300ms"));
    drop(mute);
    let closed = probe(address, check(ask(b"ping", b""), PATIENCE)).await;
    assert_eq!(said(&closed), (Some(FailureKind::Refused), &*format!("nobody listens ({address})")));
}
