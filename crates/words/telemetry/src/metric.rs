//! Names of metrics, without the `_total` that the exposition adds to counters.
