//! The one screen of `status` and `top`: what is wrong first, then listeners, then pools with their endpoints.

mod splits;

use std::path::Path;

use haechi_admin::api::{EndpointStatus, ListenerStatus, MissingRight, PoolStatus, RightsStatus, Status};
use haechi_admin::words;
use haechi_model::{AdminOrigin, AdminState, Health};

use super::top::Rates;
use crate::output::{self, Align, Cell, Paint, Table, Tone};

/// A status to show.
pub(super) struct Screen<'a> {
    pub(super) status: &'a Status,
    /// Shown in place of totals.
    pub(super) rates: Option<&'a Rates>,
    /// Wall time, for ages.
    pub(super) now_ms: u64,
    pub(super) paint: Paint,
}

/// Where the data of a screen comes from: the house rule is that every screen says it.
pub(super) fn sources(socket: &Path, path: &str, line: &str, paint: Paint) -> String {
    let text = format!("data: `{line}`, or curl --unix-socket {} http://haechi{path}", socket.display());
    format!("\n{}\n", paint.text(Tone::Faint, &output::clean(&text)))
}

/// What is not possible for want of a right; nothing where nothing lacks.
pub(super) fn missing_rights(rights: &RightsStatus, paint: Paint) -> String {
    let line = |missing: &MissingRight| {
        let MissingRight { right, subject, costs, way_out } = missing;
        let text = output::clean(&format!("{subject}: no {right}: {costs}; {way_out}"));
        format!("{}\n", paint.text(Tone::Doubtful, &text))
    };
    rights.missing.iter().map(line).collect()
}

impl Screen<'_> {
    pub(super) fn render(&self) -> String {
        let mut out = self.refusal();
        out.push_str(&missing_rights(&self.status.rights, self.paint));
        out.push_str(&self.head());
        if !self.status.listeners.is_empty() {
            out.push('\n');
            out.push_str(&self.listeners());
        }
        out.push_str(&splits::render(&self.status.listeners, self.paint));
        if !self.status.ordered.is_empty() {
            out.push('\n');
            out.push_str(&self.ordered());
        }
        for pool in &self.status.pools {
            out.push('\n');
            out.push_str(&self.pool(pool));
        }
        out
    }

    fn ago(&self, at_ms: u64) -> String {
        output::age(self.now_ms.saturating_sub(at_ms))
    }

    fn refusal(&self) -> String {
        let Some(refused) = &self.status.config.refused else { return String::new() };
        let head = format!(
            "config refused {} ago: {} (generation {} stays in force)",
            self.ago(refused.at_ms),
            output::clean(&refused.message),
            self.status.generation
        );
        let mut out = format!("{}\n", self.paint.text(Tone::Bad, &head));
        for line in refused.rendered.lines() {
            out.push_str(format!("  {}", output::clean(line)).trim_end());
            out.push('\n');
        }
        out.push('\n');
        out
    }

    fn head(&self) -> String {
        let Status { version, pid, node, zone, started_at_ms, workers, generation, config, .. } = self.status;
        let zone = zone.as_ref().map(|zone| format!(" in zone {zone}")).unwrap_or_default();
        let node = self.paint.text(Tone::Strong, &output::clean(&format!("{node}{zone}")));
        format!(
            "{node}: haechi {}, pid {pid}, {workers} worker{}, up {}\ngeneration {generation} from {}, applied {} ago\n",
            output::clean(version),
            if *workers == 1 { "" } else { "s" },
            self.ago(*started_at_ms),
            output::clean(&config.source),
            self.ago(config.applied_at_ms),
        )
    }

    fn ordered(&self) -> String {
        let mut table = Table::new(&[
            ("CERTIFICATE", Align::Left),
            ("ISSUER", Align::Left),
            ("STATE", Align::Left),
            ("EXPIRES IN", Align::Right),
            ("NEXT ORDER IN", Align::Right),
            ("", Align::Left),
        ]);
        for one in &self.status.ordered {
            let tone = match one.state.as_str() {
                "good" => Tone::Good,
                "failed" => Tone::Bad,
                _ => Tone::Doubtful,
            };
            table.row(vec![
                one.name.as_str().into(),
                one.issuer.as_str().into(),
                Cell::new(tone, &one.state),
                one.expires_at_ms.map_or("none yet".to_owned(), |at| self.left(at)).into(),
                one.next_at_ms.map(|at| self.left(at)).unwrap_or_default().into(),
                one.says.as_str().into(),
            ]);
        }
        table.render(self.paint)
    }

    fn left(&self, at_ms: i64) -> String {
        let left = u64::try_from(at_ms).unwrap_or(0).saturating_sub(self.now_ms);
        if left == 0 { "now".to_owned() } else { output::age(left) }
    }

    fn listeners(&self) -> String {
        let (accepted, requests) = match self.rates {
            Some(_) => ("CONN/S", "REQ/S"),
            None => ("CONNECTIONS", "REQUESTS"),
        };
        let mut table = Table::new(&[
            ("LISTENER", Align::Left),
            ("PROTOCOL", Align::Left),
            ("BIND", Align::Left),
            ("ROUTES", Align::Right),
            ("OPEN", Align::Right),
            (accepted, Align::Right),
            (requests, Align::Right),
            ("FAULTS", Align::Left),
        ]);
        self.status.listeners.iter().for_each(|listener| table.row(self.listener(listener)));
        table.render(self.paint)
    }

    fn listener(&self, listener: &ListenerStatus) -> Vec<Cell> {
        let rates = self.rates.map(|rates| rates.listener(&listener.name));
        let bind: Vec<String> = listener.bind.iter().map(ToString::to_string).collect();
        let dropped = listener.datagrams.iter().flat_map(|datagrams| &datagrams.dropped);
        let faults: Vec<String> = (listener.faults.iter().chain(dropped))
            .map(|(fault, count)| format!("{fault} {}", output::count(*count)))
            .collect();
        vec![
            listener.name.as_str().into(),
            listener.protocol.as_str().into(),
            bind.join(", ").into(),
            listener.routes.to_string().into(),
            output::count(listener.open).into(),
            number(rates.map(|rates| rates.map(|one| one.connections)), listener.accepted),
            number(rates.map(|rates| rates.map(|one| one.requests)), listener.requests),
            Cell::new(Tone::Doubtful, faults.join(", ")),
        ]
    }

    fn pool(&self, pool: &PoolStatus) -> String {
        let serving = pool.endpoints.iter().filter(|endpoint| takes_work(endpoint)).count();
        let mut facts = vec![
            output::clean(&pool.algorithm),
            format!("{serving} of {} endpoints take work", pool.endpoints.len()),
        ];
        if pool.waiting > 0 {
            facts.push(self.paint.text(Tone::Doubtful, &format!("{} waiting", pool.waiting)));
        }
        if pool.panicking {
            facts.push(self.paint.text(Tone::Bad, "too few can serve, so all are used"));
        }
        if let Some(reason) = &pool.empty {
            facts.push(self.paint.text(Tone::Bad, &format!("answers 503: {}", output::clean(reason))));
        }
        let title = self.paint.text(Tone::Strong, &format!("pool {}", output::clean(&pool.name)));
        format!("{title}: {}\n{}", facts.join(", "), self.endpoints(pool))
    }

    fn endpoints(&self, pool: &PoolStatus) -> String {
        let (requests, failures) = match self.rates {
            Some(_) => ("REQ/S", "FAIL/S"),
            None => ("REQUESTS", "FAILURES"),
        };
        let mut table = Table::new(&[
            ("ENDPOINT", Align::Left),
            ("ADDRESS", Align::Left),
            ("ZONE", Align::Left),
            ("WEIGHT", Align::Right),
            ("TIER", Align::Right),
            ("HEALTH", Align::Left),
            ("SINCE", Align::Right),
            ("ADMIN", Align::Left),
            ("IN FLIGHT", Align::Right),
            (requests, Align::Right),
            (failures, Align::Right),
            ("P50", Align::Right),
            ("P99", Align::Right),
            ("REASON", Align::Left),
        ]);
        pool.endpoints.iter().for_each(|endpoint| table.row(self.endpoint(pool, endpoint)));
        table.render(self.paint)
    }

    fn endpoint(&self, pool: &PoolStatus, endpoint: &EndpointStatus) -> Vec<Cell> {
        let rates = self.rates.map(|rates| rates.endpoint(&pool.name, &endpoint.name));
        let weighted = pool.endpoints.iter().any(|one| one.weight != 1);
        let tiered = pool.endpoints.iter().any(|one| one.tier != 0);
        let when = |holds: bool, value: u64| if holds { value.to_string() } else { String::new() };
        let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), output::latency);
        vec![
            endpoint.name.as_str().into(),
            endpoint.address.to_string().into(),
            endpoint.zone.as_deref().unwrap_or_default().into(),
            when(weighted, endpoint.weight.into()).into(),
            when(tiered, endpoint.tier.into()).into(),
            health(endpoint),
            self.ago(endpoint.since_ms).into(),
            admin(endpoint),
            output::count(endpoint.in_flight.into()).into(),
            number(rates.map(|rates| rates.map(|one| one.requests)), endpoint.requests),
            number(rates.map(|rates| rates.map(|one| one.failures)), endpoint.failures),
            time(endpoint.p50_ms).into(),
            time(endpoint.p99_ms).into(),
            endpoint.reason.as_str().into(),
        ]
    }
}

