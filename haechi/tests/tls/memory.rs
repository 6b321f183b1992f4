//! What a connection costs while nothing happens on it.

use haechi_tests::{Scripted, Secure};

use super::{Front, plain_address};

/// Connections that are measured. A process may have 1024 files open where nobody raised that, and both ends count.
const MANY: u64 = 400;

/// Most bytes of each. With 4,000 of them it is 7.9 KB (7.4 with TLS 1.2, 4.2 in the clear): 3.0 for its task, 1.3 for its
/// session, the rest for the keys and states of rustls. What is more is for the allocator's steps.
const MOST: u64 = 16 << 10;

#[test]
fn an_idle_connection_keeps_no_buffers() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let served = |count| -> Vec<Secure> {
        let one = |_| {
            let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
            assert_eq!(open.get("/").unwrap().0, 200);
            open
        };
        (0..count).map(one).collect()
    };
    // Buffers of the workers, and what the allocator takes at first.
    let warm = served(100);
    let before = front.node.resident();
    let idle = served(MANY);
    let each = (front.node.resident() - before) * 1024 / MANY;
    println!("an idle TLS connection: {each} bytes");
    assert!(each < MOST, "{each} bytes");
    drop((warm, idle));
}
