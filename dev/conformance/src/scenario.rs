//! Something a caller may rely on, and the way to find out whether it is so.

use crate::{
    columns::Column,
    outcome::{Outcome, caught},
};
use rpc_core::BoxFuture;
use std::{fmt, sync::Arc, time::Duration};

/// Something a caller may rely on, whatever is underneath.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// A sentence that is true when the scenario passes.
    pub name: &'static str,
    /// Panics, with what is wrong, when the sentence is false.
    pub(crate) run: fn(Arc<dyn Column>) -> BoxFuture<'static, Verdict>,
}

/// The end of a scenario that did not panic.
pub(crate) type Verdict = Result<(), NotApplicable>;

/// There is nothing in this column that the scenario could be about. Why, stands in `not_applicable.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotApplicable;

/// Makes a [`Scenario`] of its name and its function.
macro_rules! scenarios {
    ($($name:literal => $function:ident,)+) => {
        &[$($crate::scenario::Scenario { name: $name, run: |column| Box::pin($function(column)) },)+]
    };
}
pub(crate) use scenarios;

impl Scenario {
    /// A scenario that takes longer hangs.
    pub const LIMIT: Duration = Duration::from_secs(20);

    /// Runs it.
    pub async fn run(&self, column: Arc<dyn Column>) -> Outcome {
        match tokio::time::timeout(Self::LIMIT, caught((self.run)(column))).await {
            Ok(Ok(Ok(()))) => Outcome::Ok,
            Ok(Ok(Err(NotApplicable))) => Outcome::NotApplicable,
            Ok(Err(panic)) => Outcome::Failed(panic),
            Err(_) => Outcome::Failed(format!("it hung for {:?}", Self::LIMIT)),
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}
