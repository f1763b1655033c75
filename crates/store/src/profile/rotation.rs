//! Another master key, and perhaps another secret, without touching a record.
//!
//! ```text
//! slots.<n+1>   written under the new master key, durable         header copies: n, n
//!               first copy switched, durable                      header copies: n+1, n
//!               second copy switched, durable                     header copies: n+1, n+1
//! slots.<n>     overwritten with zeros, durable, removed
//! ```
//!
//! Whichever header copy opens, the slot file it names is there and complete. What no copy names any more is
//! removed at the next opening.

use super::{Profile, files, header::Header, slots_name, write_headers};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::mutant::broken;
use crate::slots::device::FileDevice;
use crate::slots::{Copied, Slots};
use crate::unlock::{Unlock, Wrapping};

/// Everything for another master key; the profile still has the old one.
#[derive(Debug)]
pub(crate) struct Prepared {
    header: Header,
    wrapping: Option<Wrapping>,
    slots: Copied,
}

impl Profile {
    /// Seals the slot file anew in a new file, and wraps the new master key: for `new`, or for the secret that
    /// opens the profile now. After an error everything is as it was.
    pub(crate) fn prepare_rotation(
        &self,
        new: Option<&Unlock>,
        slots: &Slots,
        entropy: &mut Entropy,
    ) -> Result<Prepared, Error> {
        // A profile that moves from the keychain to a passphrase gets the cost it was made with.
        let wrapping = new.map(|unlock| Wrapping::new(unlock, self.wrapping.cost, entropy));
        let wrapping = wrapping.transpose()?;
        let master = entropy.bytes32();
        let sequence = self.header.sequence().wrapping_add(1);
        let rotation = self.header.rotation().wrapping_add(1);
        let wrap_with = wrapping.as_ref().unwrap_or(&self.wrapping);
        let header = Header::wrap(&master, wrap_with, (sequence, rotation), entropy)?;
        let path = self.root.join(slots_name(&header));
        let copied = files::open_private(&path).and_then(|file| {
            // What an attempt before this one left.
            file.set_len(0)?;
            let copied = slots.copy_to(Box::new(FileDevice(file)), &master, entropy)?;
            files::sync_dir(&self.root)?;
            Ok(copied)
        });
        if copied.is_err() {
            // If this fails too, the next opening removes it.
            let _ = files::wipe(&path);
        }
        Ok(Prepared {
            header,
            wrapping,
            slots: copied?,
        })
    }

    /// Goes over to what was prepared. After an error nothing may be written to `slots` any more: which file
    /// belongs to the profile is settled at the next opening.
    pub(crate) fn rotate(&mut self, prepared: Prepared, slots: &mut Slots) -> Result<(), Error> {
        write_headers(&self.root, &prepared.header)?;
        slots.move_to(prepared.slots);
        self.header = prepared.header;
        if let Some(wrapping) = prepared.wrapping {
            self.wrapping = wrapping;
        }
        self.wipe_other_slots()
    }

    /// How often the master key was replaced.
    pub(crate) const fn rotation(&self) -> u64 {
        self.header.rotation()
    }

    /// Overwrites and removes slot files that no header names: both copies must name ours by now.
    pub(crate) fn wipe_other_slots(&self) -> Result<(), Error> {
        if broken!("keep old master keys") {
            return Ok(());
        }
        let ours = slots_name(&self.header);
        let mut removed = false;
        for path in files::entries(&self.root)? {
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| name.starts_with("slots.") && name != ours) {
                files::wipe(&path)?;
                removed = true;
            }
        }
        if removed {
            files::sync_dir(&self.root)?;
        }
        Ok(())
    }
}
