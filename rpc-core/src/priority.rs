//! Which calls a server does first when it cannot do all.

use crate::{Context, Metadata};
use std::{fmt, str::FromStr};

/// How urgent a call is: whose calls are refused first when a server has too much to do. The four are Google's
/// ("Handling Overload", chapter 21 of *Site Reliability Engineering*).
///
/// Said by the caller with [`Client::with_priority`](crate::client::Client::with_priority), and inherited by the calls
/// that a handler makes for it, like the trace: refusing one of those wastes all that was done above it. It travels in
/// the [baggage](Context::baggage) under [`Priority::KEY`], which every wire carries, which servers that know nothing
/// of it pass on, and which a call of the default does not pay for. Nobody checks whether a caller may say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May fail at any time, and is made again later: batches. Refused first.
    Sheddable,
    /// May fail now and then: what nobody waits for.
    SheddablePlus,
    /// Somebody would notice. The default.
    #[default]
    Critical,
    /// Somebody would notice at once, and dearly. Refused last.
    CriticalPlus,
}

impl Priority {
    /// From the least urgent to the most.
    pub const ALL: [Self; 4] = [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus];
    /// Its key in the baggage.
    pub const KEY: &'static str = "rpc.priority";

    /// As it is written: `sheddable`, `sheddable-plus`, `critical`, `critical-plus`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::SheddablePlus => "sheddable-plus",
            Self::Critical => "critical",
            Self::CriticalPlus => "critical-plus",
        }
    }

    /// That of the call whose baggage this is. What nobody knows is the default, and so is nothing.
    pub(crate) fn of(baggage: &Metadata) -> Self {
        baggage.get(Self::KEY).and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl Context {
    /// How urgent the call is.
    pub fn priority(&self) -> Priority {
        Priority::of(self.baggage())
    }

    /// As urgent as this. Where the baggage is full already there is no room to say so, and it stays the default.
    #[must_use]
    pub fn with_priority(self, priority: Priority) -> Self {
        if self.priority() == priority {
            return self;
        }
        let baggage = self.baggage().without(Priority::KEY);
        let baggage = match priority {
            Priority::Critical => baggage,
            other => {
                let mut said = baggage.clone();
                said.append(Priority::KEY, other.as_str()).map_or(baggage, |()| said)
            }
        };
        self.with_baggage(baggage)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = PriorityError;

    fn from_str(text: &str) -> Result<Self, PriorityError> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text).ok_or(PriorityError(()))
    }
}

/// A text that is no [`Priority`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityError(());

impl fmt::Display for PriorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a priority is sheddable, sheddable-plus, critical or critical-plus")
    }
}

impl std::error::Error for PriorityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_passed_on_and_said_anew_and_costs_nothing_where_it_is_the_default() {
        assert_eq!(Context::default().priority(), Priority::Critical);
        assert!(Context::default().with_priority(Priority::Critical).baggage().is_empty());
        let urgent = Context::default().with_priority(Priority::CriticalPlus);
        let nested = urgent.child(None);
        assert_eq!(nested.priority(), Priority::CriticalPlus);
        let less = nested.with_priority(Priority::Sheddable);
        assert_eq!((less.priority(), less.baggage().len()), (Priority::Sheddable, 1));
        assert!(less.with_priority(Priority::Critical).baggage().is_empty());
    }

    #[test]
    fn what_nobody_knows_is_the_default_and_other_baggage_stays() {
        let mut baggage = Metadata::default();
        baggage.append("tenant", "a").unwrap();
        baggage.append(Priority::KEY, "PANIC").unwrap();
        let context = Context::default().with_baggage(baggage);
        assert_eq!(context.priority(), Priority::Critical);
        let context = context.with_priority(Priority::SheddablePlus);
        assert_eq!(context.priority(), Priority::SheddablePlus);
        assert_eq!((context.baggage().get("tenant"), context.baggage().len()), (Some("a"), 2));
        for priority in Priority::ALL {
            assert_eq!(priority.to_string().parse(), Ok(priority));
        }
    }
}
