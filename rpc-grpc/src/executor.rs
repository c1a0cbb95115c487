//! hyper's tasks are ours.

use rpc_core::Tasks;

/// Lets hyper spawn into a set of tasks that has an owner.
#[derive(Clone, Debug)]
pub(crate) struct Executor(Tasks);

impl Executor {
    pub(crate) fn new(tasks: &Tasks) -> Self {
        // What runs in the set must not keep it alive.
        Self(tasks.handle())
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        // hyper's connections are driven by tasks of ours; whatever hyper starts ends with them.
        self.0.spawn_call(future);
    }
}
