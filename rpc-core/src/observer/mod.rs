//! Who watches.

mod counters;
mod event;
mod log;
pub(crate) mod span;

pub use counters::{Counters, Counts, Outcomes};
pub use event::{AttemptEnded, CallEnded, Ejected, Event, FellBack, Handled, Hedged, Listed, Unclassified, Visitor};
pub use span::{Tracing, target};

use crate::{
    Address, Method, Status,
    registry::RegistrationState,
    transport::{ConnectionState, DrainPhase},
};
use std::{fmt, sync::Arc, time::Duration};

/// Told of everything that metrics, logs and tests want to know. Every method does nothing by default.
///
/// Called on the path of calls: an implementation counts and returns. A call, an attempt and a handler end when their
/// body does, and durations are until then. Each method stands for an [`Event`], whose name does not change.
#[expect(unused_variables, reason = "the names are documentation")]
pub trait Observer: Send + Sync + 'static {
    /// A client makes a call. [`call_ended`](Self::call_ended) follows, whatever becomes of it.
    fn call_began(&self, method: &'static Method) {}

    /// A client's call has ended.
    fn call_ended(&self, call: &CallEnded<'_>) {}

    /// An attempt goes to this server. [`attempt_ended`](Self::attempt_ended) follows.
    fn picked(&self, method: &'static Method, endpoint: &Address, transport: &'static str) {}

    /// One attempt at a call has ended.
    fn attempt_ended(&self, attempt: &AttemptEnded<'_>) {}

    /// A call is about to be made once more, as attempt `attempt`, which is the number of the last one if that had
    /// never left, or was the first that a server did not begin.
    fn retried(&self, method: &'static Method, attempt: u32, because: &Status) {}

    /// A call that takes long goes to another server as well: told before [`picked`](Self::picked) of that attempt.
    fn hedged(&self, hedged: &Hedged<'_>) {}

    /// The second of two attempts at a call was answered first. The other one is dropped.
    fn hedge_won(&self, method: &'static Method) {}

    /// A client's connection changed its state. Each one that was open is closed once, draining before that or not.
    fn connection(&self, endpoint: &Address, transport: &'static str, state: ConnectionState) {}

    /// A client could not connect; it tries again.
    fn connect_failed(&self, endpoint: &Address, transport: &'static str, because: &Status) {}

    /// An instance's protocol is not used for a while, since its hello was refused or not answered.
    fn fell_back(&self, fallback: &FellBack<'_>) {}

    /// A server that fails gets no calls for a while. A single call tries it after that, and once one went well
    /// [`readmitted`](Self::readmitted) follows.
    fn ejected(&self, ejected: &Ejected<'_>) {}

    /// A server of `service` that was ejected is well again, and gets its share of the calls within 20 s.
    fn readmitted(&self, service: &str, endpoint: &Address) {}

    /// A client has a list of instances, another than before.
    fn listed(&self, list: &Listed<'_>) {}

    /// A registration changed its state.
    fn registration(&self, instance: &str, state: RegistrationState) {}

    /// A server's handler is about to be called. [`handled`](Self::handled) follows.
    fn handling(&self, method: &'static Method, transport: &'static str) {}

    /// A call has ended on the server.
    fn handled(&self, call: &Handled<'_>) {}

    /// A call came to a server after its deadline, and its handler was not called. [`handled`](Self::handled) is told
    /// as well.
    fn expired(&self, method: &'static Method, transport: &'static str) {}

    /// A server had too much to do for this call, and its handler was not called. [`handled`](Self::handled) is told as
    /// well.
    fn refused(&self, method: &'static Method, transport: &'static str) {}

    /// One poll of a handler, or of the stream it returned, held a worker for `held`: everything else that the worker
    /// could do waited meanwhile. Not every poll is looked at.
    fn blocked(&self, method: &'static Method, held: Duration) {}

    /// A client has come to a server (open), or has gone (closed).
    fn accepted(&self, peer: Option<&Address>, transport: &'static str, state: ConnectionState) {}

    /// A visitor of a server's port spoke no protocol that is served there. Those that say nothing are not told of.
    fn unclassified(&self, visitor: &Unclassified<'_>) {}

    /// A server moved on towards its end.
    fn drain(&self, phase: DrainPhase) {}
}

/// Those who watch, and whether calls have spans of `tracing`. By default nobody and none, which costs one branch each.
#[derive(Clone, Default)]
pub struct Observers {
    all: Option<Arc<[Arc<dyn Observer>]>>,
    tracing: Tracing,
}

impl Observers {
    /// This observer.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self::default().and(observer)
    }

    /// With spans of `tracing` for calls, by OpenTelemetry's names, and a log of what happens beside them; or without.
    #[must_use]
    pub fn with_tracing(self, tracing: Tracing) -> Self {
        Self { tracing, ..self }
    }

    /// And this one. They are told in the order in which they came.
    #[must_use]
    pub fn and(self, observer: Arc<dyn Observer>) -> Self {
        let before = self.all.as_deref().unwrap_or_default();
        Self { all: Some(before.iter().cloned().chain([observer]).collect()), ..self }
    }

    /// Tells everyone.
    #[inline]
    pub fn tell(&self, event: impl Fn(&dyn Observer)) {
        if self.tracing == Tracing::On {
            event(&log::Log);
        }
        if let Some(observers) = &self.all {
            observers.iter().for_each(|observer| event(&**observer));
        }
    }

    /// Whether anybody wants to be told of calls; saves taking the time.
    #[inline]
    pub fn is_some(&self) -> bool {
        self.all.is_some()
    }

    /// Whether nobody is told of anything.
    pub fn is_none(&self) -> bool {
        self.all.is_none() && self.tracing == Tracing::Off
    }

    /// Whether calls have spans.
    pub(crate) fn spans(&self) -> Tracing {
        self.tracing
    }
}

impl<O: Observer> From<Arc<O>> for Observers {
    fn from(observer: Arc<O>) -> Self {
        Self::new(observer)
    }
}

impl From<Arc<dyn Observer>> for Observers {
    fn from(observer: Arc<dyn Observer>) -> Self {
        Self::new(observer)
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.all.as_ref().map_or(0, |observers| observers.len());
        write!(f, "Observers({count}, tracing {:?})", self.tracing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Named(char, Arc<Mutex<String>>);

    impl Observer for Named {
        fn drain(&self, _: DrainPhase) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn all_are_told_in_their_order() {
        let told = Arc::new(Mutex::new(String::new()));
        let named = |name| Arc::new(Named(name, told.clone()));
        assert!(!Observers::default().is_some());
        let observers = Observers::default().and(named('a')).and(named('b')).and(named('c'));
        assert!(observers.is_some());
        observers.tell(|observer| observer.drain(DrainPhase::Stopped));
        assert_eq!(*told.lock().unwrap(), "abc");
    }
}
