//! Counters without contention: each worker writes its own, readers sum.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use haechi_model::{Coding, Dropped, Fault, Handshake};
use serde::{Deserialize, Serialize};

/// One `T` for each worker, made when the worker first needs it: most endpoints of a large config never see
/// every worker.
#[derive(Debug)]
pub(crate) struct PerWorker<T>(Box<[OnceLock<Box<T>>]>);

impl<T: Default> PerWorker<T> {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| OnceLock::new()).collect())
    }

    pub(crate) fn of(&self, worker: usize) -> &T {
        // Workers are numbered below the count that was given to `new`, which is one at least.
        self.0.get(worker).unwrap_or(&self.0[0]).get_or_init(Box::default)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|slot| slot.get().map(|counters| &**counters))
    }
}

/// A counter with one writer: load and store are cheaper than a locked add, and nothing is lost.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One for each of many kinds.
#[derive(Debug)]
struct Counts<const N: usize>([Count; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

/// What one worker counts for one endpoint.
#[derive(Debug, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) requests: Count,
    /// Responses by their first digit, 1 to 5.
    statuses: [Count; 5],
    pub(crate) failures: Count,
    pub(crate) retries: Count,
    pub(crate) connects: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    latency: Latency,
}

impl EndpointCounters {
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        if let Some(count) = self.statuses.get(usize::from(status / 100).wrapping_sub(1)) {
            count.add(1);
        }
        self.latency.record(took);
    }

    /// Responses that were no failure.
    pub(crate) fn good(&self) -> u64 {
        self.statuses.iter().take(4).map(Count::get).sum()
    }

    pub(crate) fn add_to(&self, sum: &mut EndpointTotals) {
        sum.requests += self.requests.get();
        for (sum, count) in sum.statuses.iter_mut().zip(&self.statuses) {
            *sum += count.get();
        }
        sum.failures += self.failures.get();
        sum.retries += self.retries.get();
        sum.connects += self.connects.get();
        sum.bytes_in += self.bytes_in.get();
        sum.bytes_out += self.bytes_out.get();
        self.latency.add_to(&mut sum.latency);
    }
}

/// Sums for one endpoint since it came.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointTotals {
    /// Requests (`http`) or connections (`tcp`) sent to it, retries included.
    pub requests: u64,
    /// Its responses by first digit of the status: 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Requests that it failed.
    pub failures: u64,
    /// Requests that came to it after another endpoint had failed them.
    pub retries: u64,
    /// Connections opened to it.
    pub connects: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
    /// Bytes that went to it.
    pub bytes_out: u64,
    /// How long its responses took, from the complete request head to the last byte for the client.
    pub latency: LatencyBuckets,
}

/// Sub-buckets of each power of two: a bucket is at most 19 % wide, enough for a percentile.
const PER_OCTAVE: usize = 4;
/// 16 µs to 67 s in powers of two.
const OCTAVES: usize = 22;
/// log₂ of the upper bound of the first bucket, in ns: 16 µs is below any proxied response here.
const FIRST: u32 = 14;

#[derive(Debug)]
struct Latency {
    buckets: [AtomicU32; PER_OCTAVE * OCTAVES],
    sum_nanos: Count,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [const { AtomicU32::new(0) }; PER_OCTAVE * OCTAVES], sum_nanos: Count::default() }
    }
}

impl Latency {
    fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = &self.buckets[bucket_of(nanos)];
        bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.sum_nanos.add(nanos);
    }

    fn add_to(&self, sum: &mut LatencyBuckets) {
        for (sum, bucket) in sum.counts.iter_mut().zip(&self.buckets) {
            *sum += u64::from(bucket.load(Ordering::Relaxed));
        }
        sum.sum_nanos += self.sum_nanos.get();
    }
}

fn bucket_of(nanos: u64) -> usize {
    let octave = nanos.max(1).ilog2();
    if octave < FIRST {
        return 0;
    }
    let quarter = (nanos >> (octave - 2)) & 3;
    let bucket = (octave - FIRST) as usize * PER_OCTAVE + usize::try_from(quarter).unwrap_or(0);
    bucket.min(PER_OCTAVE * OCTAVES - 1)
}

/// A histogram of response times.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Counted", into = "Counted")]
pub struct LatencyBuckets {
    counts: [u64; PER_OCTAVE * OCTAVES],
    sum_nanos: u64,
}

impl Default for LatencyBuckets {
    fn default() -> Self {
        Self { counts: [0; PER_OCTAVE * OCTAVES], sum_nanos: 0 }
    }
}

