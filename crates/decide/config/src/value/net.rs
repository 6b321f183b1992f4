//! Addresses: an IP address with a port. Names are not resolved; see [`Code::HostName`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use haechi_model::{Network, VirtualAddress};

use super::Complaint;
use crate::Code;

/// What is wanted, for messages.
const WANTED: &str = "an IP address with a port, such as `10.0.0.1:80` or `[2001:db8::1]:80`";

/// An address that can be connected to.
pub(crate) fn endpoint(text: &str) -> Result<SocketAddr, Complaint> {
    let address = socket(text)?;
    let wrong = if address.port() == 0 {
        "port 0 can't be connected to"
    } else if address.ip().is_unspecified() {
        "stands for every address of a host, so it can't be connected to"
    } else if address.ip().is_multicast() || address.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        "stands for a group of hosts"
    } else {
        return Ok(address);
    };
    Err(Complaint::new(Code::Address, wrong))
}

/// Addresses to listen on: one, or both families for `:80`.
pub(crate) fn bind(text: &str) -> Result<Vec<SocketAddr>, Complaint> {
    let help = "write the IP address itself, or `:80` for every address of this host";
    one_or_both(text)
        .map_err(|complaint| if complaint.code == Code::HostName { complaint.help(help) } else { complaint })
}

fn one_or_both(text: &str) -> Result<Vec<SocketAddr>, Complaint> {
    if let Some(port) = text.strip_prefix(':').filter(|port| !port.starts_with(':')) {
        let port = self::port(port)?;
        let both = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        return Ok(both.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let suggestion =
        text.strip_prefix("*:").or_else(|| text.bytes().all(|b| b.is_ascii_digit()).then_some(text));
    if let Some(port) = suggestion {
        self::port(port)?;
        return Err(Complaint::new(Code::Address, format!("not {WANTED}")).suggest(format!(":{port}")));
    }
    let address = socket(text)?;
    port(&address.port().to_string())?;
    if address.ip().is_multicast() {
        return Err(Complaint::new(Code::Address, "stands for a group of hosts"));
    }
    Ok(vec![address])
}

/// Any IP address with any port. IPv4 in IPv6 clothes is refused: as a key it would differ from itself.
pub(crate) fn socket(text: &str) -> Result<SocketAddr, Complaint> {
    let address: SocketAddr = text.parse().map_err(|_| complain(text))?;
    match address.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Complaint::new(Code::Address, "an IPv4 address in IPv6 form")
                .suggest(SocketAddr::new(v4.into(), address.port()).to_string())),
            None => Ok(address),
        },
        IpAddr::V4(_) => Ok(address),
    }
}

/// Port of `transport: udp` in suggestions: VRRP's protocol number (112), above the ports that need root.
const UDP_PORT: u16 = 7112;

/// An IP address without a port, of one host.
pub(crate) fn host(text: &str) -> Result<IpAddr, Complaint> {
    if let Ok(ip) = text.parse() {
        return single(ip);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let (ip, label) = match (bare.and_then(|text| text.parse::<IpAddr>().ok()), text.parse::<SocketAddr>()) {
        (Some(ip), _) => (ip, "no brackets without a port"),
        (None, Ok(address)) => (address.ip(), "IP protocol 112 has no ports"),
        (None, Err(_)) => {
            return Err(Complaint::new(Code::Address, "not an IP address such as `10.0.0.1`")
                .help("names are not resolved; with `transport: udp` it has a port as well"));
        }
    };
    let ip = single(ip)?;
    Err(Complaint::new(Code::Address, label).suggest(ip.to_string()))
}

/// An IP address with a port, of one host.
pub(crate) fn udp(text: &str) -> Result<SocketAddr, Complaint> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        let ip = single(ip)?;
        return Err(Complaint::new(Code::Address, "with `transport: udp` it needs a port")
            .suggest(SocketAddr::new(ip, UDP_PORT).to_string()));
    }
    endpoint(text).map_err(|complaint| match complaint.code {
        Code::HostName => {
            Complaint::new(Code::Address, "not an IP address with a port, such as `10.0.0.1:7112`")
                .help("names are not resolved: DNS may be what the virtual address stands in front of")
        }
        _ => complaint,
    })
}

