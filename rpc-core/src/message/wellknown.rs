//! `Duration` and `SystemTime`: `google.protobuf.Duration` and `Timestamp`.

use super::{Element, error::malformed};
use crate::schema::{Catalog, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};
use std::time::{Duration, SystemTime};

/// The kind of `Duration` and `SystemTime`.
pub enum AsWellKnown {}

/// The longest `google.protobuf.Duration`: about 10,000 years.
const LONGEST: i64 = 315_576_000_000;
/// The first second of the year 1, from which a `Timestamp` may count.
const EARLIEST: i64 = -62_135_596_800;
/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;
const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// The one shape both have on the wire.
#[derive(Clone, Copy, Default)]
struct Time {
    seconds: i64,
    nanos: i32,
}

impl Message for Time {
    #[inline]
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        if self.seconds != 0 {
            encoding::int64::encode(1, &self.seconds, buffer);
        }
        if self.nanos != 0 {
            encoding::int32::encode(2, &self.nanos, buffer);
        }
    }

    #[inline]
    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => encoding::int64::merge(wire, &mut self.seconds, buffer, context),
            2 => encoding::int32::merge(wire, &mut self.nanos, buffer, context),
            _ => encoding::skip_field(wire, tag, buffer, context),
        }
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        let seconds = if self.seconds == 0 { 0 } else { encoding::int64::encoded_len(1, &self.seconds) };
        let nanos = if self.nanos == 0 { 0 } else { encoding::int32::encoded_len(2, &self.nanos) };
        seconds + nanos
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What has a [`Time`] on the wire.
trait OnTheWire: Sized + Send + Sync + 'static {
    /// The nearest value that the format can hold.
    fn to_wire(&self) -> Time;

    /// Refuses what the format forbids and what Rust's type cannot hold.
    fn from_wire(time: Time) -> Result<Self, DecodeError>;
}

impl OnTheWire for Duration {
    fn to_wire(&self) -> Time {
        match i64::try_from(self.as_secs()) {
            Ok(seconds) if seconds < LONGEST => Time { seconds, nanos: self.subsec_nanos() as i32 },
            _ => Time { seconds: LONGEST, nanos: 0 },
        }
    }

    fn from_wire(Time { seconds, nanos }: Time) -> Result<Self, DecodeError> {
        match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(whole), Ok(part)) if seconds <= LONGEST && nanos < NANOS_PER_SECOND => Ok(Self::new(whole, part)),
            _ => Err(malformed(format!("{seconds} s and {nanos} ns are no duration from 0 to 10,000 years"))),
        }
    }
}

impl OnTheWire for SystemTime {
    fn to_wire(&self) -> Time {
        let (seconds, nanos) = match self.duration_since(Self::UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos() as i32),
            Err(error) => {
                // A timestamp's nanoseconds always count forward, also before 1970.
                let before = error.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() as i32 {
                    0 => (-seconds, 0),
                    nanos => (-seconds - 1, NANOS_PER_SECOND - nanos),
                }
            }
        };
        match seconds {
            ..EARLIEST => Time { seconds: EARLIEST, nanos: 0 },
            EARLIEST..=LATEST => Time { seconds, nanos },
            _ => Time { seconds: LATEST, nanos: 0 },
        }
    }

    fn from_wire(Time { seconds, nanos }: Time) -> Result<Self, DecodeError> {
        let wrong = || malformed(format!("{seconds} s and {nanos} ns are no time in the years 1 to 9999"));
        let part = u32::try_from(nanos).ok().filter(|_| nanos < NANOS_PER_SECOND).ok_or_else(wrong)?;
        if !(EARLIEST..=LATEST).contains(&seconds) {
            return Err(wrong());
        }
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let second =
            if seconds < 0 { Self::UNIX_EPOCH.checked_sub(whole) } else { Self::UNIX_EPOCH.checked_add(whole) };
        second.and_then(|second| second.checked_add(Duration::from_nanos(part.into()))).ok_or_else(wrong)
    }
}

macro_rules! well_known {
    ($($type:ty: $name:literal, $absent:expr;)*) => { $(
        /// Values beyond what protobuf can hold (0 to 10,000 years; the years 1 to 9999) are written as the nearest it
        /// can.
        #[diagnostic::do_not_recommend]
        impl Element<AsWellKnown> for $type {
            #[inline]
            fn absent() -> Result<Self, DecodeError> {
                Ok($absent)
            }

            #[inline]
            fn is_implied(&self) -> bool {
                false
            }

            #[inline]
            fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
                encoding::message::encode(tag, &self.to_wire(), buffer);
            }

            #[inline]
            fn encoded_len(&self, tag: u32) -> usize {
                encoding::message::encoded_len(tag, &self.to_wire())
            }

            #[inline]
            fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
                let mut time = Time::default();
                encoding::message::merge(wire, &mut time, buffer, context)?;
                Self::from_wire(time)
            }

            #[inline]
            fn merge<B: Buf>(
                &mut self,
                wire: WireType,
                buffer: &mut B,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                let mut time = self.to_wire();
                encoding::message::merge(wire, &mut time, buffer, context)?;
                *self = Self::from_wire(time)?;
                Ok(())
            }

            #[inline]
            fn is_bare() -> bool {
                true
            }

            fn describe(catalog: &mut Catalog) -> Type {
                catalog.foreign(concat!("google.protobuf.", $name).to_owned())
            }

            #[inline]
            fn whole_encode<B: BufMut>(&self, buffer: &mut B) {
                self.to_wire().encode_raw(buffer);
            }

            #[inline]
            fn whole_len(&self) -> usize {
                Message::encoded_len(&self.to_wire())
            }

            #[inline]
            fn whole_read<B: Buf>(buffer: &mut B) -> Option<Result<Self, DecodeError>> {
                let mut time = Time::default();
                Some(Message::merge(&mut time, buffer).and_then(|()| Self::from_wire(time)))
            }
        }
    )* };
}

well_known! {
    Duration: "Duration", Self::ZERO;
    SystemTime: "Timestamp", Self::UNIX_EPOCH;
}
