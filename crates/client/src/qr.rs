//! QR codes for invites, as plain squares that each front end draws in its own way.

use qrcode::{EcLevel, QrCode};
use serde::Serialize;
use thiserror::Error;

/// A square of dark and light modules, without the light border of four modules that a reader
/// needs around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QrMatrix {
    width: usize,
    dark: Vec<bool>,
}

/// The text does not fit into a QR code (2,331 bytes at the correction level used).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text is too long for a QR code")]
pub struct TooLongForQr;

impl QrMatrix {
    /// The code for a text, error correction level M.
    ///
    /// # Errors
    /// [`TooLongForQr`].
    pub fn new(text: &str) -> Result<Self, TooLongForQr> {
        let code =
            QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_error| TooLongForQr)?;
        let dark = code
            .to_colors()
            .into_iter()
            .map(|color| color == qrcode::Color::Dark)
            .collect();
        Ok(Self {
            width: code.width(),
            dark,
        })
    }

    /// Modules along one side, 21 to 177.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Whether the module is dark; outside the square everything is light.
    #[must_use]
    pub fn is_dark(&self, row: usize, column: usize) -> bool {
        let inside = row < self.width && column < self.width;
        let index = row.saturating_mul(self.width).saturating_add(column);
        inside && self.dark.get(index).copied().unwrap_or(false)
    }

    /// Row by row, `true` for dark.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<bool>> {
        self.dark.chunks(self.width).map(<[bool]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_its_finder_pattern() {
        let qr = QrMatrix::new("sori:invite#abc").unwrap();
        assert_eq!(qr.rows().len(), qr.width());
        assert!(qr.rows().iter().all(|row| row.len() == qr.width()));
        assert!((0..7).all(|i| qr.is_dark(0, i) && qr.is_dark(i, 0)));
        assert!(!qr.is_dark(1, 1));
        assert!(!qr.is_dark(qr.width(), 0));
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        assert!(QrMatrix::new(&"x".repeat(2331)).is_ok());
        assert_eq!(QrMatrix::new(&"x".repeat(2332)), Err(TooLongForQr));
    }
}
