//! `timeout = "300ms"`.

use std::time::Duration;

const HOUR: u64 = 3_600_000;
/// More is cut to this at run time, so it would be a promise that is not kept.
const LONGEST: u64 = 24 * HOUR;

/// Reads a whole number and its unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => HOUR,
        _ => return Err(format!("`{text}` is no timeout; write a whole number and ms, s, m or h, as in \"300ms\"")),
    };
    let number: u64 = match number.parse() {
        Ok(number) => number,
        Err(_) => return Err(format!("`{text}` is no timeout; write a whole number before `{unit}`, as in \"300ms\"")),
    };
    match number.checked_mul(milliseconds) {
        Some(0) => Err("a timeout of nothing fails every call; leave it out, or give the call some time".to_owned()),
        Some(total) if total <= LONGEST => Ok(Duration::from_millis(total)),
        _ => Err(format!("`{text}` is more than a call may take; write at most \"24h\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        assert_eq!(parse("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("3m"), Ok(Duration::from_secs(180)));
        assert_eq!(parse("24h"), Ok(Duration::from_secs(86_400)));
    }

    #[test]
    fn anything_else_says_what_to_write() {
        for (text, part) in [
            ("", "whole number"),
            ("300", "ms, s, m or h"),
            ("ms", "before `ms`"),
            ("1.5s", "ms, s, m or h"),
            ("-1s", "ms, s, m or h"),
            ("0s", "fails every call"),
            ("25h", "at most"),
            ("18446744073709551615h", "at most"),
            ("99999999999999999999s", "before `s`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
