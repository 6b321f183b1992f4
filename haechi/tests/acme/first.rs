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

#[test]
fn a_name_is_proved_by_a_handshake() {
    let front = Front::new(|ip| Pebble::start(ip, DAY), ", challenges: tls-alpn-01", "shop.example.com");
    front.wait_good("shop.example.com");
    eventually(PATIENCE, "a client is served", || front.curl("shop.example.com") == (0, "hello".into()));
    assert!(!front.pebble.log().contains("validate w/ HTTP"), "{}", front.pebble.log());
}

#[test]
fn only_who_asks_for_what_is_pending_is_answered() {
    let front = Front::new(|ip| Pebble::start(ip, DAY), "", "shop.example.com");
    front.wait_good("shop.example.com");
    let path = "/.well-known/acme-challenge/";
    for token in ["", "x", "../x", "%2e%2e", &"x".repeat(500)] {
        let (status, body) = front.ask("shop.example.com", &format!("{path}{token}"));
        assert!([400, 404].contains(&status) && !body.contains("hello"), "{token}: {status} {body}");
    }
    // What was pending is not any more.
    let log = front.pebble.log();
    let asked = log.split(path).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    assert_eq!(front.ask("shop.example.com", &format!("{path}{asked}")).0, 404);
    // A name that is not ordered here is its endpoint's own business.
    assert_eq!(front.ask("other.example.com", &format!("{path}x")), (200, "hello".into()));
    assert_eq!(front.ask("shop.example.com", "/.well-known/acme-challeng"), (200, "hello".into()));
    // Row 41 of the hostile list: whoever asks by `acme-tls/1` and says nothing holds nobody up.
    let mut command = Command::new("openssl");
    command.args(["s_client", "-alpn", "acme-tls/1", "-servername", "shop.example.com", "-connect"]);
    let output =
        command.arg(SocketAddr::new(front.ip, 443).to_string()).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("alert unrecognized name") || text.contains("alert number 112"), "{text}");
}

#[test]
fn account_and_certificate_outlive_a_restart() {
    let mut front = Front::new(|ip| Pebble::start(ip, DAY), "", "shop.example.com");
    front.wait_good("shop.example.com");
    let account = front.node.folder().join("state/acme/pebble/account.json");
    let (before, expires) =
        (std::fs::read(&account).unwrap(), front.ordered("shop.example.com")["expiresAtMs"].clone());
    front.node.signal("TERM");
    front.node.wait_end(PATIENCE);
    let orders = front.pebble.log().matches("Added order").count();
    front.node.resume();
    front.wait_good("shop.example.com");
    assert_eq!(front.curl("shop.example.com"), (0, "hello".into()));
    assert_eq!(front.ordered("shop.example.com")["expiresAtMs"], expires);
    assert_eq!(front.pebble.log().matches("Added order").count(), orders, "it was ordered again");
    // Another name is ordered with the same account.
    front.node.change(&front.config("", "shop.example.com, www.example.com"));
    front.wait_good("www.example.com");
    assert_eq!(std::fs::read(&account).unwrap(), before);
    assert_eq!(front.pebble.log().matches("Added order").count(), orders + 1);
}

#[test]
fn a_name_that_is_refused_stops_no_other_and_says_why() {
    let front = Front::new(|ip| Pebble::start(ip, DAY), "", "blocked.example.com, shop.example.com");
    front.wait_good("shop.example.com");
    eventually(PATIENCE, "the reason is told", || front.ordered("blocked.example.com")["state"] == "failed");
    let told = front.ordered("blocked.example.com");
    assert_eq!(told["lastFailure"]["blame"], "name", "{told}");
    assert!(told["says"].as_str().unwrap().contains("blocked.example.com"), "{told}");
    // Nothing is made up for it: its clients get what is there, whose name is another.
    let (code, text) = front.curl("blocked.example.com");
    assert!(code == 60 && text.contains("no alternative certificate subject name"), "{code} {text}");
    let events = front.node.verb(&["events"]).out;
    assert!(events.contains("certificateFailed") && events.contains("certificateOrdered"), "{events}");
    let shown = front.node.verb(&["status"]).out;
    assert!(shown.contains("blocked.example.com") && shown.contains("failed"), "{shown}");
}
