//! How much memory one message may become, and how much of the stack it takes to read it.

use super::malformed;
use prost::DecodeError;
use std::cell::Cell;

/// What the elements of all lists, maps and boxes of a message may take, in bytes: this, or [`FACTOR`] times what the
/// message has on the wire. An element that is empty takes two bytes there and the size of its type here.
const AT_LEAST: usize = 64 * 1024 * 1024;
const FACTOR: usize = 16;

const UNBOUNDED: usize = usize::MAX;

/// What messages in messages may take of the stack, in bytes: half of what threads have, those of tokio as well. A
/// hundred levels, where prost ends, are little for small messages and too much for some: what a level takes is the
/// size of the message a few times over, and more without optimization.
const STACK: usize = 1024 * 1024;

thread_local! {
    /// What is left for the message that is being read on this thread.
    static LEFT: Cell<usize> = const { Cell::new(UNBOUNDED) };

    /// Where on the stack the reading of the outermost message began; 0 if none is being read.
    static BEGAN: Cell<usize> = const { Cell::new(0) };
}

/// Reads a message of `length` bytes with room of its own.
#[inline]
pub(crate) fn bounded<R>(length: usize, read: impl FnOnce() -> R) -> R {
    /// Put back also when `read` panics: the thread goes on, and reads other messages.
    struct Around(usize);

    impl Drop for Around {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }

    let _around = Around(LEFT.replace(length.saturating_mul(FACTOR).max(AT_LEAST)));
    read()
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

/// A message is being read, in another one perhaps.
pub(super) struct Level {
    outermost: bool,
}

impl Drop for Level {
    #[inline]
    fn drop(&mut self) {
        if self.outermost {
            BEGAN.set(0);
        }
    }
}

/// Begins to read a message, while the result is held.
#[inline]
pub(super) fn level() -> Result<Level, DecodeError> {
    let mark = 0u8;
    let here = std::ptr::from_ref(&mark).addr();
    match BEGAN.get() {
        0 => {
            BEGAN.set(here);
            Ok(Level { outermost: true })
        }
        began if began.abs_diff(here) > STACK => Err(too_deep()),
        _ => Ok(Level { outermost: false }),
    }
}

#[cold]
fn too_deep() -> DecodeError {
    malformed("messages are nested too deep: reading them would take over 1 MiB of the stack")
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

    #[test]
    fn what_panics_while_it_reads_limits_nobody_after_it() {
        let panicked = std::panic::catch_unwind(|| {
            bounded(1, || {
                let _level = level();
                panic!("a `Default` of somebody's")
            })
        });
        assert!(panicked.is_err());
        assert_eq!((LEFT.get(), BEGAN.get()), (UNBOUNDED, 0));
    }
}
