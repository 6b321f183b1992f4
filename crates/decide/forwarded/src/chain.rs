//! The chain of addresses: true from its end on, up to the first that is not trusted.

use std::net::IpAddr;

use haechi_model::Forwarded;

use crate::element::{Element, Next, next};
use crate::{Fields, is_secure, node, only, put};

/// What who is trusted said.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Told<'a> {
    /// Where the chain that goes on begins.
    pub(crate) client: Option<IpAddr>,
    /// How many elements stand before that.
    pub(crate) from: usize,
    pub(crate) secure: Option<bool>,
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) port: Option<u16>,
}

/// One step of the chain.
struct Link<'r> {
    rules: &'r Forwarded,
    /// Where the list begins in what is written.
    start: usize,
    client: Option<IpAddr>,
}

impl<'r> Link<'r> {
    fn new(rules: &'r Forwarded, out: &[u8]) -> Self {
        Self { rules, start: out.len(), client: None }
    }

    /// Takes the next address. What came before one that is not trusted was said by that one; and who writes
    /// something else than an address says that it does not tell. True if the chain begins here.
    fn add(&mut self, address: Option<IpAddr>, out: &mut Vec<u8>) -> bool {
        let trusted = address.is_some_and(|address| self.rules.trusts(address));
        let begins = self.client.is_none() || !trusted;
        if begins {
            out.truncate(self.start);
            self.client = address;
        }
        if let Some(address) = address {
            put(out, format_args!("{address}, "));
        }
        begins
    }
}

/// `X-Forwarded-For` and those beside it.
pub(crate) fn x_forwarded<'a>(fields: &'a impl Fields, rules: &Forwarded, out: &mut Vec<u8>) -> Told<'a> {
    let mut link = Link::new(rules, out);
    for value in fields.values("x-forwarded-for") {
        let elements = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for element in elements.filter(|element| !element.is_empty()) {
            link.add(node::address(element), out);
        }
    }
    Told {
        client: link.client,
        from: 0,
        secure: only(fields, "x-forwarded-proto").and_then(is_secure),
        host: only(fields, "x-forwarded-host").filter(|host| node::is_host(host)),
        port: only(fields, "x-forwarded-port").and_then(node::port),
    }
}

/// `Forwarded`. One that is broken says nothing at all.
pub(crate) fn forwarded<'a>(fields: &'a impl Fields, rules: &Forwarded, out: &mut Vec<u8>) -> Told<'a> {
    let mut link = Link::new(rules, out);
    let mut told = Told::default();
    let whole = each(fields, |index, element| {
        if link.add(element.node.and_then(node::address), out) {
            told = Told {
                client: link.client,
                // Who does not tell is no part of what goes on.
                from: if link.client.is_some() { index } else { index + 1 },
                secure: element.proto.and_then(is_secure),
                host: element.host.filter(|host| node::is_host(host)),
                port: None,
            };
        }
    });
    if whole {
        return told;
    }
    out.truncate(link.start);
    Told { from: usize::MAX, ..Told::default() }
}

/// Appends the elements of `Forwarded` from one on, each with a comma behind it.
pub(crate) fn repeat(fields: &impl Fields, from: usize, out: &mut Vec<u8>) {
    each(fields, |index, element| {
        if index >= from {
            out.extend_from_slice(element.raw);
            out.extend_from_slice(b", ");
        }
    });
}

/// Goes through all elements of `Forwarded`, up to one that is broken; says whether there is none.
fn each<'a>(fields: &'a impl Fields, mut take: impl FnMut(usize, Element<'a>)) -> bool {
    let mut index = 0;
    for value in fields.values("forwarded") {
        let mut rest = value;
        loop {
            match next(rest) {
                Next::End => break,
                Next::Broken => return false,
                Next::Element(element, more) => {
                    take(index, element);
                    index += 1;
                    rest = more;
                }
            }
        }
    }
    true
}
