//! From nothing to a certificate that a client trusts.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_name_is_proved_by_a_request_and_its_certificate_is_shown() {
    let front = Front::new(|ip| Pebble::start(ip, DAY), ", challenges: http-01", "shop.example.com");
    front.wait_good("shop.example.com");
    eventually(PATIENCE, "a client is served", || front.curl("shop.example.com") == (0, "hello".into()));
    let state = front.node.folder().join("state/acme/pebble");
    for (path, mode) in [("", 0o700), ("account.json", 0o600), ("shop.example.com.pem", 0o600)] {
        let found = std::fs::metadata(state.join(path)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{path}");
    }
    let told = front.ordered("shop.example.com");
    assert!(told["expiresAtMs"].as_i64() > told["nextAtMs"].as_i64(), "{told}");
    let metrics = front.node.metrics();
    for line in [
        "haechi_acme_certificate_expiry_timestamp_seconds{issuer=\"pebble\",name=\"shop.example.com\"} ",
        "haechi_acme_certificate_failures{issuer=\"pebble\",name=\"shop.example.com\"} 0\n",
        "haechi_acme_orders_total{issuer=\"pebble\",result=\"given\"} 1\n",
        "haechi_acme_orders_total{issuer=\"pebble\",result=\"name\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
