//! Orders certificates by ACME (RFC 8555), and keeps account and certificates in the state directory.
//!
//! ```text
//! issuer, name ──▶ account (kept, or made) ──▶ order ──▶ challenge pends ──▶ issuer looks ──▶ certificate ──▶ file
//! ```
//!
//! What an issuer says is believed as far as it can do no harm: answers are bounded in time and size, redirects are not
//! followed, and a certificate is kept only if it is for the name and for our key.
//!
//! It refuses to decide when something is ordered (`haechi-acme`), and to show anything to clients (`proxy`).

mod failure;
mod order;
mod store;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use haechi_acme::Blame;
use haechi_model::Issuer;
use haechi_trust::{Challenges, Given, Whom, client_config, given, roots_from};
use instant_acme::{Account, ExternalAccountKey, NewAccount};
use tokio::sync::Mutex;

pub use failure::Failure;
pub use store::{Store, Tried};

use crate::store::Kept;
use crate::wire::Wire;

/// Longest that an order may take from its begin to its certificate. Issuers look within seconds and sign within a
/// minute; one that leads us on for ever must not hold up a name's next try.
const LONGEST_ORDER: Duration = Duration::from_secs(180);

/// Whom certificates are ordered from, with our account there.
pub struct Orders {
    issuer: Issuer,
    /// Where relative names of files in the config start.
    folder: PathBuf,
    store: Store,
    account: Mutex<Option<Account>>,
}

impl Orders {
    /// Nothing is asked before the first order.
    pub fn new(issuer: Issuer, folder: PathBuf, store: Store) -> Self {
        Self { issuer, folder, store, account: Mutex::default() }
    }

    /// As configured.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Orders a certificate for `name` and keeps it. `failures` is how often that failed since it last went well: each
    /// time another way of proof comes first.
    ///
    /// # Errors
    /// Why there is none, and whose fault that is.
    pub async fn order(
        &self,
        name: &str,
        failures: u32,
        challenges: &Arc<Challenges>,
    ) -> Result<Given, Failure> {
        let ordered = tokio::time::timeout(LONGEST_ORDER, self.try_order(name, failures, challenges)).await;
        let ordered = ordered.unwrap_or_else(|_| {
            let text = format!("the order was not done in {} s", LONGEST_ORDER.as_secs());
            Err(Failure::new(Blame::Issuer, text))
        });
        if ordered.as_ref().is_err_and(|failure| failure.blame != Blame::Name) {
            // The directory may have moved, or our account may be gone: the next order looks anew.
            *self.account.lock().await = None;
        }
        ordered
    }

    async fn try_order(
        &self,
        name: &str,
        failures: u32,
        challenges: &Arc<Challenges>,
    ) -> Result<Given, Failure> {
        let account = self.account().await?;
        let pem = order::run(&account, &self.issuer, name, failures, challenges).await;
        let pem = pem.inspect_err(|failure| {
            if failure.account_gone {
                self.store.forget_account(&self.issuer);
            }
        })?;
        let facts = given(pem.as_bytes(), name).map_err(|why| {
            Failure::new(Blame::Issuer, format!("what the issuer gave can't be used: {why}"))
        })?;
        self.store.keep_certificate(&self.issuer, name, &pem)?;
        Ok(facts)
    }

    /// Ours, as it was kept, or a new one. One that is under way is waited for.
    async fn account(&self) -> Result<Account, Failure> {
        let mut account = self.account.lock().await;
        if let Some(account) = &*account {
            return Ok(account.clone());
        }
        let opened = self.open_account().await?;
        *account = Some(opened.clone());
        Ok(opened)
    }

    async fn open_account(&self) -> Result<Account, Failure> {
        let wire = self.wire()?;
        let builder = Account::builder_with_http(Box::new(wire));
        if let Some(kept) = self.store.account(&self.issuer)? {
            return Ok(builder.from_credentials(kept).await?);
        }
        let contact: Vec<String> = self.issuer.contact.iter().map(|mail| format!("mailto:{mail}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            // The config is refused without.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let outside = self.issuer.external_account.as_ref();
        let outside = outside.map(|account| {
            let key = store::mac_key(&self.folder.join(&*account.key_file))?;
            Ok::<_, Failure>(ExternalAccountKey::new(account.key_id.to_string(), &key))
        });
        let outside = outside.transpose()?;
        let (account, credentials) =
            builder.create(&new, self.issuer.directory.to_string(), outside.as_ref()).await?;
        self.store.keep_account(&Kept::of(&self.issuer, credentials), &self.issuer)?;
        Ok(account)
    }

    fn wire(&self) -> Result<Wire, Failure> {
        let ours = |text: String| Failure::new(Blame::Us, text);
        let whom = match &self.issuer.ca {
            None => Whom::System,
            Some(ca) => Whom::These(roots_from(&self.folder, ca).map_err(|finding| ours(finding.message))?),
        };
        Ok(Wire::new(client_config(whom, None).map_err(ours)?))
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = haechi_sys::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
