//! An advertisement as somebody on the network might forge it: read or refused, never a panic; what is read
//! means the same when it is written again, and a router that hears it keeps its promises.
//!
//! Input: how it came (a byte: family, and whether in an envelope), then the message. Its checksum is put
//! right first if the second byte's lowest bit says so, because no fuzzer guesses one.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, Moment};
use haechi_vrrp::packet::{
    Advertisement, Carrier, ChecksumForm, Cover, HOP_LIMIT, MULTICAST_V4, MULTICAST_V6, Version,
};
use haechi_vrrp::{Input, Output, Router, Settings, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [way, mend, message @ ..] = data else { return };
    let mut message = message.to_vec();
    let (source, destination): (IpAddr, IpAddr) = match way & 1 {
        0 => (Ipv4Addr::new(10, 0, 0, 9).into(), MULTICAST_V4.into()),
        _ => (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9).into(), MULTICAST_V6.into()),
    };
    let enveloped = way & 2 != 0;
    let carrier =
        if enveloped { Carrier::Envelope } else { Carrier::Ip { source, destination, hop_limit: HOP_LIMIT } };
    if mend & 1 != 0 && message.len() >= 8 {
        let pseudo = !enveloped && (source.is_ipv6() || mend & 2 != 0);
        put_checksum(&mut message, pseudo.then_some((source, destination)));
    }
    let Ok((read, form)) = Advertisement::decode(&message, carrier) else { return };
    assert!(read.id > 0 && !read.interval.is_zero());
    assert_eq!(read.addresses.len(), usize::from(message[3]));

    let written = Advertisement { version: Version::V3, ..read.clone() };
    let cover = match form {
        ChecksumForm::PseudoHeader => Cover::PseudoHeader { source, destination },
        ChecksumForm::Plain => Cover::Message,
    };
    let mut out = Vec::new();
    // Version 2 has seconds that version 3 can't say.
    if written.encode(cover, &mut out).is_ok() {
        assert_eq!(Advertisement::decode(&out, carrier).map(|again| again.0), Ok(written));
        if read.version == Version::V3 {
            assert_eq!(out[..4], message[..4]);
            assert_eq!(out[8..], message[8..]);
        }
    } else {
        assert_eq!(read.version, Version::V2);
    }
    hear(&read, source);
});

/// As one would reckon it by hand.
fn put_checksum(message: &mut [u8], pseudo: Option<(IpAddr, IpAddr)>) {
    message[6..8].fill(0);
    let mut all = Vec::new();
    if let Some((source, destination)) = pseudo {
        for address in [source, destination] {
            match address {
                IpAddr::V4(v4) => all.extend(v4.octets()),
                IpAddr::V6(v6) => all.extend(v6.octets()),
            }
        }
        all.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
        all.extend([0, 0, 0, 112]);
    }
    all.extend_from_slice(message);
    let words = all.chunks(2).map(|pair| u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0)));
    let sum = words.fold(0, |sum, word| if sum + word > 0xffff { sum + word - 0xffff } else { sum + word });
    let [upper, lower] = (0xffff - u16::try_from(sum).unwrap_or(0)).to_be_bytes();
    (message[6], message[7]) = (upper, lower);
}

/// Whatever it says: a backup waits for a bounded time, and an active that stays one goes on advertising.
fn hear(said: &Advertisement, source: IpAddr) {
    let own = match source {
        IpAddr::V4(_) => IpAddr::from([10, 0, 0, 2]),
        IpAddr::V6(_) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into(),
    };
    let settings = Settings {
        id: NonZeroU8::new(said.id).unwrap_or(NonZeroU8::MIN),
        source: own,
        addresses: vec![own],
        sole_peer: said.priority.is_multiple_of(2),
        priority: NonZeroU8::new(100).unwrap_or(NonZeroU8::MIN),
        interval: Duration::from_millis(100),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        announce: Announcing::default(),
        drain: Duration::ZERO,
    };
    let now = Moment::ORIGIN + Duration::from_secs(1);
    let input = Input::Advertisement { source, advertisement: said.clone() };
    let mut router = Router::new(settings, now);
    let mut out = Vec::new();
    router.handle(now, Input::Start, &mut out);
    router.handle(now, &input, &mut out);
    assert_eq!(router.state(), State::Backup);
    // Four of the longest intervals that can be heard.
    let bound = Duration::from_secs(4 * 255);
    assert!(router.deadline().is_some_and(|due| due.since(now) <= bound));

    let due = now + Duration::from_millis(361);
    let mut active = Router::new(router.settings().clone(), now);
    active.handle(now, Input::Start, &mut out);
    active.handle(due, Input::Timer, &mut out);
    assert_eq!(active.state(), State::Active);
    active.handle(due, Input::Claimed, &mut out);
    out.clear();
    active.handle(due + Duration::from_millis(50), &input, &mut out);
    match active.state() {
        State::Active => assert!(active.deadline().is_some()),
        state => assert_eq!((state, &out[0]), (State::Backup, &Output::Release)),
    }
}
