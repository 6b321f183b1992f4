//! Looks at nftables without changing anything, for those who want to know before a move.

use std::net::IpAddr;

use haechi_model::InterfaceName;
use haechi_sys::Family;

use crate::handover::{Before, Chain, Way, passing};
use crate::nft::nft;

/// Whether nftables and the kernel take what passes open flows on through this interface: all of it is checked, and
/// nothing is put in force. Needs `CAP_NET_ADMIN`, and waits for a program.
///
/// # Errors
/// What is missing, and the way out.
pub fn can_pass_on(interface: &InterfaceName, address: IpAddr) -> Result<(), String> {
    let chain = Chain {
        router: "doctor".into(),
        interface: interface.clone(),
        addresses: vec![address],
        previous: address,
    };
    let before = Before { loose: 1, liberal: 0 };
    let way = Way { chain, kept: Vec::new(), zone: 1 };
    let ruleset = passing(Family::of(address), &[way], Some(before));
    nft(&["-c", "-f", "-"], &ruleset).map(drop)
}

/// All rules of nftables, as `nft list ruleset` prints them. Needs `CAP_NET_ADMIN`, and waits for a program.
///
/// # Errors
/// No such program, no right, or its own words.
pub fn ruleset() -> Result<String, String> {
    nft(&["list", "ruleset"], "")
}
