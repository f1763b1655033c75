//! Which checks a run has.

use crate::catalogue::{Check, Profile};

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
    pub(crate) profile: Profile,
}

impl Selection {
    /// The checks of the run. A check that is named by its whole id runs whatever the profile.
    pub(crate) fn of(&self, checks: Vec<Check>) -> Vec<Check> {
        let wanted = |check: &Check| {
            let by_name = self.only.iter().any(|name| name == check.id);
            let by_pattern = self.only.is_empty() || matches_any(&self.only, check.id);
            let in_time = by_name || check.profile <= self.profile;
            by_pattern && in_time && !matches_any(&self.skip, check.id)
        };
        checks.into_iter().filter(wanted).collect()
    }

    /// Patterns that fit no check: most likely a misspelling, and a run without what was meant would
    /// look like a good one.
    pub(crate) fn unknown(&self, checks: &[Check]) -> Vec<&str> {
        let patterns = self.only.iter().chain(&self.skip);
        patterns
            .map(String::as_str)
            .filter(|pattern| !checks.iter().any(|check| matches(pattern, check.id)))
            .collect()
    }
}

fn matches_any(patterns: &[String], id: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, id))
}

/// Whether a pattern with `*` for anything fits.
fn matches(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| id.strip_prefix(first)) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let (last, middle) = match parts.split_last() {
        Some((last, middle)) => (*last, middle),
        None => return rest.is_empty(),
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, id, fits) in [
            ("KEEP-*", "KEEP-MEMORY", true),
            ("*", "KEEP-MEMORY", true),
            ("*MEM*", "KEEP-MEMORY", true),
            ("KEEP*RY", "KEEP-MEMORY", true),
            ("KEEP", "KEEP-MEMORY", false),
            ("KEEP-MEMORY", "KEEP-MEMORY", true),
            ("*-X*", "KEEP-MEMORY", false),
        ] {
            assert_eq!(matches(pattern, id), fits, "{pattern} {id}");
        }
    }
}