/// A rate where rates are shown (`-` while there is none yet), else the total.
fn number(rate: Option<Option<f64>>, total: u64) -> Cell {
    match rate {
        Some(rate) => rate.map_or_else(|| "-".to_owned(), output::rate).into(),
        None => output::count(total).into(),
    }
}

fn takes_work(endpoint: &EndpointStatus) -> bool {
    endpoint.serving && !endpoint.ejected && endpoint.admin == AdminState::Enabled && endpoint.weight > 0
}

fn health(endpoint: &EndpointStatus) -> Cell {
    let word = words::health(endpoint.health);
    if endpoint.ejected {
        return Cell::new(Tone::Bad, format!("{word}, ejected"));
    }
    if endpoint.warmth < 100 {
        return Cell::new(Tone::Doubtful, format!("{word}, warming {} %", endpoint.warmth));
    }
    let tone = match endpoint.health {
        Health::Healthy => Tone::Good,
        Health::Unhealthy => Tone::Bad,
        Health::Unknown => Tone::Doubtful,
    };
    Cell::new(tone, word)
}

/// What an operator said by a verb differs from the file, so it is marked.
fn admin(endpoint: &EndpointStatus) -> Cell {
    let tone = if endpoint.admin == AdminState::Enabled { Tone::Plain } else { Tone::Doubtful };
    let word = words::admin(endpoint.admin);
    match endpoint.admin_origin {
        AdminOrigin::Config => Cell::new(tone, word),
        AdminOrigin::Operator => Cell::new(tone, format!("{word} (operator)")),
    }
}

#[cfg(test)]
pub(super) mod tests;
