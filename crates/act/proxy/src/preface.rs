//! What stands in front of a connection (the PROXY protocol): whose it is, told by whom the listener trusts to say so,
//! and told on to endpoints.

use std::net::SocketAddr;
use std::task::Poll;

use haechi_model::{Fault, ProxyProtocol};
use haechi_preface::{Ends, LONGEST, Parsed, Told, parse};

use crate::scene::Scene;
use crate::stream::Stream;
use crate::timer::Timer;
use crate::worker::Worker;

/// Who is connected with whom, as far as somebody was told so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// Who asks: by the preface, or by the connection itself.
    pub(crate) client: SocketAddr,
    /// The address that was asked, if a preface named it.
    pub(crate) asked: Option<SocketAddr>,
}

impl Origin {
    /// As the connection itself says.
    pub(crate) const fn of(peer: SocketAddr) -> Self {
        Self { client: peer, asked: None }
    }

    /// Both ends of the client's connection.
    pub(crate) fn ends(&self, stream: &Stream) -> Ends {
        let asked = self.asked.or_else(|| stream.own_end()).unwrap_or(self.client);
        Ends { client: self.client, asked }
    }
}

/// Whose connection it is; takes its preface if it must have one.
///
/// # Errors
/// It may not connect, or what it says is no preface, or comes too late. The connection is of no more use.
pub(crate) async fn meet(
    worker: &Worker,
    scene: &Scene,
    stream: &mut Stream,
    peer: SocketAddr,
) -> Result<Origin, Fault> {
    let Some(config) = &scene.listener().config.proxy_protocol else { return Ok(Origin::of(peer)) };
    if !config.from.iter().any(|network| network.contains(peer.ip())) {
        return if config.others { Ok(Origin::of(peer)) } else { Err(Fault::NotAProxy) };
    }
    let timer = worker.timers.timer();
    Ok(match take(worker, config, stream, &timer).await? {
        Told::Ends(Ends { client, asked }) => Origin { client, asked: Some(asked) },
        Told::Nothing => Origin::of(peer),
    })
}

/// Takes the preface, and nothing that follows it.
async fn take(
    worker: &Worker,
    config: &ProxyProtocol,
    stream: &mut Stream,
    timer: &Timer,
) -> Result<Told, Fault> {
    timer.set(config.timeout);
    let mut known = 0;
    std::future::poll_fn(|cx| {
        loop {
            let looked = worker.buffers.with_hot(|hot| {
                stream.poll_peek(cx, &mut hot[..LONGEST], known).map_ok(|count| (count, parse(&hot[..count])))
            });
            match looked {
                Poll::Ready(Ok((0, _)) | Err(_)) => return Poll::Ready(Err(Fault::ClientGone)),
                Poll::Ready(Ok((_, Ok(Parsed::Complete(whole, told))))) => {
                    let taken = worker.buffers.with_hot(|hot| stream.take_known(&mut hot[..whole]));
                    return Poll::Ready(taken.map(|()| told).map_err(|_| Fault::ClientGone));
                }
                Poll::Ready(Ok((count, Ok(Parsed::Partial)))) => known = count,
                Poll::Ready(Ok((_, Err(broken)))) => {
                    tracing::debug!(rule = %broken, "preface refused");
                    return Poll::Ready(Err(Fault::BadPreface));
                }
                Poll::Pending if timer.has_passed(cx) => return Poll::Ready(Err(Fault::HeaderTimeout)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
