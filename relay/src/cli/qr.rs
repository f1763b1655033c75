//! QR codes for a terminal.

use qrcode::{Color, EcLevel, QrCode};

/// The code for a text in half blocks, dark on light whatever the terminal's colours, with the light
/// border that readers need. `None` if the text is too long for one.
pub(crate) fn draw(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(BORDER).filter(|at| *at < width);
        let at = inside(row).zip(inside(column));
        at.and_then(|(row, column)| colors.get(row.checked_mul(width)?.checked_add(column)?))
            == Some(&Color::Dark)
    };
    let side = width.saturating_add(BORDER.saturating_mul(2));
    let mut drawn = String::new();
    for row in (0..side).step_by(2) {
        drawn.push_str("\x1b[30;107m");
        for column in 0..side {
            let below = row.saturating_add(1);
            drawn.push(match (is_dark(row, column), is_dark(below, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn.push_str("\x1b[0m\n");
    }
    Some(drawn)
}

/// Light modules around the code.
const BORDER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_border_and_its_finder_patterns() {
        let drawn = draw("relay://localhost:4433/#x").unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        let inside = |line: &str| {
            let line = line.strip_prefix("\x1b[30;107m").unwrap();
            line.strip_suffix("\x1b[0m").unwrap().to_owned()
        };
        let width = inside(lines[0]).chars().count();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert_eq!(inside(lines[0]).trim(), "");
        assert_eq!(inside(lines[1]).trim(), "");
        assert!(inside(lines[2]).starts_with("    █▀▀▀▀▀█"));
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
