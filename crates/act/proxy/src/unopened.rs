//! TLS that is passed on as it comes, to the pool of the name that the client asks for.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use haechi_model::{Destination, Fault, ListenerKind, TlsListener};
use haechi_route::Query;
use haechi_tls::{Hello, HelloReader, MOST_ON_WIRE};

use crate::preface::Origin;
use crate::scene::{Local, Scene};
use crate::stream::{Stream, UNRECOGNIZED_NAME};
use crate::timer::Timer;
use crate::tunnel::{self, To};
use crate::worker::Worker;

/// Serves one connection of a `tls` listener.
pub(crate) async fn serve(worker: Rc<Worker>, local: Rc<Local>, mut stream: Stream, origin: Origin) {
    let peer = origin.client;
    let scene = local.scene();
    let ListenerKind::Tls(listener) = &scene.listener().config.kind else { return };
    let timer = worker.timers.timer();
    match read_hello(&worker, listener, &mut stream, &timer).await {
        Ok((name, ahead)) => match find_pool(&scene, listener, name.as_deref(), peer) {
            Ok(pool) => {
                let to = To { pool, patience: listener.patience, ahead };
                tunnel::pass_on(&worker, &scene, &mut stream, &timer, &origin, to).await;
            }
            Err(Fault::NoRoute) => {
                count(&worker, &scene, peer, Fault::NoRoute, "a name that no route has");
                // It is so short that a socket which does not take it has no reader.
                let _ = stream.write_now(UNRECOGNIZED_NAME);
                stream.end_writing();
            }
            Err(fault) => {
                count(&worker, &scene, peer, fault, "every pool of the route has weight 0");
                stream.reset_on_close();
            }
        },
        Err((fault, rule)) => {
            count(&worker, &scene, peer, fault, rule);
            stream.reset_on_close();
        }
    }
}

fn count(worker: &Worker, scene: &Scene, peer: SocketAddr, fault: Fault, rule: &str) {
    scene.listener().counters.of(worker.number).fault(fault);
    tracing::debug!(%peer, fault = fault.name(), rule, "connection not passed on");
}

/// The name that is asked for, and all that was read until it was known.
async fn read_hello(
    worker: &Worker,
    listener: &TlsListener,
    stream: &mut Stream,
    timer: &Timer,
) -> Result<(Option<Box<str>>, Vec<u8>), (Fault, &'static str)> {
    timer.set(listener.hello_timeout);
    let mut ahead = worker.buffers.take_vector();
    let mut reader = HelloReader::default();
    let name = std::future::poll_fn(|cx| {
        loop {
            let read = worker.buffers.with_hot(|hot| {
                let room = MOST_ON_WIRE.saturating_sub(ahead.len()).max(1);
                let read = stream.poll_read(cx, &mut hot[..room]);
                if let Poll::Ready(Ok(count)) = read {
                    ahead.extend_from_slice(&hot[..count]);
                }
                read
            });
            match read {
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err((Fault::ClientGone, "gone before its first message")));
                }
                Poll::Ready(Ok(_)) => match reader.read(&ahead) {
                    Hello::For(name) => return Poll::Ready(Ok(name)),
                    Hello::Broken(rule) => return Poll::Ready(Err((Fault::BadRequest, rule))),
                    Hello::Partial => {}
                },
                Poll::Pending if timer.has_passed(cx) => {
                    return Poll::Ready(Err((Fault::HeaderTimeout, "first message not complete in time")));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let name = name.await?;
    Ok((name, ahead))
}

fn find_pool(
    scene: &Scene,
    listener: &TlsListener,
    name: Option<&str>,
    client: SocketAddr,
) -> Result<usize, Fault> {
    let query = Query { host: name.map(str::as_bytes), path: b"/", method: b"", headers: &() };
    let at = scene.listener().routes.find(&query).ok_or(Fault::NoRoute)?;
    match listener.routes.get(at).map(|route| &route.to) {
        Some(Destination::Pool(pool)) => Ok(pool.index()),
        Some(Destination::Split(_)) => {
            let split = scene.listener().split(at).and_then(|split| split.choose(&(), client.ip()));
            split.ok_or(Fault::NoEndpoint)
        }
        Some(Destination::Nowhere) | None => Err(Fault::NoRoute),
    }
}