/// An address that moves, with the prefix length of its network: `10.0.0.100/24`.
pub(crate) fn virtual_address(text: &str) -> Result<VirtualAddress, Complaint> {
    let wrong = |label: &str| Complaint::new(Code::VirtualAddress, label);
    let Some((ip, prefix)) = text.split_once('/') else {
        return Err(match text.parse::<IpAddr>() {
            Ok(ip) => wrong("the prefix length is missing").help(format!(
                "the one of its network, such as `{ip}/{}`",
                if ip.is_ipv4() { 24 } else { 64 }
            )),
            Err(_) => wrong("not an IP address with a prefix length, such as `10.0.0.100/24`"),
        });
    };
    let address = ip.parse::<IpAddr>().map_err(|_| wrong("not an IP address before the `/`"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix
        .parse::<u8>()
        .ok()
        .filter(|length| (1..=most).contains(length) && !prefix.starts_with('+'))
        .ok_or_else(|| wrong("not a prefix length").help(format!("it takes 1 to {most}")))?;
    single(address).map_err(|complaint| wrong(&complaint.label))?;
    if let IpAddr::V4(v4) = address
        && let Some(what) = reserved(v4, prefix)
    {
        return Err(
            wrong(what).help("write the address that clients connect to, with the prefix of its network")
        );
    }
    Ok(VirtualAddress { address, prefix })
}

/// The two addresses of an IPv4 network that no host has. Networks of one or two addresses have none of
/// them (RFC 3021).
fn reserved(address: Ipv4Addr, prefix: u8) -> Option<&'static str> {
    let hosts = u32::MAX.checked_shr(prefix.into()).filter(|hosts| *hosts > 1)?;
    match address.to_bits() & hosts {
        0 => Some("the network's own address, no host's"),
        bits if bits == hosts => Some("the network's broadcast address, no host's"),
        _ => None,
    }
}

/// An address that one host can have.
fn single(ip: IpAddr) -> Result<IpAddr, Complaint> {
    if let IpAddr::V6(v6) = ip
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let v4 = single(v4.into())?;
        return Err(Complaint::new(Code::Address, "an IPv4 address in IPv6 form").suggest(v4.to_string()));
    }
    let wrong = if ip.is_unspecified() {
        "stands for every address of a host"
    } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        "stands for a group of hosts"
    } else {
        return Ok(ip);
    };
    Err(Complaint::new(Code::Address, wrong))
}

fn port(text: &str) -> Result<u16, Complaint> {
    text.parse()
        .ok()
        .filter(|&port| port != 0 && !text.starts_with('+'))
        .ok_or_else(|| Complaint::new(Code::Address, "the port is not a number from 1 to 65535"))
}

fn complain(text: &str) -> Complaint {
    let complaint = Complaint::new(Code::Address, format!("not {WANTED}"));
    if let Some((_, rest)) = text.split_once("://") {
        let plain = rest.trim_end_matches('/');
        return match plain.parse::<SocketAddr>() {
            Ok(address) => complaint.suggest(address.to_string()),
            Err(_) => complaint.help("an address has no scheme and no path"),
        };
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let label = if text.contains("::") && !text.starts_with('[') {
            "the port is missing, or the brackets around the address"
        } else {
            "the port is missing"
        };
        // `::1:80` is an address without a port, but few people mean that.
        let split = text.rsplit_once(':').filter(|(host, _)| !host.ends_with(':'));
        let split =
            split.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, self::port(port).ok()?)));
        return Complaint::new(Code::Address, label)
            .help(format!("write {WANTED}"))
            .suggest(split.unwrap_or_else(|| SocketAddr::new(ip, 80)).to_string());
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return if is_name(text) { name(text) } else { complaint };
    };
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return match self::port(port) {
            Ok(port) => complaint.suggest(SocketAddr::new(ip, port).to_string()),
            Err(complaint) => complaint,
        };
    }
    if host == "localhost" && self::port(port).is_ok() {
        return name(host).suggest(format!("127.0.0.1:{port}"));
    }
    if is_name(host) { name(host) } else { complaint }
}

fn name(host: &str) -> Complaint {
    Complaint::new(Code::HostName, "names are not resolved in this version")
        .help(format!("write one endpoint for each IP address; `getent ahosts {host}` lists them"))
}

/// Whether it looks like a DNS name: some letter, and nothing that a name has not.
fn is_name(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}
/// An address with a prefix length, or one host's alone.
pub(crate) fn network(text: &str) -> Result<Network, Complaint> {
    let help = "such as `10.0.0.0/8`, `2001:db8::/32`, or the address of one host";
    let wrong = |label: &str| Complaint::new(Code::Network, label).help(help);
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| wrong("not an IP address"))?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => whole,
        Some(prefix) => prefix
            .parse()
            .ok()
            .filter(|prefix: &u8| *prefix <= whole && text.ends_with(&format!("/{prefix}")))
            .ok_or_else(|| wrong("not a prefix length"))?,
    };
    let network = Network::of(address, prefix);
    if network.address != address {
        return Err(wrong("has bits behind its prefix").suggest(network.to_string()));
    }
    if let IpAddr::V6(ipv6) = address
        && let Some(ipv4) = ipv6.to_ipv4_mapped()
        && let Some(prefix) = prefix.checked_sub(96)
    {
        // Clients are compared as IPv4, so it would stand for nobody.
        return Err(
            wrong("an IPv4 network in IPv6's form").suggest(Network::of(ipv4.into(), prefix).to_string())
        );
    }
    Ok(network)
}
