//! A response whose body is coded on its way: which one, and in what pieces.

use std::ops::Range;

use haechi_coding::{Answer, Why, Wish, is_about_bytes};
use haechi_http1::{Body, ResponseHead, read_fields, write_chunk};
use haechi_model::Fault;

use super::callee::Callee;
use super::caller::{Caller, Part};
use super::flow::Flow;
use super::retry::Failure;
use crate::coder::{Broken, Until};

/// Most that is read for one turn of an encoder: some 0.3 ms of work at the usual levels, so that a hundred bodies on
/// their way leave a worker a look at its sockets every few hundredths of a second.
pub(super) const PIECE: usize = 16 << 10;

impl<C: Caller, E: Callee> Flow<'_, C, E> {
    /// Settles whether the body is coded, and tells so in the head that was parsed from `bytes`.
    pub(super) fn choose_coding(&mut self, mut wish: Wish, bytes: &[u8], head: &mut ResponseHead) {
        let scene = &self.request.scene;
        let Some(rules) = scene.listener().coding(self.request.route) else { return };
        let live = scene.listener().filter(self.request.route);
        let filter = live.map(|live| &live.filter).filter(|filter| filter.changes_answers());
        let mut added = Vec::new();
        if let Some(filter) = filter {
            filter.write_lines(&self.request.origin, &mut added);
        }
        let answer = Answer { status: head.status };
        let is_head = self.request.facts.is_head();
        if self.worker.pressed.is_high() {
            wish = wish.denied(Why::Busy);
        }
        let mut lines = self.worker.buffers.take_vector();
        let verdict = loop {
            lines.clear();
            let stays = |name: &[u8]| !filter.is_some_and(|filter| filter.removes(name));
            let fields = head.fields(bytes).filter(|(name, _)| stays(name));
            let verdict = rules.decide(&wish, &answer, fields, read_fields(&added), &mut lines);
            let Ok(coding) = verdict.coding else { break verdict };
            if is_head {
                break verdict;
            }
            self.download.coder = self.worker.coders.take(coding, rules.level(coding));
            if self.download.coder.is_some() {
                break verdict;
            }
            wish = wish.denied(Why::Busy);
        };
        match verdict.coding {
            Ok(_) => head.recode(!self.client.frames_itself()),
            Err(why) => tracing::debug!(?why, status = head.status, "answer goes as it is"),
        }
        if !verdict.changes_nothing() {
            head.cut(bytes, |name| verdict.removes(name));
            head.add(&lines);
        }
        self.worker.buffers.give_vector(lines);
    }

    /// Sends a head together with what came of its body, coded.
    pub(super) fn put_coded_head(&mut self, out: &mut Vec<u8>, part: &Part<'_>) -> Result<(), Failure> {
        let &Part::Head { head, bytes, len, body, trailers, last, lines } = part else { return Ok(()) };
        let mut whole = self.worker.buffers.take_vector();
        whole.extend_from_slice(&bytes[..len]);
        let until = if last { Until::Ended } else { Until::More };
        let trailers = self.code(&bytes[len..], body, trailers, until, &mut whole)?;
        let all = 0..whole.len() - len;
        let body = if all.is_empty() { &[][..] } else { std::slice::from_ref(&all) };
        let part = Part::Head { head, bytes: &whole, len, body, trailers: &trailers, last, lines };
        let sent = self.put(out, part);
        self.worker.buffers.give_vector(whole);
        sent
    }

    /// Sends more of the body, coded.
    pub(super) fn put_coded(
        &mut self,
        bytes: &[u8],
        pieces: &[Range<usize>],
        trailers: &[u8],
        until: Until,
    ) -> Result<(), Failure> {
        let mut coded = self.worker.buffers.take_vector();
        let trailers = self.code(bytes, pieces, trailers, until, &mut coded)?;
        let all = 0..coded.len();
        let last = until == Until::Ended;
        let sent = if last || !all.is_empty() {
            let pieces = std::slice::from_ref(&all);
            self.put(&mut Vec::new(), Part::Body { bytes: &coded, pieces, trailers: &trailers, last })
        } else {
            Ok(())
        };
        self.worker.buffers.give_vector(coded);
        sent
    }

    /// Whether bytes of a stream lie in its encoder while its endpoint is silent. Of a body whose length is known, the
    /// rest is on its way.
    pub(super) fn keeps_for_nobody(&self) -> bool {
        let keeps = self.download.coder.as_ref().is_some_and(|coder| coder.keeps());
        keeps && self.download.body.as_ref().is_some_and(|body| !matches!(body, Body::Length(_)))
    }

    /// Sends them.
    pub(super) fn release(&mut self) -> Result<(), Failure> {
        self.put_coded(&[], &[], &[], Until::Flushed)
    }

    /// Appends these pieces to `out`, coded and in the client's framing; gives what goes on of the trailers.
    fn code(
        &mut self,
        bytes: &[u8],
        pieces: &[Range<usize>],
        trailers: &[u8],
        until: Until,
        out: &mut Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let chunks = !self.client.frames_itself();
        let Some(coder) = &mut self.download.coder else { return Ok(Vec::new()) };
        let mut coded = if chunks { self.worker.buffers.take_vector() } else { std::mem::take(out) };
        let before = coded.len();
        let mut result = Ok(());
        for piece in pieces {
            result = result.and_then(|()| coder.code(&bytes[piece.clone()], Until::More, &mut coded));
        }
        if until != Until::More {
            result = result.and_then(|()| coder.code(&[], until, &mut coded));
        }
        let taken: usize = pieces.iter().map(Range::len).sum();
        let counters = self.request.scene.listener().counters.of(self.worker.number);
        counters.coded(coder.coding(), taken as u64, (coded.len() - before) as u64);
        let trailers = true_ones(trailers);
        if chunks {
            write_chunk(&coded, out);
            if until == Until::Ended {
                // The empty line behind trailers comes with them.
                out.extend_from_slice(if trailers.is_empty() { b"0\r\n\r\n" } else { b"0\r\n" });
            }
            self.worker.buffers.give_vector(coded);
        } else {
            *out = coded;
        }
        if until == Until::Ended
            && let Some(coder) = self.download.coder.take()
        {
            self.worker.coders.give(coder);
        }
        result.map_err(|Broken| self.failure(Fault::Exhausted)).map(|()| trailers)
    }
}

/// Lines of trailers that hold for a coded body too.
fn true_ones(lines: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for (name, value) in read_fields(lines) {
        if !is_about_bytes(name) && !name.eq_ignore_ascii_case(b"etag") {
            for part in [name, b": ", value, b"\r\n"] {
                kept.extend_from_slice(part);
            }
        }
    }
    kept
}
