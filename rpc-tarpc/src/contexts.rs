//! What tarpc is told of a call's time.

use crate::codec::LONGEST;
use std::time::Duration;
use tarpc::{context, trace};
use tokio::time::Instant;

/// What tarpc's own timer has over the deadline of a call. The deadline is kept above, by whoever set it; a call that
/// is left there is cancelled here, which tarpc at its deadline would not do. This is for calls nobody watches.
const GRACE: Duration = Duration::from_secs(1);

/// When tarpc ends a call that has no deadline. Its timers do not reach much further.
const NO_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Makes tarpc's contexts for the calls of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contexts {
    /// All but the deadline: asking tarpc for it costs a look at the tracing span.
    template: context::Context,
    /// tarpc's timers reach beyond this, so an earlier deadline need not be held against the clock.
    near: Instant,
}

impl Contexts {
    pub(crate) fn new() -> Self {
        let mut template = context::current();
        template.trace_context = trace::Context::default();
        Self { template, near: Instant::now() + NO_DEADLINE }
    }

    /// The context of a call with a deadline or without.
    pub(crate) fn with(&self, deadline: Option<Instant>) -> context::Context {
        let ends = match deadline {
            Some(deadline) if deadline < self.near => deadline + GRACE,
            Some(deadline) => deadline.min(Instant::now() + LONGEST) + GRACE,
            None => Instant::now() + NO_DEADLINE,
        };
        let mut context = self.template;
        context.deadline = ends.into_std();
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_timer_is_set_further_than_timers_reach() {
        let (contexts, now) = (Contexts::new(), Instant::now());
        let after = |deadline| Instant::from_std(contexts.with(deadline).deadline) - now;
        assert_eq!(after(Some(now + Duration::from_millis(300))), Duration::from_millis(300) + GRACE);
        assert_eq!(after(Some(now + 10 * NO_DEADLINE)), LONGEST + GRACE);
        assert_eq!(after(None), NO_DEADLINE);
    }
}
