//! What happened, so that it can be played again: the story of a failover is a test that fails until it is
//! understood.
//!
//! A record begins with the whole state of a router (or a group), so it may begin at any time, and an old
//! beginning can be thrown away. Time is in it as plain numbers; nothing else decided.

use std::fmt;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

use crate::{Group, Input, Output, Router};

/// What can be recorded and replayed: everything that it does follows from its inputs.
pub trait Machine: Clone {
    /// What happens to it.
    type Input: Clone;
    /// What it asks for.
    type Output: PartialEq + Clone;

    /// Adds to `out` what follows from `input`.
    fn feed(&mut self, now: Moment, input: &Self::Input, out: &mut Vec<Self::Output>);
}

impl Machine for Router {
    type Input = Input;
    type Output = Output;

    fn feed(&mut self, now: Moment, input: &Input, out: &mut Vec<Output>) {
        self.handle(now, input, out);
    }
}

impl Machine for Group {
    type Input = (usize, Input);
    type Output = (usize, Output);

    fn feed(&mut self, now: Moment, input: &(usize, Input), out: &mut Vec<(usize, Output)>) {
        self.handle(now, input.0, &input.1, out);
    }
}

/// A stretch of a machine's life.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record<M, I, O> {
    /// The machine as it was before the first entry.
    pub start: M,
    /// In their order.
    pub entries: Vec<Entry<I, O>>,
}

/// One input, and all that followed from it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry<I, O> {
    /// When.
    pub at: Moment,
    /// What happened.
    pub input: I,
    /// What was asked for.
    pub outputs: Vec<O>,
}

/// A record of one router.
pub type RouterRecord = Record<Router, Input, Output>;

/// A record of a group.
pub type GroupRecord = Record<Group, (usize, Input), (usize, Output)>;

/// Where a replay went another way than the record.
#[derive(Clone, PartialEq, Debug)]
pub struct FirstDifference<I, O> {
    /// Of the entry, from 0.
    pub index: usize,
    /// As recorded.
    pub recorded: Entry<I, O>,
    /// What the machine asks for now.
    pub found: Vec<O>,
}

impl<M: Machine> Record<M, M::Input, M::Output> {
    /// Begins with `machine` as it is now.
    pub fn new(machine: &M) -> Self {
        Self { start: machine.clone(), entries: Vec::new() }
    }

    /// What `machine` made of `input`: for whoever feeds a machine and keeps a record beside it.
    pub fn push(&mut self, at: Moment, input: M::Input, outputs: &[M::Output]) {
        self.entries.push(Entry { at, input, outputs: outputs.to_vec() });
    }
}

/// What [`replay`] fails with.
pub type Difference<M> = Box<FirstDifference<<M as Machine>::Input, <M as Machine>::Output>>;

/// Plays a record again, and gives the machine as it is at the end.
///
/// # Errors
/// The first entry whose outputs are others now: the machine was changed, or the record is damaged.
pub fn replay<M: Machine>(record: &Record<M, M::Input, M::Output>) -> Result<M, Difference<M>> {
    let mut machine = record.start.clone();
    let mut found = Vec::new();
    for (index, entry) in record.entries.iter().enumerate() {
        found.clear();
        machine.feed(entry.at, &entry.input, &mut found);
        if found != entry.outputs {
            return Err(Box::new(FirstDifference { index, recorded: entry.clone(), found }));
        }
    }
    Ok(machine)
}

impl<I: fmt::Debug, O: fmt::Debug> fmt::Display for FirstDifference<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { at, input, outputs } = &self.recorded;
        let nanos = at.as_nanos();
        writeln!(f, "entry {} at {nanos} ns: {input:?}", self.index)?;
        writeln!(f, "recorded: {outputs:?}")?;
        write!(f, "found:    {:?}", self.found)
    }
}

impl<I: fmt::Debug, O: fmt::Debug> std::error::Error for FirstDifference<I, O> {}
