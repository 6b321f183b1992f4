//! Who may come in: a route's users, and those of their logins that were right lately.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use haechi_model::{BasicAuth, Fault, Moment};
use haechi_trust::{Known, Login, Tag, Users};
use tokio::sync::oneshot;

use super::crowd::{Crowd, Seat};
use super::logins::Logins;

/// Logins of one route that are known to be right: 128 KiB at the most, and more users than one route has at a time.
const KNOWN: usize = 4096;

/// Locks, for as many workers as there are.
const SHARDS: usize = 16;

/// Most logins of one client that wait: a browser asks for a hundred things at once, each with its login.
const WAITING: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// What stands before a route.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) config: BasicAuth,
    /// The line that asks for a login.
    challenge: Box<[u8]>,
    book: ArcSwapOption<Book>,
    logins: Arc<Logins>,
    /// Who has logins that wait.
    crowd: Arc<Crowd>,
}

/// Users, and who of them was here.
#[derive(Debug)]
pub(crate) struct Book {
    users: Arc<Users>,
    key: [u8; 32],
    known: Box<[Mutex<Option<Known>>]>,
}

/// A login that must be looked at.
pub(crate) struct Question {
    book: Arc<Book>,
    login: Login,
    logins: Arc<Logins>,
    seat: Seat,
}

/// The same on its way to a thread that has time for it.
pub(crate) struct Job {
    book: Arc<Book>,
    login: Login,
    now: Moment,
    done: oneshot::Sender<bool>,
    _seat: Seat,
}

impl Guard {
    pub(crate) fn new(config: &BasicAuth, logins: &Arc<Logins>) -> Self {
        let challenge =
            format!("WWW-Authenticate: Basic realm=\"{}\", charset=\"UTF-8\"\r\n", config.realm).into_bytes();
        Self {
            config: config.clone(),
            challenge: challenge.into(),
            book: ArcSwapOption::empty(),
            logins: Arc::clone(logins),
            crowd: Crowd::new(),
        }
    }

    /// These are the users from now on. Who was known stays so if they are those of before.
    pub(crate) fn admit(&self, users: Option<&Arc<Users>>) {
        let before = self.book.load();
        if before.as_ref().map(|book| &book.users) != users {
            self.book.store(users.map(|users| Arc::new(Book::new(users))));
        }
    }

    /// Looks at what a request says of itself, without waiting: it is known, or somebody must be asked.
    ///
    /// # Errors
    /// It is no login, or too many of this client wait.
    pub(crate) fn look(
        &self,
        field: Option<&[u8]>,
        client: IpAddr,
        now: Moment,
    ) -> Result<Option<Box<Question>>, Fault> {
        let login = field.and_then(Login::read).ok_or(Fault::Unauthenticated)?;
        let book = self.book.load();
        // Without its file nobody comes in.
        let book = book.as_ref().ok_or(Fault::Unauthenticated)?;
        if book.knows(book.tag(&login), now) {
            return Ok(None);
        }
        let seat = self.crowd.seat(client, WAITING).ok_or(Fault::LoginsBusy)?;
        let question = Question { book: Arc::clone(book), login, logins: Arc::clone(&self.logins), seat };
        Ok(Some(Box::new(question)))
    }

    /// A whole line of an answer's head.
    pub(crate) fn challenge(&self) -> &[u8] {
        &self.challenge
    }
}

impl Question {
    /// Has somebody look at it.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) fn ask(self, now: Moment) -> Result<oneshot::Receiver<bool>, Fault> {
        let (done, answer) = oneshot::channel();
        let Self { book, login, logins, seat } = self;
        logins.ask(Job { book, login, now, done, _seat: seat })?;
        Ok(answer)
    }
}

impl Job {
    /// Takes as long as the hash was made to take.
    pub(super) fn run(self) {
        if self.done.is_closed() {
            return;
        }
        let tag = self.book.tag(&self.login);
        // Of a browser's first requests all but one find it here.
        let right = self.book.knows(tag, self.now) || self.book.users.take(&self.login);
        if right {
            self.book.learn(tag, self.now);
        }
        // Who asked may have gone.
        let _ = self.done.send(right);
    }
}

impl Book {
    fn new(users: &Arc<Users>) -> Self {
        // 128 bits of chance stand behind it (the key of SipHash); nobody sees what is made of them.
        let chance = RandomState::new();
        let mut key = [0; 32];
        for (at, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&chance.hash_one(at).to_ne_bytes());
        }
        Self { users: Arc::clone(users), key, known: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn tag(&self, login: &Login) -> Tag {
        login.tag(&self.key)
    }

    fn knows(&self, tag: Tag, now: Moment) -> bool {
        self.shard(tag).as_mut().is_some_and(|known| known.has(tag, now))
    }

    fn learn(&self, tag: Tag, now: Moment) {
        self.shard(tag).get_or_insert_with(|| Known::new(KNOWN / SHARDS)).add(tag, now);
    }

    fn shard(&self, tag: Tag) -> MutexGuard<'_, Option<Known>> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.known[tag.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
