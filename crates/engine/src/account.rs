//! The account of a profile, its relay and its KeyPackages.

use std::collections::BTreeMap;

use rand_core::RngCore;
use sori_mls::{AccountId, AccountKey, Core, Device, HybridKey};
use sori_wire::RelayUrl;

use crate::engine::Engine;
use crate::error::Error;
use crate::handshake::clean_name;
use crate::network::Connection;
use crate::record::{AccountRecord, KeyPackageRecord};
use crate::table;
use crate::time::Time;
use crate::view::{AccountView, ConnectionView, Event};

/// The account with its keys ready for use.
pub(crate) struct Me {
    pub(crate) record: AccountRecord,
    pub(crate) id: AccountId,
    pub(crate) key: AccountKey,
    pub(crate) core: Core,
    pub(crate) mailbox: HybridKey,
}

impl Engine {
    /// Makes the profile's account. `name`: 1 to 64 characters, told to contacts only.
    ///
    /// # Errors
    /// [`Error::AccountExists`], [`Error::OutOfBounds`] for the name, or trouble with the store.
    pub fn account_create(&mut self, name: &str, _now: Time) -> Result<AccountView, Error> {
        if self.me.is_some() {
            return Err(Error::AccountExists);
        }
        let name = checked_name(name)?;
        self.atomically(|engine| {
            let key = AccountKey::generate(&mut engine.rng);
            let device = Device::generate(&key, &mut engine.rng);
            let account = AccountRecord {
                name,
                account_key: *key.to_bytes(),
                device: device.to_bytes().to_vec(),
                mailbox: engine.random(),
            };
            engine.put(table::ACCOUNT, &table::one(0), &account)?;
            engine.load_account()?;
            engine.topics_stale = true;
            engine.account_view()
        })
    }

    /// The profile's account.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn account_info(&self, _now: Time) -> Result<AccountView, Error> {
        self.account_view()
    }

    /// Sets the profile's relay: where it waits for joiners and meets new groups. Groups that the
    /// account is in are met there too, besides at the relays they name.
    ///
    /// # Errors
    /// [`Error::InvalidRelay`] if it does not parse, or trouble with the store.
    pub fn relay_set(&mut self, url: &str, _now: Time) -> Result<(), Error> {
        let url: RelayUrl = url.trim().parse().map_err(|_| Error::InvalidRelay)?;
        self.atomically(|engine| {
            engine.put(table::ACCOUNT, &table::one(1), &url)?;
            engine.relay = Some(url);
            engine.topics_stale = true;
            engine.connection_changed();
            Ok(())
        })
    }

    /// The profile's relay.
    #[must_use]
    pub const fn relay(&self) -> Option<&RelayUrl> {
        self.relay.as_ref()
    }

    /// How the connection to the profile's relay stands.
    #[must_use]
    pub fn connection(&self) -> ConnectionView {
        let relay = self.relay.as_ref();
        let state = match relay.map(|url| self.network.connection(url)) {
            None => "none",
            Some(Some(Connection::Connected)) => "connected",
            Some(Some(Connection::Connecting)) => "connecting",
            Some(Some(Connection::Waiting { .. }) | None) => "offline",
        };
        ConnectionView {
            state: state.to_owned(),
            relay: relay.map(|url| url.to_string()),
            trouble: relay.and_then(|url| self.network.trouble(url)),
        }
    }

    pub(crate) fn connection_changed(&mut self) {
        let connection = self.connection();
        self.event(Event::ConnectionChanged { connection });
    }

    fn account_view(&self) -> Result<AccountView, Error> {
        let me = self.me()?;
        Ok(AccountView {
            name: me.record.name.clone(),
            account: me.id.to_string(),
            relay: self.relay.as_ref().map(ToString::to_string),
        })
    }

    pub(crate) fn load_account(&mut self) -> Result<(), Error> {
        self.me = None;
        self.relay = self.get(table::ACCOUNT, &table::one(1))?;
        let Some(record) = self.get::<AccountRecord>(table::ACCOUNT, &table::one(0))? else {
            return Ok(());
        };
        let key = AccountKey::from_bytes(&record.account_key);
        let device = Device::from_bytes(&record.device)?;
        let core = Core::new(device, self.random())?;
        let mailbox = core.hybrid_key(&record.mailbox)?;
        self.me = Some(Me {
            id: key.id(),
            key,
            core,
            mailbox,
            record,
        });
        self.key_packages = BTreeMap::new();
        for (number, package) in self.scan::<KeyPackageRecord>(table::KEY_PACKAGE, &[])? {
            let number =
                u32::try_from(number).map_err(|_| Error::Internal("key package number"))?;
            self.key_packages.insert(number, package);
        }
        Ok(())
    }

    /// Makes KeyPackages to hand out; their private halves are staged. Numbers and public bytes.
    pub(crate) fn new_key_packages(
        &mut self,
        count: usize,
    ) -> Result<(Vec<u32>, Vec<Vec<u8>>), Error> {
        let (mut numbers, mut public) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let package = self.core()?.new_key_package()?;
            let number = self.rng.next_u32();
            if self.key_packages.contains_key(&number) {
                return Err(Error::Internal("key package number taken"));
            }
            let record = KeyPackageRecord {
                reference: package.reference,
                private: package.private.to_vec(),
                since: self.about_today(),
            };
            self.put(table::KEY_PACKAGE, &table::one(number), &record)?;
            self.key_packages.insert(number, record);
            numbers.push(number);
            public.push(package.bytes);
        }
        Ok((numbers, public))
    }

    /// Forgets the private half of a KeyPackage that was used.
    pub(crate) fn spend_key_package(&mut self, reference: &[u8; 32]) -> Result<(), Error> {
        let number = self
            .key_packages
            .iter()
            .find(|(_, p)| p.reference == *reference)
            .map(|(n, _)| *n);
        if let Some(number) = number {
            self.key_packages.remove(&number);
            self.delete(table::KEY_PACKAGE, &table::one(number))?;
        }
        Ok(())
    }
}

/// A name that can be shown: 1 to 64 characters, none that hides or turns text around.
pub(crate) fn checked_name(name: &str) -> Result<String, Error> {
    clean_name(name.trim()).ok_or(Error::OutOfBounds {
        what: "a name",
        bounds: "1 to 64 visible characters on one line",
    })
}
