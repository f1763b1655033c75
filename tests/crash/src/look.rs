//! Looks again at a folder that a failed campaign has kept.

use std::path::PathBuf;

use crate::disk::image::Image;
use crate::engine::Engine;
use crate::error::Error;
use crate::place;
use crate::verify::{Case, verify};
use crate::worker::Acknowledged;

/// What to look at.
#[derive(Clone, Debug, clap::Args)]
pub struct Glance {
    /// Which engine.
    #[arg(long)]
    pub engine: Engine,
    /// The folder of the store; it is copied and left as it is.
    #[arg(long)]
    pub folder: PathBuf,
    /// The seed of its plan.
    #[arg(long)]
    pub seed: u64,
    /// The last step that was acknowledged.
    #[arg(long)]
    pub done: u64,
    /// Where the engine's randomness starts.
    #[arg(long, default_value_t = 1 << 48)]
    pub entropy: u64,
}

/// Opens a copy of the folder and compares everything.
///
/// # Errors
/// What is wrong with it.
pub fn look(glance: &Glance) -> Result<(), Error> {
    let place = place::scratch()?;
    let folder = place::folder(place.path(), "profile")?;
    Image::read(&glance.folder)?.write(&folder)?;
    verify(&Case {
        engine: glance.engine,
        folder: &folder,
        seed: glance.seed,
        acknowledged: Acknowledged {
            is_open: true,
            step: glance.done,
        },
        entropy: glance.entropy,
    })
    .map(drop)
}
