//! Lengths of time as people write them.

/// Seconds from a text such as `90`, `30s`, `10m`, `12h`, `1d` or `2w`.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    const WRONG: &str = "write a number and a unit, such as 30s, 10m, 12h, 1d or 2w";
    let text = text.trim();
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at).ok_or(WRONG)?;
    let number: u64 = number.parse().map_err(|_not_a_number| WRONG)?;
    let unit_s = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(WRONG.to_owned()),
    };
    number
        .checked_mul(unit_s)
        .ok_or_else(|| "that is too long".to_owned())
}

/// The same the other way: the largest unit that leaves nothing over.
pub(crate) fn words(seconds: u64) -> String {
    let units = [(604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m")];
    let fits = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", seconds.div_euclid(unit)),
        None => format!("{seconds}s"),
    }
}

/// Seconds, or zero for `never`.
pub(crate) fn seconds_or_never(text: &str) -> Result<u32, String> {
    if text.trim() == "never" {
        return Ok(0);
    }
    u32::try_from(seconds(text)?).map_err(|_too_long| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_written_as_they_are_typed() {
        for text in ["90s", "10m", "25h", "1d", "2w"] {
            assert_eq!(super::words(seconds(text).unwrap()), text);
        }
        assert_eq!(super::seconds_or_never("never"), Ok(0));
    }

    #[test]
    fn units_are_understood() {
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1d"), Ok(86_400));
        assert_eq!(seconds("2w"), Ok(1_209_600));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "d",
            "1y",
            "-1s",
            "1.5h",
            "1 d",
            "한 시간",
            "99999999999999999999s",
            "9999999999999999999w",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
