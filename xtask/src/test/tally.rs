//! How many tests passed and failed, read from what the test runners say at their end.

/// Counts of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Ran and held.
    pub(crate) passed: u32,
    /// Ran and did not hold, or did not come to an end.
    pub(crate) failed: u32,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The counts in one line, where it is a closing line of `cargo test`, of Node's test runner or of vitest.
pub(crate) fn closing_line(line: &str) -> Option<Tally> {
    cargo(line).or_else(|| node(line)).or_else(|| vitest(line))
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s`
fn cargo(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = counts.split("; ");
    Some(Tally {
        passed: counts.next()?.strip_suffix(" passed")?.parse().ok()?,
        failed: counts.next()?.strip_suffix(" failed")?.parse().ok()?,
    })
}

/// `ℹ pass 12`, `ℹ fail 0`, `ℹ cancelled 0`, a line each; `#` instead of `ℹ` in TAP.
fn node(line: &str) -> Option<Tally> {
    let (word, count) = line
        .strip_prefix("ℹ ")
        .or_else(|| line.strip_prefix("# "))?
        .split_once(' ')?;
    let count = count.parse().ok()?;
    match word {
        "pass" => Some(Tally {
            passed: count,
            failed: 0,
        }),
        "fail" | "cancelled" => Some(Tally {
            passed: 0,
            failed: count,
        }),
        _ => None,
    }
}

/// `      Tests  1 failed | 12 passed (13)`
fn vitest(line: &str) -> Option<Tally> {
    let (counts, _) = line.trim_start().strip_prefix("Tests  ")?.split_once(" (")?;
    let mut tally = Tally::default();
    for count in counts.split(" | ") {
        let (number, word) = count.split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        match word {
            "passed" => tally.passed += number,
            "failed" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counts(line: &str, passed: u32, failed: u32) {
        assert_eq!(closing_line(line), Some(Tally { passed, failed }), "{line:?}");
    }

    #[test]
    fn closing_lines_of_all_three_runners_are_counted() {
        assert_counts(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            12,
            0,
        );
        assert_counts(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            3,
            2,
        );
        assert_counts("ℹ pass 7", 7, 0);
        assert_counts("ℹ cancelled 1", 0, 1);
        assert_counts("# fail 4", 0, 4);
        assert_counts("      Tests  1 failed | 12 passed (13)", 12, 1);
        assert_counts("      Tests  5 passed | 1 skipped (6)", 5, 0);
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "test strip::reads ... ok",
            "ℹ duration_ms 12.5",
            "ℹ tests 8",
            " Test Files  2 passed (2)",
        ] {
            assert_eq!(closing_line(line), None, "{line:?}");
        }
    }
}
