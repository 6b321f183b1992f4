//! Families of metrics with what they mean, as a scrape shows them: base units in the name, `_total` on
//! counters. Dashboards, alerts and docs are checked against [`ALL`].

/// How samples of a family behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only rises, but starts anew with the process (or with the endpoint that it counts for).
    Counter,
    /// Goes both ways.
    Gauge,
    /// Cumulative buckets with `le`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// The word for it in Prometheus' text format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// All samples of one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family {
    /// As in a query.
    pub name: &'static str,
    /// How its samples behave.
    pub kind: Kind,
    /// One sentence for people.
    pub help: &'static str,
    /// Labels that every sample has, `le` aside.
    pub labels: &'static [&'static str],
}

macro_rules! families {
    ($( $id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal; )*) => {
        $(
            #[doc = $help]
            pub const $id: Family =
                Family { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };
        )*

        /// All of them, in the order of a scrape.
        pub const ALL: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD_INFO: Gauge "haechi_build_info" ["version"]
        "Always 1; the version of the running binary is a label.";
    CONFIG_GENERATION: Gauge "haechi_config_generation" []
        "Number of the config in force; each applied change counts one.";
    CONFIG_REFUSED: Gauge "haechi_config_refused" []
        "1 if the last attempt to change the config was refused, so that the file and what runs differ.";

    MEMORY_TAKEN: Gauge "haechi_memory_taken_bytes" []
        "Memory that this process takes, pages of files and buffers of its sockets in the kernel aside.";
    MEMORY_CEILING: Gauge "haechi_memory_ceiling_bytes" []
        "What it should take at most; no sample without a ceiling.";
    MEMORY_PRESSURE: Gauge "haechi_memory_pressure" ["level"]
        "1 for the level that holds: none, high (clients are asked to leave), full (nothing new is taken on).";

    LISTENER_CONNECTIONS_OPEN: Gauge "haechi_listener_connections_open" ["listener"]
        "Client connections (or flows of a udp listener) open now.";
    LISTENER_CONNECTIONS: Counter "haechi_listener_connections_total" ["listener"]
        "Client connections accepted (or flows begun).";
    LISTENER_REQUESTS: Counter "haechi_listener_requests_total" ["listener"]
        "Requests with a complete, well-formed head.";
    LISTENER_FAULTS: Counter "haechi_listener_faults_total" ["listener", "fault", "side"]
        "Answers that haechi gave in an endpoint's place, by reason and by whose fault it was.";
    LISTENER_LIMITS: Counter "haechi_listener_limits_total" ["listener", "limit"]
        "Limits of HTTP that bit, by name: what a client sent was too much, too often, too large or too slow.";
    LISTENER_HANDSHAKES: Counter "haechi_listener_handshakes_total" ["listener", "version", "result", "resumed"]
        "TLS handshakes with clients by how they came out; those that did not come to their end have no version.";
    LISTENER_CERTIFICATE_EXPIRY: Gauge "haechi_listener_certificate_expiry_timestamp_seconds" ["listener", "file"]
        "When a certificate in use expires, in seconds since 1970.";

    ACME_CERTIFICATE_EXPIRY: Gauge "haechi_acme_certificate_expiry_timestamp_seconds" ["issuer", "name"]
        "When an ordered certificate expires, in seconds since 1970; no sample before the first one came.";
    ACME_CERTIFICATE_FAILURES: Gauge "haechi_acme_certificate_failures" ["issuer", "name"]
        "Orders in a row that failed.";
    ACME_ORDERS: Counter "haechi_acme_orders_total" ["issuer", "result"]
        "Orders by how they came out: given, or whose fault it was (issuer, limit, name, us).";
    LISTENER_CODED_BYTES: Counter "haechi_listener_coded_bytes_total" ["listener", "coding", "direction"]
        "Bytes of answers that were compressed: before (in) and after it (out), by content coding.";

    LISTENER_DATAGRAMS: Counter "haechi_listener_datagrams_total" ["listener", "direction"]
        "Datagrams from clients (in) and to them (out), of udp listeners.";
    LISTENER_DATAGRAMS_DROPPED: Counter "haechi_listener_datagrams_dropped_total" ["listener", "reason"]
        "Datagrams of udp listeners that went no further, by reason.";

    AUTH_REQUESTS: Counter "haechi_auth_requests_total" ["listener", "route", "result"]
        "Requests of which somebody else was asked: allowed, denied, failed, or gone on unjudged.";
    SPLIT_REQUESTS: Counter "haechi_split_requests_total" ["listener", "route", "pool", "by"]
        "Requests (or connections) that a route with several pools gave to each, in turn or by a key.";
    SPLIT_WEIGHT: Gauge "haechi_split_weight" ["listener", "route", "pool"]
        "The weight that decides a pool's part of its route's requests.";

    POOL_WAITING: Gauge "haechi_pool_waiting" ["pool"]
        "Requests that wait in the queue because every endpoint is at its limit.";
    POOL_PANICKING: Gauge "haechi_pool_panicking" ["pool"]
        "1 if too few endpoints can serve, so that work goes to all of them.";

    ENDPOINT_INFO: Gauge "haechi_endpoint_info" ["pool", "endpoint", "address", "zone", "admin", "health"]
        "Always 1; what an endpoint is stands in the labels.";
    ENDPOINT_HEALTHY: Gauge "haechi_endpoint_healthy" ["pool", "endpoint"]
        "What health checks say: 1 healthy, 0 unhealthy; no sample while nothing is known.";
    ENDPOINT_SERVING: Gauge "haechi_endpoint_serving" ["pool", "endpoint"]
        "1 if new work can go to it by health, ejection, admin state and weight together.";
    ENDPOINT_IN_FLIGHT: Gauge "haechi_endpoint_in_flight" ["pool", "endpoint"]
        "Requests or connections that run now.";
    ENDPOINT_REQUESTS: Counter "haechi_endpoint_requests_total" ["pool", "endpoint"]
        "Requests or connections sent to it, retries included.";
    ENDPOINT_RESPONSES: Counter "haechi_endpoint_responses_total" ["pool", "endpoint", "class"]
        "Its responses by class of their status: 1xx to 5xx.";
    ENDPOINT_FAILURES: Counter "haechi_endpoint_failures_total" ["pool", "endpoint"]
        "Requests that it failed: refused, reset, malformed or too late.";
    ENDPOINT_RETRIES: Counter "haechi_endpoint_retries_total" ["pool", "endpoint"]
        "Requests that came to it after another endpoint had failed them.";
    ENDPOINT_CONNECTS: Counter "haechi_endpoint_connects_total" ["pool", "endpoint"]
        "Connections opened to it.";
    ENDPOINT_BYTES: Counter "haechi_endpoint_bytes_total" ["pool", "endpoint", "direction"]
        "Bytes from it (in) and to it (out).";
    ENDPOINT_RESPONSE_SECONDS: Histogram "haechi_endpoint_response_seconds" ["pool", "endpoint"]
        "Time from the complete request head to the last byte of the response.";

    VIRTUAL_ROUTER_STATE: Gauge "haechi_virtual_router_state" ["virtual_router", "state"]
        "1 for the state that this node is in: initialize, backup, active or yielding; 0 for the others.";
    VIRTUAL_ROUTER_PRIORITY: Gauge "haechi_virtual_router_priority" ["virtual_router"]
        "Priority in force: as configured, less what is tracked and not well.";
    VIRTUAL_ROUTER_TRANSITIONS: Counter "haechi_virtual_router_transitions_total" ["virtual_router"]
        "Changes from one state to another.";
    VIRTUAL_ROUTER_SENT: Counter "haechi_virtual_router_advertisements_sent_total" ["virtual_router"]
        "Advertisements sent, each receiver counted.";
    VIRTUAL_ROUTER_HEARD: Counter "haechi_virtual_router_advertisements_heard_total" ["virtual_router"]
        "Advertisements of other nodes.";
    VIRTUAL_ROUTER_DROPS: Counter "haechi_virtual_router_drops_total" ["virtual_router", "reason"]
        "Advertisements thrown away at its port, whatever virtual router they were for, by reason.";
    VIRTUAL_ROUTER_ALARMS: Gauge "haechi_virtual_router_alarms" ["virtual_router"]
        "Things that are wrong now and that people must mend.";

    NGINX_REQUESTS: Counter "nginx_http_requests_total" ["status"]
        "Responses to clients by class of their status, under the name that existing alerts use.";
    NGINX_DURATION: Histogram "nginx_http_request_duration_seconds" []
        "Response times over all endpoints, under the name that existing alerts use.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_snake(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    }

    #[test]
    fn names_and_labels_are_what_prometheus_takes() {
        for family in ALL {
            assert!(is_snake(family.name), "{}", family.name);
            assert!(family.labels.iter().all(|label| is_snake(label) && *label != "le"), "{}", family.name);
            let labels: BTreeSet<_> = family.labels.iter().collect();
            assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn kinds_show_in_names() {
        for family in ALL {
            let total = family.name.ends_with("_total");
            assert_eq!(total, family.kind == Kind::Counter, "{}", family.name);
            // A point in time is no duration.
            let seconds = family.name.ends_with("_seconds") && !family.name.contains("_timestamp_");
            assert_eq!(
                seconds,
                family.kind == Kind::Histogram,
                "every histogram here is of time: {}",
                family.name
            );
        }
    }

    #[test]
    fn help_is_one_sentence() {
        for family in ALL {
            let help = family.help;
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{help}");
            assert!(help.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()), "{help}");
        }
    }
}
