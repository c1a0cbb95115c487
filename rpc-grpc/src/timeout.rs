//! `grpc-timeout`: how long the caller will wait, as up to 8 digits and a unit.

use http::HeaderValue;
use rpc_core::Status;
use std::time::Duration;

/// Nobody waits longer than that; a timer that is set further ahead is a mistake or an attack.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The header for what is left until a deadline: microseconds while they fit into 8 digits, else milliseconds, which
/// last for 27 hours. Rounded down: the server should not wait longer than the client does.
pub(crate) fn header(remaining: Duration) -> HeaderValue {
    let remaining = remaining.min(LONGEST);
    let (mut number, unit) = match remaining.as_micros() {
        micros @ 0..=99_999_999 => (micros as u32, b'u'),
        micros => ((micros / 1000) as u32, b'm'),
    };
    let mut text = [unit; 9];
    let mut start = text.len() - 1;
    loop {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let mut value = HeaderValue::from_bytes(&text[start..]).unwrap_or_else(|_| HeaderValue::from_static("0u"));
    // A value that is never the same twice only drives others out of the peer's table of headers.
    value.set_sensitive(true);
    value
}

/// Reads the header.
///
/// # Errors
/// `InvalidArgument`: a caller that sets a deadline which cannot be understood does not want to go without one.
pub(crate) fn parse(value: &HeaderValue) -> Result<Duration, Status> {
    let malformed = || Status::invalid_argument("`grpc-timeout` is 1 to 8 digits and one of H, M, S, m, u, n");
    let (unit, digits) = value.as_bytes().split_last().ok_or_else(malformed)?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let timeout = match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(malformed()),
    };
    Ok(timeout.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Duration, Status> {
        parse(&HeaderValue::from_static(text))
    }

    #[test]
    fn every_unit_is_read_and_nothing_else() {
        assert_eq!(read("2H").unwrap(), Duration::from_secs(7200));
        assert_eq!(read("3M").unwrap(), Duration::from_secs(180));
        assert_eq!(read("00000042S").unwrap(), Duration::from_secs(42));
        assert_eq!(read("250m").unwrap(), Duration::from_millis(250));
        assert_eq!(read("7u").unwrap(), Duration::from_micros(7));
        assert_eq!(read("0n").unwrap(), Duration::ZERO);
        assert_eq!(read("99999999H").unwrap(), LONGEST);
        for bad in ["", "S", "5", "123456789m", "-1S", "+1S", "1.5S", " 1S", "1s", "1 S"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_never_longer() {
        let seed = rpc_testkit::Seed::from_env_or_random();
        let mut random = seed.rng();
        for _ in 0..10_000 {
            let remaining = Duration::from_nanos(random.u64(0..100_000_000_000_000));
            let value = header(remaining);
            assert!(value.len() <= 9, "{value:?}");
            let read = parse(&value).unwrap();
            assert!(
                read <= remaining && remaining.min(LONGEST) - read < Duration::from_millis(1),
                "RPC_SEED={seed}: {remaining:?} became {read:?}"
            );
        }
        assert_eq!(header(Duration::ZERO), "0u");
        assert_eq!(header(Duration::from_secs(5)), "5000000u");
        assert_eq!(header(Duration::from_micros(99_999_999)), "99999999u");
        assert_eq!(header(Duration::from_secs(100)), "100000m");
        assert_eq!(header(Duration::MAX), "86400000m");
    }
}
