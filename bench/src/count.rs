//! What a load generator counted in one window, and the line it says it in (the same for wrk and for ours).

use std::fmt;

use crate::problem::{Outcome, Problem};

/// One window of load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    /// Requests, messages or MiB that came back.
    pub(crate) units: u64,
    /// All bytes that came back, heads included.
    pub(crate) bytes: u64,
    /// How long the load ran.
    pub(crate) micros: u64,
    /// Half of the answers took at most this.
    pub(crate) p50_micros: u64,
    /// 99 % of the answers took at most this.
    pub(crate) p99_micros: u64,
    /// Failed connects, reads, writes; wrong status; timeouts.
    pub(crate) errors: [u64; 5],
}

const WORDS: [&str; 5] =
    ["failed connects", "failed reads", "failed writes", "answers with another status", "timeouts"];

impl Count {
    /// Out of everything the generator printed.
    pub(crate) fn find(printed: &str) -> Outcome<Self> {
        let unreadable = || Problem::new(format!("the load generator printed no count:\n{printed}"));
        let line = printed.lines().find_map(|line| line.strip_prefix("counted ")).ok_or_else(unreadable)?;
        let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
        let [units, bytes, micros, p50_micros, p99_micros, errors @ ..] = &numbers[..] else {
            return Err(unreadable());
        };
        let errors = errors.try_into().map_err(|_| unreadable())?;
        Ok(Self {
            units: *units,
            bytes: *bytes,
            micros: *micros,
            p50_micros: *p50_micros,
            p99_micros: *p99_micros,
            errors,
        })
    }

    /// Refuses a window in which anything failed, nothing came, or less came than `least` bytes per unit:
    /// an answer that is quick because it is wrong must not count.
    pub(crate) fn checked(self, least: u64) -> Outcome<Self> {
        if self.errors != [0; 5] {
            let said: Vec<_> = (self.errors.iter().zip(WORDS))
                .filter(|(n, _)| **n > 0)
                .map(|(n, word)| format!("{n} {word}"))
                .collect();
            return Err(Problem::new(format!("{} among {} requests", said.join(", "), self.units)));
        }
        if self.units == 0 {
            return Err(Problem::new("nothing came back"));
        }
        if self.bytes < self.units.saturating_mul(least) {
            return Err(Problem::new(format!(
                "{} bytes for {} units: fewer than {least} each",
                self.bytes, self.units
            )));
        }
        Ok(self)
    }

    /// Units per second.
    pub(crate) fn rate(&self) -> f64 {
        self.units as f64 * 1e6 / self.micros.max(1) as f64
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "counted {} {} {} {} {}",
            self.units, self.bytes, self.micros, self.p50_micros, self.p99_micros
        )?;
        self.errors.iter().try_for_each(|count| write!(f, " {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Count {
        Count { units: 10, bytes: 2000, micros: 500_000, p50_micros: 3, p99_micros: 9, errors: [0; 5] }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Count::find(&format!("Running 2s test\n{}\nbye", sample())).unwrap(), sample());
    }

    #[test]
    fn anything_else_is_refused() {
        for printed in [
            "",
            "counted",
            "counted 1 2 3",
            "counted 1 2 3 4 5 0 0 0 0",
            "counted 1 2 3 4 5 0 0 0 0 0 0",
            "counted 1 2 x 4 5 0 0 0 0 0",
        ] {
            assert!(Count::find(printed).is_err(), "{printed:?}");
        }
    }

    #[test]
    fn each_kind_of_error_fails_the_window() {
        assert!(sample().checked(200).is_ok());
        for (kind, word) in WORDS.iter().enumerate() {
            let mut count = sample();
            count.errors[kind] = 3;
            let refused = count.checked(200).unwrap_err().to_string();
            assert!(refused.contains(&format!("3 {word}")), "{refused}");
        }
    }

    #[test]
    fn short_answers_fail_the_window() {
        assert!(sample().checked(201).is_err());
        assert!(Count { units: 0, ..sample() }.checked(0).is_err());
    }

    #[test]
    fn the_rate_is_per_second() {
        assert!((sample().rate() - 20.0).abs() < 1e-9);
    }
}