/// Its form outside. Buckets that another version has beyond ours are added to the last one.
#[derive(Serialize, Deserialize)]
struct Counted {
    counts: Vec<u64>,
    sum_nanos: u64,
}

impl From<LatencyBuckets> for Counted {
    fn from(buckets: LatencyBuckets) -> Self {
        Self { counts: buckets.counts.into(), sum_nanos: buckets.sum_nanos }
    }
}

impl From<Counted> for LatencyBuckets {
    fn from(counted: Counted) -> Self {
        let mut buckets = Self { sum_nanos: counted.sum_nanos, ..Self::default() };
        for (at, count) in counted.counts.into_iter().enumerate() {
            buckets.counts[at.min(PER_OCTAVE * OCTAVES - 1)] += count;
        }
        buckets
    }
}

impl LatencyBuckets {
    /// Number of responses.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All response times together.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// The response time that this share of responses (0 to 1) did not exceed, up to 19 % too high; `None`
    /// without responses.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.count();
        let mut below = 0;
        self.buckets().find_map(|(bound, count)| {
            below += count;
            (below > 0 && below as f64 >= share * total as f64).then_some(bound)
        })
    }

    /// Responses that took at most so long. Exact where `bound` is a bucket's bound, else rounded down.
    pub fn at_most(&self, bound: Duration) -> u64 {
        self.buckets().take_while(|(upper, _)| *upper <= bound).map(|(_, count)| count).sum()
    }

    fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| {
            let (octave, quarter) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
            let base = 1u64 << (FIRST as usize + octave);
            (Duration::from_nanos(base + (base >> 2) * (quarter as u64 + 1)), *count)
        })
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.sum_nanos += other.sum_nanos;
    }
}

/// What is counted for one listener.
#[derive(Debug)]
pub(crate) struct ListenerCounters {
    /// Over all workers, because `maxConnections` counts over all workers.
    open: AtomicU64,
    /// A worker has no flow that could give way to a new one; another one may.
    pub(crate) wants_room: AtomicBool,
    /// What a former process counted.
    inherited: OnceLock<ListenerTotals>,
    workers: PerWorker<WorkerListenerCounters>,
}

/// What one worker counts for one listener.
#[derive(Debug, Default)]
pub(crate) struct WorkerListenerCounters {
    pub(crate) accepted: Count,
    pub(crate) requests: Count,
    faults: Counts<{ Fault::ALL.len() }>,
    pub(crate) handshakes: [Count; Handshake::ALL.len()],
    pub(crate) datagrams_in: Count,
    pub(crate) datagrams_out: Count,
    dropped: [Count; Dropped::ALL.len()],
    /// By coding: bytes before and after it.
    coded: [[Count; 2]; Coding::ALL.len()],
}

impl WorkerListenerCounters {
    pub(crate) fn coded(&self, coding: Coding, before: u64, after: u64) {
        if let Some([taken, made]) = self.coded.get(coding as usize) {
            taken.add(before);
            made.add(after);
        }
    }

