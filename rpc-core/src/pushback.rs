//! How long an overloaded server is to be left alone.

use crate::{
    Detail, Payload,
    message::{AsWellKnown, Many, Sole},
};
use std::time::Duration;

/// What a server asks of clients whose calls it has refused. The retries of a channel keep to it.
///
/// It travels as a detail, `google.rpc.RetryInfo`, on every wire, and on gRPC also as `grpc-retry-pushback-ms` (gRFC
/// A6), which clients of other frameworks know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// To call again no sooner than this.
    After(Duration),
    /// Not to call again, for this call.
    Never,
}

/// `google.rpc.RetryInfo`: a duration as field 1. A list of one is written in the same way.
type RetryInfo = Sole<Vec<Duration>, Many<AsWellKnown>>;

impl Pushback {
    const TYPE: &str = "google.rpc.RetryInfo";

    /// From the milliseconds of gRFC A6, where whatever is no number, or is negative, means never.
    pub fn from_millis(text: &str) -> Self {
        text.parse::<u32>().map_or(Self::Never, |millis| Self::After(Duration::from_millis(millis.into())))
    }

    /// The detail by which it travels.
    pub(crate) fn detail(after: Duration) -> Detail {
        let value = Payload::typed(RetryInfo::new(vec![after])).into_bytes();
        Detail { type_url: format!("type.googleapis.com/{}", Self::TYPE).into(), value }
    }

    /// The time that a detail says, if it is one that says this.
    pub(crate) fn of(detail: &Detail) -> Option<Duration> {
        if detail.type_name() != Self::TYPE {
            return None;
        }
        Payload::Encoded(detail.value.clone()).take::<RetryInfo>().ok()?.into_inner().pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_retry_info() {
        let detail = Pushback::detail(Duration::from_millis(1250));
        assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.RetryInfo");
        // retry_delay = 1: a google.protobuf.Duration of 1 s and 250,000,000 ns.
        assert_eq!(detail.value[..], [0x0a, 7, 0x08, 1, 0x10, 0x80, 0xe5, 0x9a, 0x77]);
        assert_eq!(Pushback::of(&detail), Some(Duration::from_millis(1250)));
        let other = Detail { type_url: "x/y".into(), ..detail.clone() };
        assert_eq!(Pushback::of(&other), None);
        assert_eq!(Pushback::of(&Detail { value: bytes::Bytes::from_static(&[0x0a, 200]), ..detail }), None);
    }

    #[test]
    fn what_is_no_number_of_milliseconds_means_never() {
        assert_eq!(Pushback::from_millis("250"), Pushback::After(Duration::from_millis(250)));
        for text in ["-1", "", "soon", "1.5", "99999999999"] {
            assert_eq!(Pushback::from_millis(text), Pushback::Never, "{text}");
        }
    }
}
