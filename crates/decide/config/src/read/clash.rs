//! Addresses that two would stand on.
//!
//! Data-plane sockets use `SO_REUSEPORT`, so the kernel lets two listeners share an exact address and gives
//! connections to either: refused. One address beside all addresses is fine, the exact one wins. The admin
//! API's socket has no `SO_REUSEPORT`, so any overlap with it fails to bind.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::report::{Report, quote};
use crate::{Code, Span};

/// One address of a listener.
#[derive(Clone)]
pub(super) struct Bind {
    pub(super) address: SocketAddr,
    /// UDP, whose ports are its own.
    pub(super) datagrams: bool,
    pub(super) span: Span,
    pub(super) listener: String,
}

pub(super) fn check(binds: &[Bind], admin: Option<SocketAddr>, report: &mut Report) {
    let mut taken: HashMap<(SocketAddr, bool), &Bind> = HashMap::with_capacity(binds.len());
    for bind in binds {
        if let Some(first) = taken.get(&(bind.address, bind.datagrams)) {
            // `:80` twice clashes in both families; once is enough to say.
            if bind.address.is_ipv6()
                && bind.address.ip().is_unspecified()
                && first.span != bind.span
                && both(binds, first, bind)
            {
                continue;
            }
            let owner = if first.listener == bind.listener {
                String::new()
            } else {
                format!(" by listener {}", quote(&first.listener))
            };
            report
                .add(Code::Clash, bind.span, format!("{} is used twice", bind.address))
                .label(format!("already taken{owner} on line {}", first.span.line))
                .help("give one of them another port or address");
            continue;
        }
        taken.insert((bind.address, bind.datagrams), bind);
        if admin.is_some_and(|admin| !bind.datagrams && overlap(bind.address, admin)) {
            report
                .add(Code::Clash, bind.span, format!("{} is also the admin API's", bind.address))
                .label("the admin API shares its port with nobody")
                .help("give one of them another port");
        }
    }
}

/// Whether the same two texts also clash in IPv4.
fn both(binds: &[Bind], first: &Bind, second: &Bind) -> bool {
    let has = |of: &Bind| {
        binds.iter().any(|bind| {
            bind.span == of.span && bind.address.is_ipv4() && bind.address.port() == of.address.port()
        })
    };
    has(first) && has(second)
}

/// IPv6 sockets are v6only, so the families do not meet.
fn overlap(listener: SocketAddr, admin: SocketAddr) -> bool {
    listener.port() == admin.port()
        && listener.is_ipv4() == admin.is_ipv4()
        && (listener.ip() == admin.ip() || listener.ip().is_unspecified())
}
