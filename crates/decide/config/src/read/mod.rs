//! Nodes to model. Pools come first, wherever they stand in the file, so that routes can refer to them; a
//! pool that is broken inside still has its name, so its routes are not reported for it.

mod acme;
mod auth;
mod clash;
mod compression;
mod cors;
mod filter;
mod health;
mod listener;
mod origin;
mod policy;
mod pool;
mod route;
mod split;
mod tls;
mod virtual_router;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU64};

use haechi_model::{Admin, Issuer, Node, PoolIndex, Snapshot};

use crate::object::{Object, Read};
use crate::report::{Report, quote};
use crate::tree::{self, Entry, Key};
use crate::value::{self, Complaint};
use crate::{Code, Span, defaults, keys, object};

/// The whole config. It is only right if the report has no error.
pub(crate) fn snapshot(root: &tree::Node<'_>, report: &mut Report) -> Option<Snapshot> {
    let root = Object::open(root, &keys::ROOT, root.span, report)?;
    let node = node(&root, report);
    let workers = root.int("workers", report).ok().and_then(NonZeroU16::new);
    let memory_ceiling = root.size("memoryCeiling", report).ok().and_then(NonZeroU64::new);
    let admin = admin(&root, report);
    let (pools, spans): (Vec<_>, Vec<_>) = pool::pools(&root, report).into_iter().unzip();
    let acme = acme::issuers(&root, report);
    let mut references = References::new(&pools, &acme, &root);
    let before = report.errors();
    let (listeners, binds) = listener::listeners(&root, &mut references, report);
    let binds_known = report.errors() == before && !binds.is_empty();
    let around =
        virtual_router::Around { node: &node.name, pools: &pools, binds: binds_known.then_some(&binds) };
    let virtual_routers = virtual_router::virtual_routers(&root, &around, &mut references, report);
    root.done();
    clash::check(&binds, admin.ok(), report);
    references.unused(&spans, report);
    let admin = Admin { listen: admin.ok() };
    Some(Snapshot { node, workers, memory_ceiling, acme, listeners, pools, virtual_routers, admin })
}

fn node(root: &Object<'_, '_>, report: &mut Report) -> Node {
    let node = root.section("node", report);
    let name = node.name("name", report).or(defaults::NODE_NAME).into();
    let zone = node.name("zone", report).ok().map(Into::into);
    node.done();
    Node { name, zone }
}

fn admin(root: &Object<'_, '_>, report: &mut Report) -> Read<SocketAddr> {
    let admin = root.section("admin", report);
    let listen = admin.parsed("listen", "a loopback address", report, |text, _| {
        let address = value::net::socket(text)?;
        if address.ip().is_loopback() {
            return Ok(address);
        }
        Err(Complaint::new(Code::Loopback, "reading needs no credentials, so other hosts must not reach it")
            .suggest(format!("127.0.0.1:{}", address.port())))
    });
    admin.done();
    listen
}

/// Which pools there are, and which of them are used.
struct References {
    names: HashMap<String, PoolIndex>,
    /// In the order of the config, for guesses.
    order: Vec<String>,
    used: Vec<bool>,
    /// Names of those that certificates are ordered from.
    issuers: Vec<String>,
    /// Whether `pools` could be read at all.
    known: bool,
    /// Whether some reference could not be followed, so that an unused pool proves nothing.
    lost: bool,
}

impl References {
    fn new(pools: &[haechi_model::Pool], acme: &[Issuer], root: &Object<'_, '_>) -> Self {
        let order: Vec<String> = pools.iter().map(|pool| pool.name.as_str().to_owned()).collect();
        let names = order.iter().cloned().zip((0..).map(PoolIndex)).collect();
        let known = !order.is_empty()
            || root.node("pools").is_none_or(|(node, _)| matches!(node.data, tree::Data::Map(_)));
        let issuers = acme.iter().map(|issuer| issuer.name.to_string()).collect();
        Self { names, used: vec![false; order.len()], issuers, order, known, lost: false }
    }

    /// The pool that the key `pool` of `object` names.
    fn follow(&mut self, object: &Object<'_, '_>, report: &mut Report) -> Option<PoolIndex> {
        let Read::Given(name, span) = object.parsed("pool", "the name of a pool", report, |text, _| Ok(text))
        else {
            self.lost = true;
            return None;
        };
        self.find(name, span, report)
    }

    /// The pool of this name, which stands at `span`.
    fn find(&mut self, name: &str, span: Span, report: &mut Report) -> Option<PoolIndex> {
        if let Some(&pool) = self.names.get(name) {
            self.used[pool.index()] = true;
            return Some(pool);
        }
        self.lost = true;
        if self.known {
            let guess = report.guess(name, self.order.iter().map(String::as_str));
            let diagnostic = report.add(Code::UnknownPool, span, format!("there is no pool {}", quote(name)));
            diagnostic.label("not in `pools`").suggest(guess);
            if guess.is_none() {
                diagnostic.help(format!("add it under `pools`, or name one of: {}", self.some()));
            }
        }
        None
    }

    /// Some reference stands where it is not read.
    fn lose(&mut self) {
        self.lost = true;
    }

    fn unused(&self, spans: &[Span], report: &mut Report) {
        if self.lost {
            return;
        }
        for ((name, used), span) in self.order.iter().zip(&self.used).zip(spans) {
            if !used {
                report
                    .add(Code::UnusedPool, *span, format!("the pool {} is not used", quote(name)))
                    .label("no route and no listener leads here")
                    .help("remove it, or add a route to it");
            }
        }
    }

    /// The first few names: a list of 10,000 helps nobody.
    fn some(&self) -> String {
        let mut names: Vec<String> = self.order.iter().take(5).map(|name| quote(name)).collect();
        if self.order.len() > names.len() {
            names.push("…".into());
        }
        if names.is_empty() { "(there is none yet)".into() } else { names.join(", ") }
    }
}

/// The entries of a map keyed by name, each name checked. Entries with a bad name are read all the same.
fn named<'a, 't>(
    object: &Object<'a, 't>,
    key: &str,
    what: &str,
    report: &mut Report,
) -> Option<&'a [Entry<'t>]> {
    let (node, at) = object.node(key)?;
    let entries = object::map(node, at, key, report)?;
    for Entry { key: Key { text, span }, .. } in entries {
        if let Err(complaint) = value::name(text) {
            let headline = format!("{} can't be the name of {what}", quote(text));
            complaint.tell(report.add(Code::Name, *span, headline));
        }
    }
    Some(entries)
}

/// Reports a key that has no effect beside what else is set.
fn not_here(object: &Object<'_, '_>, key: &str, why: &str, help: impl Into<String>, report: &mut Report) {
    if let Some((_, span)) = object.node(key) {
        report.add(Code::NotHere, span, format!("`{key}` does not apply here")).label(why).help(help);
    }
}
