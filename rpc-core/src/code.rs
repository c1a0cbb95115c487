//! The kinds of failure.

use std::fmt;

/// Why a call failed: gRPC's codes, by number and name, without `Ok`, for success is not a kind of failure.
///
/// Source: `grpc/grpc/doc/statuscodes.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Code {
    /// The caller left before the answer came.
    Cancelled = 1,
    /// Something failed and nobody said what.
    Unknown = 2,
    /// The request makes no sense, whatever the state of the system.
    InvalidArgument = 3,
    /// The time allowed for the call has passed; the work may have been done.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be created exists already.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A quota, a limit or a queue is full.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs; trying again without changing that is useless.
    FailedPrecondition = 9,
    /// The call lost against a concurrent one; trying the whole transaction again may help.
    Aborted = 10,
    /// Past the end of a range that may grow.
    OutOfRange = 11,
    /// No such service or method here.
    Unimplemented = 12,
    /// An invariant is broken; somebody has to look at this.
    Internal = 13,
    /// Nobody could be reached just now; the same call may succeed a moment later.
    Unavailable = 14,
    /// Data is lost or corrupt and cannot be had back.
    DataLoss = 15,
    /// The caller has not said, or not proved, who it is.
    Unauthenticated = 16,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code of a number that a peer sent. 0 (success) and numbers nobody has defined give `None`.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 | 17.. => None,
            n => Some(Self::ALL[n as usize - 1]),
        }
    }

    /// As gRPC and OpenTelemetry write it: `NOT_FOUND`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The number that stands for the code on every wire.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_wire_and_strange_ones_are_refused() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
        }
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(17), None);
        assert_eq!(Code::from_number(255), None);
    }
}
