//! The handshake of an accepted connection: within its time, and not too many at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::Poll;

use haechi_model::Handshake;
use rustls::{AlertDescription, Error};

use crate::scene::Local;
use crate::stream::{Broken, Session, Stream};
use crate::timer::{Cutter, Timer};
use crate::worker::Worker;

/// Handshakes in progress on one worker, the oldest first.
#[derive(Default)]
pub(crate) struct Handshakes {
    queue: RefCell<VecDeque<Weak<Cutter>>>,
    running: Cell<usize>,
}

/// One of them, until it is dropped.
pub(crate) struct Turn<'a> {
    handshakes: &'a Handshakes,
    _cutter: Rc<Cutter>,
}

impl Handshakes {
    /// One more. Over `most`, the oldest gives way: honest clients need a few round trips, and who is here for longest
    /// is the least likely to be one.
    pub(crate) fn begin(&self, most: usize, timer: &Timer) -> Turn<'_> {
        let mut queue = self.queue.borrow_mut();
        let running = self.running.get() + 1;
        self.running.set(running);
        if running > most {
            let oldest = std::iter::from_fn(|| queue.pop_front()).find_map(|one| one.upgrade());
            if let Some(oldest) = oldest {
                oldest.cut();
            }
        }
        // Those that ended leave their places behind an old one; there are never more of them than of those that run.
        if queue.len() > 2 * running + 64 {
            queue.retain(|one| one.strong_count() > 0);
        }
        let cutter = Rc::new(timer.cutter());
        queue.push_back(Rc::downgrade(&cutter));
        Turn { handshakes: self, _cutter: cutter }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.handshakes.running.set(self.handshakes.running.get() - 1);
    }
}

/// What clients say that do not trust a certificate (RFC 8446 section 6.2).
const fn is_about_a_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
    )
}

/// Finds out who speaks, as far as TLS says it. False if there is nobody to be served.
pub(crate) async fn shake_hands(worker: &Worker, local: &Local, stream: &mut Stream, timer: &Timer) -> bool {
    let scene = local.scene();
    let listener = scene.listener();
    let Some((http, tls)) = scene.http().and_then(|http| Some((http, http.tls.as_ref()?))) else {
        return true;
    };
    let counters = listener.counters.of(worker.number);
    let session = listener.shown().map(|shown| Session::server(shown.config.clone(), &worker.room));
    let Some(Ok(session)) = session else {
        // Without a certificate there was no start and no reload.
        counters.handshake(Handshake::Refused);
        return false;
    };
    stream.encrypt(session);
    let _turn = worker.handshakes.begin(tls.max_handshakes as usize, timer);
    timer.set(http.timeouts.header);
    let came_out = std::future::poll_fn(|cx| {
        if timer.is_cut() {
            return Poll::Ready(Handshake::Crowded);
        }
        match stream.poll_handshake(cx) {
            Poll::Ready(Ok(met)) => Poll::Ready(Handshake::of(met.newest, met.resumed)),
            Poll::Ready(Err(Broken::Left(_))) => Poll::Ready(Handshake::Left),
            Poll::Ready(Err(Broken::Tls(error))) => {
                tracing::debug!(%error, "TLS handshake");
                Poll::Ready(match error {
                    Error::InvalidMessage(_) => Handshake::NotTls,
                    Error::InvalidCertificate(_) | Error::NoCertificatesPresented => {
                        Handshake::ClientCertificate
                    }
                    Error::AlertReceived(alert) if is_about_a_certificate(alert) => Handshake::Distrusted,
                    _ => Handshake::Refused,
                })
            }
            Poll::Pending if timer.has_passed(cx) => Poll::Ready(Handshake::TimedOut),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    timer.works_with(0);
    counters.handshake(came_out);
    came_out.is_complete()
}
