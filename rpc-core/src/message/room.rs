//! How much memory one message may become.

use super::malformed;
use prost::DecodeError;
use std::cell::Cell;

/// What the elements of all lists, maps and boxes of a message may take, in bytes: this, or [`FACTOR`] times what the
/// message has on the wire. An element that is empty takes two bytes there and the size of its type here.
const AT_LEAST: usize = 64 * 1024 * 1024;
const FACTOR: usize = 16;

const UNBOUNDED: usize = usize::MAX;

thread_local! {
    /// What is left for the message that is being read on this thread.
    static LEFT: Cell<usize> = const { Cell::new(UNBOUNDED) };
}

/// Reads a message of `length` bytes with room of its own.
#[inline]
pub(crate) fn bounded<R>(length: usize, read: impl FnOnce() -> R) -> R {
    let around = LEFT.replace(length.saturating_mul(FACTOR).max(AT_LEAST));
    let read = read();
    LEFT.set(around);
    read
}

/// Takes the room for one more `T`.
#[inline]
pub(super) fn take<T>() -> Result<(), DecodeError> {
    match LEFT.get() {
        UNBOUNDED => Ok(()),
        left if left < size_of::<T>() => Err(exhausted()),
        left => {
            LEFT.set(left - size_of::<T>());
            Ok(())
        }
    }
}

#[cold]
fn exhausted() -> DecodeError {
    malformed("too many elements: in memory they would take over 64 MiB and over 16 times the message's bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_one_message_and_reading_without_a_limit_stays_possible() {
        type Large = [u8; AT_LEAST / 2];
        for _ in 0..2 {
            bounded(1, || {
                take::<Large>().unwrap();
                bounded(1, || take::<Large>().unwrap());
                take::<Large>().unwrap();
                assert!(take::<u8>().is_err());
            });
            bounded(AT_LEAST, || (0..32).for_each(|_| take::<Large>().unwrap()));
        }
        (0..9).for_each(|_| take::<Large>().unwrap());
    }
}
