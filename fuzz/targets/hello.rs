//! A client's first message of TLS: any bytes are safe, an answer does not change when more comes, and however a
//! message is cut into records, it says the same.
#![no_main]

use haechi_tls::{Hello, HelloReader, MOST_ON_WIRE};
use libfuzzer_sys::fuzz_target;

/// A message as records of this size.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let header = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
        [22, 3, 1, length[0], length[1]]
    };
    message.chunks(size).flat_map(|part| [&header(part)[..], part].concat()).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let first = Hello::read(bytes);
    for cut in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let before = Hello::read(&bytes[..cut]);
        assert!(before == Hello::Partial || before == first, "{before:?} became {first:?}");
    }
    let mut reader = HelloReader::default();
    let by_pieces = (0..=bytes.len()).map(|cut| reader.read(&bytes[..cut])).find(|it| *it != Hello::Partial);
    assert_eq!(by_pieces.unwrap_or(Hello::Partial), first);
    let whole = Hello::read(&records(bytes, 1 << 14));
    let pieces = records(bytes, 100);
    if pieces.len() < MOST_ON_WIRE && matches!(whole, Hello::For(_)) {
        assert_eq!(Hello::read(&pieces), whole);
    }
});
