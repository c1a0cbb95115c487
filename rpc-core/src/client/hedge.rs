//! When a call is made a second time beside the first.

use crate::{Kind, Method};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// When a call that has not been answered is made a second time, at another server (Dean and Barroso, The Tail at
/// Scale, 2013): the first answer counts, and the other attempt is dropped, which cancels it.
///
/// It helps where single calls are slow for no reason of their own (a pause, a busy disk, a lost packet), and costs the
/// servers those calls that are slow. So it is off unless somebody says otherwise, who knows that they have room.
///
/// Only calls of idempotent methods without streams are hedged, once each. A hedge is one of the three attempts at its
/// call and is paid from the budget of the retries. None is made for a call that is itself a retry or a hedge of
/// somebody upstream, when there is no other server, within a second of a server's saying that it has too much to do,
/// and when the deadline would come first. One that fails does no harm: the call ends as it would have without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hedge {
    /// Never.
    #[default]
    Off,
    /// When it has not been answered for so long.
    After(Duration),
    /// When it takes longer than so many percent of the method's calls through this channel in the last 20 to 30 s did;
    /// at least 1 ms, and not before a hundred have been answered.
    Percentile(Percentile),
}

/// A percentile, from the 50th to the 99th.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentile(u8);

impl Percentile {
    /// `None` when it is below 50, where more than every other call would be made twice, or above 99.
    pub const fn new(percent: u8) -> Option<Self> {
        if matches!(percent, 50..=99) { Some(Self(percent)) } else { None }
    }

    /// How many percent.
    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl Hedge {
    /// After the 95th percentile: one call in twenty is made twice.
    pub const P95: Self = Self::Percentile(Percentile(95));

    /// Whether calls of this method may be hedged: they are idempotent, and have no streams.
    pub const fn suits(method: &Method) -> bool {
        method.is_idempotent() && matches!(method.kind, Kind::Unary)
    }
}

impl fmt::Display for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::After(delay) => write!(f, "{delay:?}"),
            Self::Percentile(Percentile(percent)) => write!(f, "p{percent}"),
        }
    }
}

/// Which calls of one service are hedged.
///
/// The first counts that is set of: the option of the call, what is said here of the method, and of the service. What
/// is said of a service or by a call is for those of its methods that [can be hedged](Hedge::suits).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hedges {
    service: Option<Arc<Hedge>>,
    methods: BTreeMap<&'static str, Arc<Hedge>>,
}

/// A method whose calls cannot be hedged.
#[derive(Clone, Copy, Debug)]
pub struct NotHedged(&'static Method);

impl Hedges {
    /// For all methods that have none of their own here.
    #[must_use]
    pub fn with_service(mut self, hedge: Hedge) -> Self {
        self.service = Some(Arc::new(hedge));
        self
    }

    /// For one method.
    ///
    /// # Errors
    /// When its calls cannot be hedged; to say that they are not is no error.
    pub fn with_method(mut self, method: &'static Method, hedge: Hedge) -> Result<Self, NotHedged> {
        if hedge != Hedge::Off && !Hedge::suits(method) {
            return Err(NotHedged(method));
        }
        self.methods.insert(method.name, Arc::new(hedge));
        Ok(self)
    }

    pub(crate) fn of(&self, call: Option<&Arc<Hedge>>, method: &Method) -> Option<Arc<Hedge>> {
        let own = if self.methods.is_empty() { None } else { self.methods.get(method.name) };
        call.or(own).or(self.service.as_ref()).cloned()
    }
}

impl fmt::Display for NotHedged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.0.is_idempotent() { "it has streams" } else { "it is not `#[rpc(idempotent)]`" };
        write!(f, "calls of {} cannot be made twice at once, since {why}", self.0.path)
    }
}

impl std::error::Error for NotHedged {}

#[cfg(test)]
mod tests {
    use super::*;

    static PLACE: Method = Method::new("s", "Place", "/s/Place", Kind::Unary);
    static FIND: Method = Method::new("s", "Find", "/s/Find", Kind::Unary).idempotent();
    static FOLLOW: Method = Method::new("s", "Follow", "/s/Follow", Kind::ServerStream).idempotent();

    #[test]
    fn the_first_that_is_set_counts() {
        let after = |millis| Hedge::After(Duration::from_millis(millis));
        let of =
            |hedges: &Hedges, call: Option<Hedge>| hedges.of(call.map(Arc::new).as_ref(), &FIND).map(|hedge| *hedge);
        assert_eq!(of(&Hedges::default(), None), None);
        let service = Hedges::default().with_service(Hedge::P95);
        assert_eq!(of(&service, None), Some(Hedge::P95));
        let both = service.with_method(&FIND, after(50)).unwrap();
        assert_eq!(of(&both, None), Some(after(50)));
        assert_eq!(of(&both, Some(Hedge::Off)), Some(Hedge::Off));
    }

    #[test]
    fn who_names_a_method_that_cannot_be_hedged_is_told_why() {
        let refused = |method| Hedges::default().with_method(method, Hedge::P95).unwrap_err().to_string();
        assert_eq!(
            refused(&PLACE),
            "calls of /s/Place cannot be made twice at once, since it is not `#[rpc(idempotent)]`"
        );
        assert_eq!(refused(&FOLLOW), "calls of /s/Follow cannot be made twice at once, since it has streams");
        assert!(Hedges::default().with_method(&PLACE, Hedge::Off).is_ok());
    }

    #[test]
    fn percentiles_are_those_that_make_sense() {
        assert_eq!(Percentile::new(49), None);
        assert_eq!(Percentile::new(50).map(Percentile::percent), Some(50));
        assert_eq!(Percentile::new(100), None);
        assert_eq!(Hedge::P95.to_string(), "p95");
    }
}
