//! What was tried, as far as it bears on when to try again.

/// Longest that a failure is waited for where nobody counts: the issuer is away, or the fault is ours. Half an hour is
/// soon enough for certificates whose shortest lives are days, and polite.
const LONGEST_QUIET: i64 = 1_800;

/// Longest after a refusal: four tries a day go on, so that a name that is mended without a word gets its certificate.
const LONGEST_REFUSED: i64 = 6 * 3_600;

/// First wait; whoever mends something while they watch sees it work.
const FIRST: i64 = 10;

/// The same where the issuer says that we ask too often, and not for how long.
const FIRST_LIMITED: i64 = 600;

/// Refusals in an hour, at most: Let's Encrypt blocks a name for an hour after five.
const MOST_REFUSALS: usize = 4;

/// The hour.
const REFUSALS_WITHIN: i64 = 3_600;

/// Longest that an issuer's own word is obeyed: its longest true limit is a week, but a wrong `Retry-After` must not keep
/// a name without a certificate until its last one has expired.
const LONGEST_TOLD: i64 = 86_400;

/// Whose fault a failure is, which is also whom to ask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Blame {
    /// The issuer can't be reached, or does not say what it should.
    Issuer,
    /// The issuer says that we ask too often.
    Limit,
    /// The issuer could not see that the name is ours, or does not want to certify it.
    Name,
    /// Something here: a file, the config.
    Us,
}

impl Blame {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Issuer, Self::Limit, Self::Name, Self::Us];

    /// One word, for files and labels.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Limit => "limit",
            Self::Name => "name",
            Self::Us => "us",
        }
    }
}

/// What came of orders for one name.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct History {
    /// Failures since the last success.
    pub failures: u32,
    /// When the last of them was, and whose.
    pub last: Option<(i64, Blame)>,
    /// When the newest refusals were: no more than are counted.
    pub refusals: Vec<i64>,
    /// Until when the issuer asked us not to come.
    pub told: Option<i64>,
}

impl History {
    /// An order came to its end.
    pub fn succeed(&mut self) {
        // What the issuer counts it still counts.
        *self = Self { refusals: std::mem::take(&mut self.refusals), ..Self::default() };
    }

    /// An order failed at `now`; `until` is when the issuer wants to hear of us again.
    pub fn fail(&mut self, blame: Blame, until: Option<i64>, now: i64) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((now, blame));
        self.told = until.map(|until| until.min(now.saturating_add(LONGEST_TOLD)));
        if blame == Blame::Name {
            self.refusals.push(now);
            let surplus = self.refusals.len().saturating_sub(MOST_REFUSALS);
            self.refusals.drain(..surplus);
        }
    }

    /// Somebody changed something: what is not the issuer's to count is forgotten.
    pub fn hurry(&mut self) {
        // A limit without a time is the issuer's too.
        if self.told.is_some() || self.last.is_none_or(|(_, blame)| blame != Blame::Limit) {
            self.failures = 0;
            self.last = None;
        }
    }

    /// When to try again. `seed` spreads those who failed together.
    pub(crate) fn again_at(&self, seed: u64, now: i64) -> i64 {
        // What a clock that was ahead has noted must not make a wait of years, and this is asked again and again: what
        // lies too far ahead is left out, since something that moves along with now would never come.
        let last = self.last.filter(|(at, _)| *at <= now.saturating_add(LONGEST_REFUSED));
        let paced = last.map_or(i64::MIN, |(at, blame)| at.saturating_add(pace(self.failures, blame, seed)));
        let counted = self.refusals.iter().filter(|at| now.saturating_sub(**at).abs() < REFUSALS_WITHIN);
        let full = counted.clone().count() >= MOST_REFUSALS;
        let counted = counted.min().filter(|_| full);
        let counted = counted.map_or(i64::MIN, |oldest| oldest.saturating_add(REFUSALS_WITHIN));
        let told = self.told.filter(|told| *told <= now.saturating_add(LONGEST_TOLD)).unwrap_or(i64::MIN);
        paced.max(counted).max(told)
    }
}

/// How long after a failure: twice as long after each, and up to a quarter more.
fn pace(failures: u32, blame: Blame, seed: u64) -> i64 {
    let (first, most) = match blame {
        Blame::Issuer | Blame::Us => (FIRST, LONGEST_QUIET),
        Blame::Name => (FIRST, LONGEST_REFUSED),
        Blame::Limit => (FIRST_LIMITED, LONGEST_REFUSED),
    };
    let doublings = failures.saturating_sub(1).min(30);
    let wait = (first << doublings).min(most);
    wait + spread(wait / 4, seed ^ u64::from(failures))
}

/// From 0 to `most`, always the same for a seed (SplitMix64's last steps).
pub(crate) fn spread(most: i64, seed: u64) -> i64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let most = u64::try_from(most).unwrap_or(0);
    i64::try_from(bits % most.saturating_add(1)).unwrap_or(0)
}
