//! How long a call may take, and who says so.

use crate::Method;
use std::{collections::BTreeMap, time::Duration};

/// What configuration says about the timeouts of one service.
///
/// For a unary call the first counts that is set of: the option of the call, the configuration of the method, of the
/// service, `#[rpc(timeout)]`, 5 s. A stream lives as long as its two ends like: only the method's own timeout, from
/// configuration or from `#[rpc(timeout)]`, bounds all of it; the other values bound its *opening*, which is until the
/// response begins, or, where the client streams, until a server is found, and once more until another is if that goes
/// before it has taken anything. (A foreign server that holds its headers back until its first message opens its
/// streams late: raise the timeout there.)
///
/// Whatever is set, a call never outlives the call in whose handler it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    service: Option<Duration>,
    methods: BTreeMap<String, Duration>,
}

/// The two limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Of the whole call, its body included.
    pub(crate) total: Option<Duration>,
    /// Of the time until a stream begins.
    pub(crate) opening: Option<Duration>,
}

impl Timeouts {
    /// How long a unary call may take, and a stream may need to begin, when nobody has said otherwise: 5 s.
    pub const DEFAULT: Duration = Duration::from_secs(5);

    /// The timeout of all methods that have none of their own here.
    #[must_use]
    pub fn with_service(mut self, timeout: Duration) -> Self {
        self.service = Some(timeout);
        self
    }

    /// The timeout of one method, by its name on the wire, as in `Find`.
    #[must_use]
    pub fn with_method(mut self, name: impl Into<String>, timeout: Duration) -> Self {
        self.methods.insert(name.into(), timeout);
        self
    }

    pub(crate) fn limit(&self, call: Option<Duration>, method: &Method) -> Limit {
        let configured = if self.methods.is_empty() { None } else { self.methods.get(method.name).copied() };
        if method.kind.request_streams() || method.kind.response_streams() {
            let opening = call.or(self.service).unwrap_or(Self::DEFAULT);
            return Limit { total: configured.or(method.timeout), opening: Some(opening) };
        }
        let total = call.or(configured).or(self.service).or(method.timeout).unwrap_or(Self::DEFAULT);
        Limit { total: Some(total), opening: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_that_is_set_counts() {
        let plain = Method::new("s", "Find", "/s/Find", Kind::Unary);
        let marked = plain.with_timeout(seconds(4));
        let service = Timeouts::default().with_service(seconds(3));
        let both = service.clone().with_method("Find", seconds(2));
        let total = |timeouts: &Timeouts, call, method| timeouts.limit(call, method).total.unwrap();
        assert_eq!(total(&Timeouts::default(), None, &plain), seconds(5));
        assert_eq!(total(&Timeouts::default(), None, &marked), seconds(4));
        assert_eq!(total(&service, None, &marked), seconds(3));
        assert_eq!(total(&both, None, &marked), seconds(2));
        assert_eq!(total(&both, Some(seconds(1)), &marked), seconds(1));
    }

    #[test]
    fn only_the_methods_own_timeout_bounds_a_whole_stream() {
        let plain = Method::new("s", "Follow", "/s/Follow", Kind::ServerStream);
        let service = Timeouts::default().with_service(seconds(3));
        assert_eq!(Timeouts::default().limit(None, &plain), Limit { total: None, opening: Some(seconds(5)) });
        assert_eq!(service.limit(None, &plain), Limit { total: None, opening: Some(seconds(3)) });
        assert_eq!(service.limit(Some(seconds(1)), &plain), Limit { total: None, opening: Some(seconds(1)) });
        let marked = plain.with_timeout(seconds(60));
        assert_eq!(service.limit(None, &marked), Limit { total: Some(seconds(60)), opening: Some(seconds(3)) });
    }
}
