//! Where the window was: its size, its place, whether it filled the screen.

use std::fs::{self, DirBuilder};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tauri::{PhysicalPosition, PhysicalSize, WebviewWindow};

use crate::settings::folder;

/// As in physical dots; what the system says and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    maximized: bool,
}

/// A screen, or what there is of a window of it.
type Area = (PhysicalPosition<i32>, PhysicalSize<u32>);

impl Place {
    /// How `window` stands; `None` where the system does not tell.
    pub(crate) fn of(window: &WebviewWindow) -> Option<Self> {
        let (position, size) = (window.outer_position().ok()?, window.inner_size().ok()?);
        Some(Self {
            x: position.x,
            y: position.y,
            width: size.width,
            height: size.height,
            maximized: window.is_maximized().unwrap_or(false),
        })
    }

    /// What was kept; `None` for a file that does not parse.
    pub(crate) fn load(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Keeps it. That this fails is not worth a word: the window stands elsewhere next time.
    pub(crate) fn save(self, file: &Path) {
        let fresh = file.with_extension(format!("{}.new", std::process::id()));
        if let (Some(folder), Ok(bytes)) = (file.parent(), serde_json::to_vec(&self)) {
            let _saved = DirBuilder::new()
                .recursive(true)
                .create(folder)
                .and_then(|()| fs::write(&fresh, bytes))
                .and_then(|()| fs::rename(fresh, file));
        }
    }

    /// Puts `window` there, as far as the screens of today permit.
    pub(crate) fn restore(self, window: &WebviewWindow) {
        let screens: Vec<Area> = window
            .available_monitors()
            .unwrap_or_default()
            .iter()
            .map(|screen| (*screen.position(), *screen.size()))
            .collect();
        let fitted = self.fitted(&screens);
        let _sized = window.set_size(PhysicalSize::new(fitted.width, fitted.height));
        if fitted.is_on(&screens) {
            let _placed = window.set_position(PhysicalPosition::new(fitted.x, fitted.y));
        }
        if fitted.maximized {
            let _filled = window.maximize();
        }
    }

    /// No larger than the largest screen.
    fn fitted(mut self, screens: &[Area]) -> Self {
        if let Some((_, largest)) = screens.iter().max_by_key(|(_, size)| size.width) {
            self.width = self
                .width
                .clamp(WIDTH_MIN.min(largest.width), largest.width);
            self.height = self
                .height
                .clamp(HEIGHT_MIN.min(largest.height), largest.height);
        }
        self
    }

    /// Whether its title can be grasped on one of the screens.
    fn is_on(self, screens: &[Area]) -> bool {
        screens.iter().any(|(at, size)| {
            let right = i64::from(at.x) + i64::from(size.width);
            let below = i64::from(at.y) + i64::from(size.height);
            let (x, y, width) = (i64::from(self.x), i64::from(self.y), i64::from(self.width));
            x + width > i64::from(at.x) + GRASP
                && x + GRASP < right
                && y >= i64::from(at.y)
                && y + GRASP < below
        })
    }
}

/// Dots of a window that have to be on a screen.
const GRASP: i64 = 80;
const WIDTH_MIN: u32 = 420;
const HEIGHT_MIN: u32 = 480;

/// Where it is kept: one file for all profiles of a login.
pub(crate) fn file() -> Option<PathBuf> {
    Some(folder("XDG_STATE_HOME", ".local/state")?.join("sori/window.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Area = (
        PhysicalPosition { x: 0, y: 0 },
        PhysicalSize {
            width: 1920,
            height: 1080,
        },
    );

    fn place(x: i32, y: i32, width: u32, height: u32) -> Place {
        Place {
            x,
            y,
            width,
            height,
            maximized: false,
        }
    }

    #[test]
    fn a_window_stands_where_a_screen_is() {
        assert!(place(100, 50, 1000, 700).is_on(&[SCREEN]));
        assert!(place(-900, 50, 1000, 700).is_on(&[SCREEN]));
        for lost in [(-990, 50), (1900, 50), (100, -10), (100, 1060), (2500, 100)] {
            assert!(
                !place(lost.0, lost.1, 1000, 700).is_on(&[SCREEN]),
                "{lost:?}"
            );
        }
        let second = (
            PhysicalPosition { x: 1920, y: 0 },
            PhysicalSize {
                width: 800,
                height: 600,
            },
        );
        assert!(place(2500, 100, 1000, 700).is_on(&[SCREEN, second]));
        assert!(!place(0, 0, 1000, 700).is_on(&[]));
    }

    #[test]
    fn a_window_is_no_larger_than_a_screen_and_no_smaller_than_usable() {
        let fitted = place(0, 0, 5000, 10).fitted(&[SCREEN]);
        assert_eq!((fitted.width, fitted.height), (1920, 480));
    }

    #[test]
    fn a_place_is_kept_and_nonsense_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sori/window.json");
        assert_eq!(Place::load(&file), None);
        let kept = place(1, 2, 800, 600);
        kept.save(&file);
        assert_eq!(Place::load(&file), Some(kept));
        fs::write(&file, b"{}").unwrap();
        assert_eq!(Place::load(&file), None);
    }
}
