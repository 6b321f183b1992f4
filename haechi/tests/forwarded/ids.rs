//! `X-Request-ID`: made, kept, shown.

use std::collections::BTreeSet;

use super::{Front, PROXY, STRANGER, values};

fn is_new(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[test]
fn each_request_has_a_name_and_who_is_trusted_may_give_it() {
    let front = Front::new(&format!("{{ trust: {PROXY}, requestId: pass }}"));
    let mut all = BTreeSet::new();
    for _ in 0..50 {
        for head in front.seen(STRANGER, &["X-Request-ID: mine", "X_Request_ID: mine too"]) {
            let [id] = values(&head, "x-request-id")[..] else { panic!("one: {head}") };
            assert!(is_new(id) && all.insert(id.to_owned()), "{head}");
            assert!(!head.contains("mine"), "{head}");
        }
    }
    for head in front.seen(PROXY, &["X-Request-ID: 8f3c2b1e-0000-4000-8000-aabbccddeeff"]) {
        assert_eq!(values(&head, "x-request-id"), ["8f3c2b1e-0000-4000-8000-aabbccddeeff"], "{head}");
    }
    for bad in ["X-Request-ID: a b", "X-Request-ID: <script>", "X-Request-ID: \"x\""] {
        for head in front.seen(PROXY, &[bad]) {
            assert!(values(&head, "x-request-id").iter().all(|id| is_new(id)), "{head}");
        }
    }
    let two = front.ask(PROXY, "/", "X-Request-ID: a\r\nX-Request-ID: b\r\n");
    let ids = values(two.split_once("\r\n\r\n").unwrap().1, "x-request-id").join(" ");
    assert!(is_new(&ids), "{two}");
}

#[test]
fn an_answer_shows_it_only_where_that_is_asked_for() {
    for (rule, shown) in [("pass", false), ("answer", true)] {
        let front = Front::new(&format!("{{ trust: {PROXY}, requestId: {rule} }}"));
        for answer in [
            front.ask(PROXY, "/", "X-Request-ID: r-1\r\n"),
            front.ask_http2(PROXY, "/", &["X-Request-ID: r-1"]),
        ] {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let wanted = if shown { "r-1" } else { "the endpoint's own" };
            assert_eq!(values(head, "x-request-id"), [wanted], "{answer}");
            assert_eq!(values(body, "x-request-id"), ["r-1"], "{answer}");
        }
    }
    let front = Front::new(&format!("{{ trust: {PROXY} }}"));
    let answer = front.ask(STRANGER, "/", "X-Request-ID: r-1\r\n");
    assert_eq!(values(&answer, "x-request-id"), ["the endpoint's own", "r-1"], "untouched: {answer}");
}

/// A user can tell the operator which request it was.
#[test]
fn our_own_errors_show_it() {
    let front = Front::new(&format!("{{ trust: {PROXY}, requestId: pass }}"));
    let check = |answer: &str, status: &str, wanted: Option<&str>| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().contains(status), "{answer}");
        let [id] = values(head, "x-request-id")[..] else { panic!("one: {answer}") };
        assert!(wanted.map_or_else(|| is_new(id), |wanted| id == wanted), "{answer}");
        assert!(body.ends_with(&format!("\nrequest {id}\n")), "{answer}");
        assert_eq!(values(head, "content-length"), [body.len().to_string()], "{answer}");
    };
    let id = "X-Request-ID: r-7";
    // An endpoint that is not there: the request has been read.
    check(&front.ask(PROXY, "/none", &format!("{id}\r\n")), " 50", Some("r-7"));
    check(&front.ask_http2(PROXY, "/none", &[id]), " 50", Some("r-7"));
    // What could not be read, or has no route, gets a name of ours.
    check(&front.ask(PROXY, "/", "Content-Length: +1\r\n"), " 400", None);
    check(&front.ask(STRANGER, "/", "Host: b\r\n"), " 400", None);
    let front = Front::new("{}");
    let plain = front.ask(PROXY, "/none", &format!("{id}\r\n"));
    assert!(plain.contains(" 50") && values(&plain, "x-request-id").is_empty(), "{plain}");
}