    pub(crate) fn handshake(&self, how: Handshake) {
        if let Some(count) = self.handshakes.get(how as usize) {
            count.add(1);
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        if let Some(count) = self.faults.0.get(fault as usize) {
            count.add(1);
        }
    }

    pub(crate) fn dropped(&self, why: Dropped, datagrams: u64) {
        if let Some(count) = self.dropped.get(why as usize) {
            count.add(datagrams);
        }
    }
}

/// Sums for one listener since it came.
#[derive(Clone, Debug, Default)]
pub struct ListenerTotals {
    /// Connections accepted, or flows begun.
    pub accepted: u64,
    /// Connections or flows open now.
    pub open: u64,
    /// Requests with a complete, well-formed head.
    pub requests: u64,
    /// Answers that haechi gave in an endpoint's place, and responses it could not finish; in the order of
    /// [`Fault::ALL`].
    pub faults: Vec<(Fault, u64)>,
    /// TLS handshakes by how they came out; in the order of [`Handshake::ALL`].
    pub handshakes: Vec<(Handshake, u64)>,
    /// Datagrams that clients sent.
    pub datagrams_in: u64,
    /// Datagrams that went to clients.
    pub datagrams_out: u64,
    /// Datagrams that went no further, in the order of [`Dropped::ALL`].
    pub dropped: Vec<(Dropped, u64)>,
    /// Bytes of answers before and after they were coded, in the order of [`Coding::ALL`].
    pub coded: Vec<(Coding, [u64; 2])>,
}

impl ListenerCounters {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            open: AtomicU64::new(0),
            wants_room: AtomicBool::new(false),
            inherited: OnceLock::new(),
            workers: PerWorker::new(workers),
        }
    }

    /// One more is open; gives how many were before.
    pub(crate) fn opened(&self) -> u64 {
        self.open.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, worker: usize) -> &WorkerListenerCounters {
        self.workers.of(worker)
    }

    /// Over all workers of this process.
    pub(crate) fn sum(&self, of: impl Fn(&WorkerListenerCounters) -> u64) -> u64 {
        self.workers.iter().map(of).sum()
    }

    pub(crate) fn totals(&self) -> ListenerTotals {
        let sum = |of: fn(&WorkerListenerCounters) -> u64| self.sum(of);
        let fault = |index: usize| self.workers.iter().map(|counters| counters.faults.0[index].get()).sum();
        let handshake =
            |index: usize| self.workers.iter().map(|counters| counters.handshakes[index].get()).sum();
        let dropped = |index: usize| self.workers.iter().map(|counters| counters.dropped[index].get()).sum();
        let coded = |index: usize| {
            [0, 1].map(|way| self.workers.iter().map(|counters| counters.coded[index][way].get()).sum())
        };
        let mut totals = ListenerTotals {
            accepted: sum(|counters| counters.accepted.get()),
            open: self.open.load(Ordering::Relaxed),
            requests: sum(|counters| counters.requests.get()),
            faults: Fault::ALL.iter().enumerate().map(|(index, kind)| (*kind, fault(index))).collect(),
            handshakes: Handshake::ALL
                .iter()
                .enumerate()
                .map(|(index, kind)| (*kind, handshake(index)))
                .collect(),
            datagrams_in: sum(|counters| counters.datagrams_in.get()),
            datagrams_out: sum(|counters| counters.datagrams_out.get()),
            dropped: Dropped::ALL.iter().enumerate().map(|(index, why)| (*why, dropped(index))).collect(),
            coded: Coding::ALL.iter().enumerate().map(|(index, coding)| (*coding, coded(index))).collect(),
        };
        if let Some(before) = self.inherited.get() {
            totals.accepted += before.accepted;
            totals.requests += before.requests;
            totals.datagrams_in += before.datagrams_in;
            totals.datagrams_out += before.datagrams_out;
            for (why, count) in &mut totals.dropped {
                let before = before.dropped.iter().filter(|(other, _)| other == why);
                *count += before.map(|(_, count)| count).sum::<u64>();
            }
            for (coding, [taken, made]) in &mut totals.coded {
                for (_, before) in before.coded.iter().filter(|(other, _)| other == coding) {
                    *taken += before[0];
                    *made += before[1];
                }
            }
            for (kind, count) in &mut totals.faults {
                let before = before.faults.iter().filter(|(other, _)| other == kind);
                *count += before.map(|(_, count)| count).sum::<u64>();
            }
            for (kind, count) in &mut totals.handshakes {
                let before = before.handshakes.iter().filter(|(other, _)| other == kind);
                *count += before.map(|(_, count)| count).sum::<u64>();
            }
        }
        totals
    }

    /// Counts on from what a former process counted. What it has open is open there.
    pub(crate) fn count_on_from(&self, before: ListenerTotals) {
        // Once: a second time would count twice.
        let _ = self.inherited.set(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_at_most_a_quarter_octave_too_high() {
        for nanos in [20_000u64, 100_000, 1_000_000, 12_345_678, 3_000_000_000] {
            let latency = Latency::default();
            latency.record(Duration::from_nanos(nanos));
            let mut sum = LatencyBuckets::default();
            latency.add_to(&mut sum);
            let found = u64::try_from(sum.quantile(0.5).unwrap().as_nanos()).unwrap();
            assert!(found >= nanos && found <= nanos + nanos / 4, "{nanos} gave {found}");
            assert_eq!((sum.count(), sum.sum()), (1, Duration::from_nanos(nanos)));
        }
    }

    #[test]
    fn extremes_fall_into_the_outer_buckets() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), PER_OCTAVE * OCTAVES - 1);
        assert_eq!(LatencyBuckets::default().quantile(0.99), None);
    }

    #[test]
    fn sums_over_workers_lose_nothing() {
        let counters = ListenerCounters::new(2);
        for worker in [0, 1, 0] {
            counters.opened();
            counters.of(worker).accepted.add(1);
        }
        counters.closed();
        counters.of(0).fault(Fault::NoRoute);
        let totals = counters.totals();
        assert_eq!((totals.accepted, totals.open), (3, 2));
        assert!(totals.faults.contains(&(Fault::NoRoute, 1)));
    }
}
