//! The icon in the tray, by the StatusNotifierItem specification: what is unread, and a menu.

use ksni::blocking::{Handle, TrayMethods};
use ksni::menu::StandardItem;
use ksni::{Icon, MenuItem, ToolTip, Tray as KsniTray};

use crate::settings::Language;

/// What somebody asked of the icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Press {
    Lock,
    Quit,
    Show,
}

/// The icon, while it is in the tray.
pub(crate) struct Tray(Handle<Item>);

/// What is shown.
struct Item {
    unread: u32,
    language: Language,
    picture: Picture,
    pressed: Box<dyn Fn(Press) + Send + Sync>,
}

/// The program's icon: `size` by `size` dots of red, green, blue and opacity.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) size: u32,
    pub(crate) dots: Vec<u8>,
}

impl Tray {
    /// Puts the icon there. `None` where there is no tray: then the window must not hide.
    pub(crate) fn show(
        picture: Picture,
        language: Language,
        pressed: impl Fn(Press) + Send + Sync + 'static,
    ) -> Option<Self> {
        let item = Item {
            unread: 0,
            language,
            picture,
            pressed: Box::new(pressed),
        };
        item.spawn().ok().map(Self)
    }

    /// Whether it is still there: a tray may end, and with it the way back to a window that hides.
    pub(crate) fn is_there(&self) -> bool {
        !self.0.is_closed()
    }

    /// Says how much is unread, in the language of the window.
    pub(crate) fn tell(&self, unread: u32, language: Language) {
        let _closed = self.0.update(|item| {
            item.unread = unread;
            item.language = language;
        });
    }
}

impl Item {
    fn said(&self, ko: &str, en: &str) -> String {
        match self.language {
            Language::Ko => ko.to_owned(),
            Language::En => en.to_owned(),
        }
    }

    fn entry(&self, press: Press, ko: &str, en: &str) -> MenuItem<Self> {
        StandardItem {
            label: self.said(ko, en),
            activate: Box::new(move |item: &mut Self| (item.pressed)(press)),
            ..StandardItem::default()
        }
        .into()
    }
}

impl KsniTray for Item {
    fn id(&self) -> String {
        "org.sori.desktop".to_owned()
    }

    fn title(&self) -> String {
        "Sori".to_owned()
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        (self.pressed)(Press::Show);
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        self.picture
            .clone()
            .with_badge(self.unread)
            .into_icon()
            .into_iter()
            .collect()
    }

    fn tool_tip(&self) -> ToolTip {
        let description = match self.unread {
            0 => self.said("새 메시지가 없어요", "Nothing new"),
            n => self.said(&format!("읽지 않은 메시지 {n}개"), &format!("{n} unread")),
        };
        ToolTip {
            title: "Sori".to_owned(),
            description,
            ..ToolTip::default()
        }
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        vec![
            self.entry(Press::Show, "Sori 열기", "Open Sori"),
            self.entry(Press::Lock, "잠그기", "Lock"),
            MenuItem::Separator,
            self.entry(Press::Quit, "끝내기", "Quit"),
        ]
    }
}

/// Digits three dots wide and five high, a row a number, the left dot first.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 1, 1, 1],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];
/// The badge's ground and sign, as the window's.
const GROUND: [u8; 4] = [171, 49, 42, 255];
const SIGN: [u8; 4] = [255, 255, 255, 255];

impl Picture {
    /// The same with a number in its lower right corner; a bare spot for more than nine.
    fn with_badge(mut self, unread: u32) -> Self {
        if unread == 0 {
            return self;
        }
        let size = i64::from(self.size);
        let radius = size * 5 / 16;
        let centre = size - radius - 1;
        for (x, y) in (0..size).flat_map(|x| (0..size).map(move |y| (x, y))) {
            if (x - centre).pow(2) + (y - centre).pow(2) <= radius.pow(2) {
                self.paint(x, y, GROUND);
            }
        }
        let digit = usize::try_from(unread)
            .ok()
            .and_then(|unread| DIGITS.get(unread));
        let dot = (radius / 4).max(1);
        for (y, row) in (0_i64..).zip(digit.into_iter().flatten()) {
            for x in (0_i64..3).filter(|x| row >> (2 - x) & 1 == 1) {
                for (dx, dy) in (0..dot).flat_map(|dx| (0..dot).map(move |dy| (dx, dy))) {
                    let (left, top) = (centre - dot * 3 / 2, centre - dot * 5 / 2);
                    self.paint(left + x * dot + dx, top + y * dot + dy, SIGN);
                }
            }
        }
        self
    }

    fn paint(&mut self, x: i64, y: i64, colour: [u8; 4]) {
        let size = i64::from(self.size);
        if !(0..size).contains(&x) || !(0..size).contains(&y) {
            return;
        }
        let at = usize::try_from((y * size + x) * 4).ok();
        if let Some(dot) = at.and_then(|at| self.dots.get_mut(at..at + 4)) {
            dot.copy_from_slice(&colour);
        }
    }

    /// As the specification wants it: opacity first.
    fn into_icon(mut self) -> Option<Icon> {
        let side = i32::try_from(self.size).ok()?;
        for dot in self.dots.chunks_exact_mut(4) {
            dot.rotate_right(1);
        }
        Some(Icon {
            width: side,
            height: side,
            data: self.dots,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Picture {
        Picture {
            size: 32,
            dots: vec![0; 32 * 32 * 4],
        }
    }

    #[test]
    fn a_badge_says_how_much_is_unread() {
        assert_eq!(blank().with_badge(0).dots, blank().dots);
        let one = blank().with_badge(1).dots;
        let eight = blank().with_badge(8).dots;
        let many = blank().with_badge(10).dots;
        let count = |dots: &[u8], colour: [u8; 4]| {
            dots.chunks_exact(4).filter(|dot| **dot == colour).count()
        };
        assert!(count(&one, SIGN) > 0 && count(&eight, SIGN) > count(&one, SIGN));
        assert_eq!(count(&many, SIGN), 0);
        assert!(count(&many, GROUND) > 200);
        // The rest of the icon stays.
        assert_eq!(one[..4], [0; 4]);
    }

    #[test]
    fn opacity_comes_first() {
        let picture = Picture {
            size: 1,
            dots: vec![1, 2, 3, 255],
        };
        assert_eq!(picture.into_icon().unwrap().data, [255, 1, 2, 3]);
    }
}
