//! Dates and times as people read them, in the zone of this machine.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::ExportLanguage;

/// Now, in milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A moment as day and time of day, or `None` if it is out of range.
pub(super) fn read(unix_ms: u64, language: ExportLanguage) -> Option<(String, String)> {
    let timestamp = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let at = timestamp.to_zoned(TimeZone::system());
    Some((day(&at, language), clock(&at, language)))
}

fn day(at: &jiff::Zoned, language: ExportLanguage) -> String {
    let (year, month, day) = (at.year(), at.month(), at.day());
    match language {
        ExportLanguage::English => at.strftime("%A, %-d %B %Y").to_string(),
        ExportLanguage::Korean => {
            let weekday = korean_weekday(at.weekday());
            format!("{year}년 {month}월 {day}일 {weekday}요일")
        }
    }
}

fn clock(at: &jiff::Zoned, language: ExportLanguage) -> String {
    match language {
        ExportLanguage::English => at.strftime("%H:%M").to_string(),
        ExportLanguage::Korean => {
            let half = if at.hour() < 12 { "오전" } else { "오후" };
            format!("{half} {}", at.strftime("%-I:%M"))
        }
    }
}

const fn korean_weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "월",
        Weekday::Tuesday => "화",
        Weekday::Wednesday => "수",
        Weekday::Thursday => "목",
        Weekday::Friday => "금",
        Weekday::Saturday => "토",
        Weekday::Sunday => "일",
    }
}
