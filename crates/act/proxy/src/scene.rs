//! What a worker works by: one generation, seen from one listener.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use haechi_model::{HttpListener, ListenerKind, Moment};

use crate::live::{Live, LiveListener, LivePool};

/// One generation, seen from one listener. An exchange holds one for its whole life through a counter of
/// its own thread, so cores share none.
pub(crate) struct Scene {
    pub(crate) live: Arc<Live>,
    listener: usize,
}

impl Scene {
    pub(crate) const fn new(live: Arc<Live>, listener: usize) -> Self {
        Self { live, listener }
    }

    pub(crate) fn listener(&self) -> &LiveListener {
        &self.live.listeners[self.listener]
    }

    /// The listener's HTTP part. Its kind never changes under one name without a new listener, so a
    /// connection that was accepted for HTTP finds it.
    pub(crate) fn http(&self) -> Option<&HttpListener> {
        match &self.listener().config.kind {
            ListenerKind::Http(http) => Some(http),
            ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => None,
        }
    }

    pub(crate) fn pool(&self, index: usize) -> &LivePool {
        &self.live.pools[index]
    }
}

/// A listener on one worker: what its connections look at before each request.
pub(crate) struct Local {
    scene: RefCell<Rc<Scene>>,
    /// No request more is wanted; until then who has been silent may still bring one.
    leaves_at: Cell<Option<Moment>>,
}

impl Local {
    pub(crate) fn new(scene: Scene) -> Rc<Self> {
        Rc::new(Self { scene: RefCell::new(Rc::new(scene)), leaves_at: Cell::new(None) })
    }

    pub(crate) fn scene(&self) -> Rc<Scene> {
        Rc::clone(&self.scene.borrow())
    }

    pub(crate) fn change(&self, scene: Scene) {
        *self.scene.borrow_mut() = Rc::new(scene);
    }

    /// Lets connections finish what they have, and tells each with its next answer that it was the last. Who asks
    /// nothing until then is left.
    pub(crate) fn close(&self, leaves_at: Moment) {
        self.leaves_at.set(Some(leaves_at));
    }

    pub(crate) fn leaves_at(&self) -> Option<Moment> {
        self.leaves_at.get()
    }
}
