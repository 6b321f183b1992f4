//! The PROXY protocol: pieces come to the same end as the whole, and what is said can be said again.

#![no_main]

use haechi_model::ProxyVersion;
use haechi_preface::{LONGEST, Parsed, Told, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    // Each prefix is partial until one says more, and that is what all longer ones say.
    let first = (0..data.len()).map(|cut| parse(&data[..cut])).find(|now| *now != Ok(Parsed::Partial));
    assert!(first.is_none_or(|first| first == whole), "{first:?} became {whole:?}");
    assert!(whole != Ok(Parsed::Partial) || data.len() < LONGEST, "it waits for ever");
    let Ok(Parsed::Complete(length, told)) = whole else { return };
    assert!(length <= data.len() && length <= LONGEST);
    assert_eq!(parse(&data[..length]), whole, "what follows has no part in it");
    let Told::Ends(ends) = told else { return };
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let mut bytes = Vec::new();
        write(version, Some(ends), &mut bytes);
        let Ok(Parsed::Complete(_, Told::Ends(again))) = parse(&bytes) else {
            panic!("{ends:?} can't be read again")
        };
        let plain = |end: std::net::SocketAddr| (end.ip().to_canonical(), end.port());
        assert_eq!((plain(again.client), plain(again.asked)), (plain(ends.client), plain(ends.asked)));
    }
});
