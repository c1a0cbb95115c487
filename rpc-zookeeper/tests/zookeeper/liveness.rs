//! A program that hangs, on a ZooKeeper that is well.

use crate::common::*;
use rpc_core::registry::Registry;
use std::{sync::mpsc, thread, time::Duration};
use tokio::{runtime::Builder, sync::oneshot};

/// It is noticed after 5 s, and this machine may be busy.
const NOTICED: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "another program, which ends before the test")]
#[tokio::test]
async fn a_program_that_hangs_is_off_the_list_until_it_goes_on() {
    let (host, base) = (server().await.connect_string(), place());
    let mut list = registry(&host, &base).watch(&service("demo.Hanging"));
    let instance = instance(&["demo.Hanging"], 7000);
    let listed = set([&instance]);
    let (go_on, hangs) = mpsc::channel();
    let (end, ends) = oneshot::channel();
    let program = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let registry = registry(&host, &base);
        let registration = runtime.block_on(register(&registry, &instance));
        // None of its tasks runs meanwhile.
        hangs.recv().unwrap();
        runtime.block_on(ends).unwrap();
        runtime.block_on(registration.close(NOTICED))
    });
    until(&mut list, NOTICED, |snapshot| ids(snapshot) == listed).await.unwrap();
    until(&mut list, NOTICED, |snapshot| snapshot.instances.is_empty()).await.unwrap();
    go_on.send(()).unwrap();
    until(&mut list, NOTICED, |snapshot| ids(snapshot) == listed).await.unwrap();
    end.send(()).unwrap();
    until(&mut list, NOTICED, |snapshot| snapshot.instances.is_empty()).await.unwrap();
    assert!(program.join().unwrap());
}
