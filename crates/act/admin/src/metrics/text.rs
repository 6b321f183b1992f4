//! Prometheus' text format 0.0.4, the one that every scraper and `promtool check metrics` read. The
//! prometheus-client crate writes OpenMetrics only, whose counters have another family name (without
//! `_total`); this is little more than the escaping.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::fmt::{Display, Write as _};

use haechi_telemetry::metric::Family;

/// A scrape being written.
#[derive(Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Starts a family; all its samples follow at once, as the format wants.
    pub(crate) fn family(&mut self, family: &Family) -> Samples<'_> {
        let Family { name, kind, help, labels } = *family;
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        Samples { out: &mut self.0, name, names: labels }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// The samples of one family.
pub(crate) struct Samples<'a> {
    out: &'a mut String,
    name: &'static str,
    names: &'static [&'static str],
}

/// A histogram: responses that took at most so many seconds, ascending.
pub(crate) struct Buckets<'a> {
    pub(crate) at_most: &'a [(f64, u64)],
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

impl Samples<'_> {
    /// One sample; `values` are those of the family's labels in their order.
    pub(crate) fn sample(&mut self, values: &[&str], value: impl Display) {
        self.line("", values, None, value);
    }

    /// One histogram.
    pub(crate) fn histogram(&mut self, values: &[&str], buckets: &Buckets<'_>) {
        for (bound, count) in buckets.at_most {
            self.line("_bucket", values, Some(&bound.to_string()), count);
        }
        self.line("_bucket", values, Some("+Inf"), buckets.count);
        self.line("_sum", values, None, buckets.sum);
        self.line("_count", values, None, buckets.count);
    }

    fn line(&mut self, suffix: &str, values: &[&str], le: Option<&str>, value: impl Display) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let own = self.names.iter().copied().zip(values.iter().copied());
        let mut separator = '{';
        for (name, value) in own.chain(le.map(|bound| ("le", bound))) {
            self.out.push(separator);
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, self.out);
            self.out.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.out.push('}');
        }
        // Writing to a String can't fail.
        let _ = writeln!(self.out, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
}
