//! What a worker works by: one generation, seen from one listener.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use haechi_model::HttpListener;
use haechi_model::ListenerKind;

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
            ListenerKind::Tcp(_) => None,
        }
    }

    pub(crate) fn pool(&self, index: usize) -> &LivePool {
        &self.live.pools[index]
    }
}

/// A listener on one worker: what its connections look at before each request.
pub(crate) struct Local {
    scene: RefCell<Rc<Scene>>,
    closing: Cell<bool>,
}

impl Local {
    pub(crate) fn new(scene: Scene) -> Rc<Self> {
        Rc::new(Self { scene: RefCell::new(Rc::new(scene)), closing: Cell::new(false) })
    }

    pub(crate) fn scene(&self) -> Rc<Scene> {
        Rc::clone(&self.scene.borrow())
    }

    pub(crate) fn change(&self, scene: Scene) {
        *self.scene.borrow_mut() = Rc::new(scene);
    }

    /// Lets connections finish what they have and take nothing new.
    pub(crate) fn close(&self) {
        self.closing.set(true);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }
}
