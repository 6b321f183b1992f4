//! Idle connections of one worker: last in, first out, so that few stay warm and the rest may age.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use haechi_model::{Moment, Pool};
use haechi_preface::Ends;
use haechi_sys::net::Waiting;

use super::Upstream;
use crate::live::{LiveEndpoint, LivePool};

/// Hashes an endpoint's serial: a small number that we gave out ourselves, so mixing is all it needs.
#[derive(Default)]
pub(crate) struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, serial: u64) {
        self.0 = (self.0 ^ serial).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Idle connections by the serial of their endpoint.
#[derive(Default)]
pub(crate) struct IdleConnections {
    by_endpoint: RefCell<HashMap<u64, Kept, BuildHasherDefault<SerialHasher>>>,
}

/// What is idle at one endpoint.
#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    /// A connection came or went since the last sweep: room for it is wanted again soon, although nothing is
    /// idle at this moment.
    in_use: bool,
}

struct Idle {
    upstream: Upstream,
    until: Moment,
}

impl IdleConnections {
    /// A connection that seems alive. `strict` asks the kernel as well, for requests that can't be sent
    /// twice: between a look and a send an endpoint may still close, but only within microseconds.
    pub(crate) fn take(
        &self,
        endpoint: &LiveEndpoint,
        pool: &LivePool,
        now: Moment,
        strict: bool,
        told: Option<Ends>,
    ) -> Option<Upstream> {
        let verified = pool.verified.load();
        let verified = verified.as_ref().map(Arc::as_ptr);
        let mut pools = self.by_endpoint.borrow_mut();
        let kept = pools.get_mut(&endpoint.serial)?;
        kept.in_use = true;
        while let Some(Idle { mut upstream, until }) = pop(&mut kept.idle, told) {
            // Where endpoints were told of clients until a moment ago, another client's is none for this one.
            let alive = until > now
                && upstream.told == told
                && upstream.may_go_on(&pool.config, now)
                // Who is trusted may have changed, or whether it is TLS at all.
                && upstream.verified.as_ref().map(Arc::as_ptr) == verified
                && upstream.stream.is_quiet()
                && (!strict || upstream.stream.peek() == Waiting::Nothing);
            if alive {
                upstream.reused = true;
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end.
    pub(crate) fn give(&self, mut upstream: Upstream, endpoint: &LiveEndpoint, pool: &Pool, now: Moment) {
        upstream.requests += 1;
        if !upstream.may_go_on(pool, now) {
            return;
        }
        let mut pools = self.by_endpoint.borrow_mut();
        let kept = pools.entry(endpoint.serial).or_default();
        kept.in_use = true;
        if kept.idle.len() < pool.keep_alive.idle as usize {
            kept.idle.push(Idle { upstream, until: now + pool.keep_alive.idle_timeout });
        }
    }

    /// Closes what was idle for too long, or was closed by the other side.
    pub(crate) fn sweep(&self, now: Moment) {
        self.by_endpoint.borrow_mut().retain(|_, kept| {
            kept.idle.retain_mut(|idle| idle.until > now && idle.upstream.stream.is_quiet());
            std::mem::take(&mut kept.in_use) || !kept.idle.is_empty()
        });
    }

    /// Closes all connections to this endpoint.
    pub(crate) fn purge(&self, serial: u64) {
        self.by_endpoint.borrow_mut().remove(&serial);
    }

    /// Closes all connections.
    pub(crate) fn clear(&self) {
        self.by_endpoint.borrow_mut().clear();
    }
}

/// The newest of this client's, or simply the newest where endpoints are not told of clients.
#[inline]
fn pop(idle: &mut Vec<Idle>, told: Option<Ends>) -> Option<Idle> {
    if told.is_none() {
        return idle.pop();
    }
    let at = idle.iter().rposition(|idle| idle.upstream.told == told)?;
    Some(idle.remove(at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use haechi_model::{EndpointId, EndpointState};

    use super::*;
    use crate::engine::Engine;
    use crate::live::Make;
    use crate::stream::Stream;

    /// A sweep while the only connection was in use gave back the endpoint's room: an allocation a second.
    #[test]
    fn room_outlives_a_sweep_while_its_connection_is_in_use() {
        Engine::new().unwrap().run(room_outlives_a_sweep()).unwrap();
    }

    async fn room_outlives_a_sweep() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = format!("pools: {{ web: {{ endpoints: {{ a: \"{address}\" }} }} }}");
        let snapshot = haechi_config::compile(&config).snapshot.expect("the config compiles");
        let logins = Arc::default();
        let make = Make { workers: 1, seed: 1, logins: &logins, initial: &|_| EndpointState::default() };
        let pool = LivePool::new(snapshot.pools[0].clone(), None, &make);
        let id = EndpointId { pool: "web".into(), endpoint: "a".into() };
        let endpoint = LiveEndpoint::new(id, address, EndpointState::default(), 1);
        let now = Moment::from_nanos(1);
        let stream = Stream::connect(address).await.unwrap();
        let connections = IdleConnections::default();
        let room = || connections.by_endpoint.borrow().get(&endpoint.serial).map(|kept| kept.idle.capacity());

        let upstream = Upstream { stream, reused: false, told: None, verified: None, born: now, requests: 0 };
        connections.give(upstream, &endpoint, &pool.config, now);
        let had = room();
        let used = connections.take(&endpoint, &pool, now, true, None).expect("it is alive");
        connections.sweep(now);
        assert_eq!(room(), had);
        drop(used);
        connections.sweep(now);
        assert_eq!(room(), None, "nobody came for a whole sweep");
    }
}
