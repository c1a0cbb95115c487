//! The requests of a registration.

use super::machine::{Change, Failure, Found};
use crate::{
    record::{self, Node, Record},
    session::Live,
};
use futures_util::future::{join_all, try_join_all};
use rpc_core::observer::target;
use zookeeper_client::{Acls, CreateMode, CreateOptions, Error, OneshotWatcher};

/// Anybody may read and write, as with Curator: reading is what they are for, and there is nobody else to name, since
/// this client does not say who it is. Lists on the parents are not inherited; they say who may add and remove records.
const NODE: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
const PARENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// What stands in our nodes, with a watch on each that is there.
pub(super) async fn look(live: &Live, record: &Record) -> Result<(Vec<Found>, Vec<OneshotWatcher>), Failure> {
    let Some(first) = record.nodes.first() else { return Ok((Vec::new(), Vec::new())) };
    // Requests go out in the order of the calls and are answered in it. The first makes the server catch up: a session
    // that was taken up again, or has moved, may otherwise read what was.
    let synced = live.client.sync(&first.parent);
    let read = join_all(record.nodes.iter().map(|node| live.client.get_and_watch_data(&node.path)));
    synced.await.map_err(|error| failure(&error))?;
    let mut all = Vec::new();
    let mut watchers = Vec::new();
    for (node, read) in record.nodes.iter().zip(read.await) {
        match read {
            Ok((data, stat, watcher)) => {
                let mine = stat.ephemeral_owner == live.client.session_id().0;
                all.push(judge(node, record, &data, mine, stat.version));
                watchers.push(watcher);
            }
            Err(Error::NoNode) => all.push(Found::Absent),
            Err(error) => return Err(failure(&error)),
        }
    }
    Ok((all, watchers))
}

/// Ours is what holds our nonce. The session proves it as well, but a session can be another by now.
fn judge(node: &Node, record: &Record, data: &[u8], mine: bool, version: i32) -> Found {
    if mine && *data == *node.data {
        Found::Current { version }
    } else if mine {
        Found::Outdated { version }
    } else if record::nonce(data).is_some_and(|nonce| nonce == record.nonce) {
        Found::Orphaned { version }
    } else {
        tracing::error!(
            target: target::REGISTRY, node = %node.path,
            "this node is somebody else's, under our id; it is left alone, remove it"
        );
        Found::Foreign
    }
}

/// All changes or none.
pub(super) async fn write(live: &Live, record: &Record, changes: &[Change]) -> Result<(), Failure> {
    let mut transaction = live.client.new_multi_writer();
    for change in changes {
        let (number, deleted, created) = match *change {
            Change::Create(node) => (node, None, true),
            Change::TakeOver(node, version) => (node, Some(version), true),
            Change::Delete(node, version) => (node, Some(version), false),
            Change::Replace(node, _) => (node, None, false),
        };
        let Some(node) = record.nodes.get(number) else { continue };
        let mut added = Ok(());
        if let Some(version) = deleted {
            added = added.and(transaction.add_delete(&node.path, Some(version)));
        }
        if created {
            added = added.and(transaction.add_create(&node.path, &node.data, &NODE));
        }
        if let Change::Replace(_, version) = *change {
            added = added.and(transaction.add_set_data(&node.path, &node.data, Some(version)));
        }
        added.map_err(|error| failure(&error))?;
    }
    // Between this question and the request nothing else runs on this thread. The connection may be lost and not yet
    // known to be: then the request is queued, and therefore its answer is waited for, however late it comes.
    if !live.is_connected() {
        return Err(Failure::Unknown);
    }
    let committed = transaction.commit().await;
    committed.map(drop).map_err(|error| failure(&error.into()))
}

/// Makes the nodes above ours. They stay: an access control list on them must outlive the last server.
pub(super) async fn make_parents(live: &Live, record: &Record) -> Result<(), Failure> {
    let parents = record.nodes.iter().map(|node| live.client.mkdir(&node.parent, &PARENT));
    try_join_all(parents).await.map(drop).map_err(|error| failure(&error))
}

/// What an error says about what was changed. Whatever is not known to mean "nothing" means "who knows": a connection
/// that ends brings `ConnectionLoss`, one that falls silent an error of the kind `Custom`, and there are more.
fn failure(error: &Error) -> Failure {
    match error {
        Error::NoNode => Failure::NoParent,
        Error::NodeExists | Error::BadVersion | Error::NotEmpty => Failure::Raced,
        Error::NoAuth
        | Error::InvalidAcl
        | Error::AuthFailed
        | Error::BadArguments(_)
        | Error::QuotaExceeded
        | Error::NoChildrenForEphemerals
        | Error::NotReadOnly
        | Error::MarshallingError
        | Error::Unimplemented => {
            tracing::error!(
                target: target::REGISTRY, %error,
                "ZooKeeper refuses the registration; it is tried again every minute"
            );
            Failure::Refused
        }
        _ => Failure::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        policy::Reach,
        testing::{client, server},
    };
    use rpc_core::{
        Address,
        registry::{Endpoint, Instance},
    };
    use rpc_testkit::{Cut, FaultProxy, Mode, eventually};
    use std::time::Duration;
    use tokio::time::timeout;
    use zookeeper_client::{Client, SessionState};

    const SOON: Duration = Duration::from_secs(5);

    async fn live() -> Live {
        Live { client: client().await, generation: 1 }
    }

    fn record(service: &str) -> Record {
        let endpoints = vec![Endpoint::new("grpc", Address::tcp("127.0.0.1", 7000))];
        let instance = Instance::new(Instance::random_id(), vec![service.parse().unwrap()], endpoints);
        Record::new(&instance, "/nodes", Reach::Loopback).unwrap()
    }

    async fn found(live: &Live, record: &Record) -> Found {
        look(live, record).await.unwrap().0[0]
    }

    /// With a delete and a create one after the other, a reader in between sees nothing; and a create that only waits
    /// for the old session to end comes too late.
    #[tokio::test]
    async fn a_record_of_an_older_session_is_taken_over_without_a_gap() {
        let (old, new, record) = (live().await, live().await, record("demo.TakeOver"));
        assert_eq!(write(&old, &record, &[Change::Create(0)]).await, Err(Failure::NoParent));
        make_parents(&old, &record).await.unwrap();
        write(&old, &record, &[Change::Create(0)]).await.unwrap();
        assert_eq!(write(&new, &record, &[Change::Create(0)]).await, Err(Failure::Raced));
        assert_eq!(found(&old, &record).await, Found::Current { version: 0 });
        assert_eq!(found(&new, &record).await, Found::Orphaned { version: 0 });

        assert_eq!(write(&new, &record, &[Change::TakeOver(0, 7)]).await, Err(Failure::Raced));
        write(&new, &record, &[Change::TakeOver(0, 0)]).await.unwrap();
        assert_eq!(found(&new, &record).await, Found::Current { version: 0 });
        let stat = new.client.check_stat(&record.nodes[0].path).await.unwrap().unwrap();
        let parent = new.client.check_stat(&record.nodes[0].parent).await.unwrap().unwrap();
        assert_eq!(stat.czxid, parent.pzxid, "deleted and created by one transaction");

        // The old session takes nothing along.
        server().await.expire_session(old.client.session_id().0).await.unwrap();
        assert_eq!(found(&new, &record).await, Found::Current { version: 0 });
    }

    /// A client on a line that can be broken, with the parent of its record made.
    async fn on_a_line(record: &Record) -> (FaultProxy, Live) {
        let line = FaultProxy::start(server().await.connect_string()).unwrap();
        let connector = Client::connector().with_session_timeout(Duration::from_secs(5));
        let live = Live { client: connector.connect(&line.address().to_string()).await.unwrap(), generation: 1 };
        make_parents(&live, record).await.unwrap();
        (line, live)
    }

    /// The library queues a request while it has no connection, and carries it out later though nobody waits for the
    /// answer any more. Without the question whether there is a connection, the record is there in the end.
    #[tokio::test]
    async fn nothing_is_written_later_than_it_was_wanted() {
        let record = record("demo.Ghost");
        let (line, live) = on_a_line(&record).await;
        line.set(Mode::Refuse).await;
        line.cut(Cut::Reset).await;
        assert!(eventually(SOON, || live.client.state() == SessionState::Disconnected).await);
        let written = timeout(Duration::from_millis(200), write(&live, &record, &[Change::Create(0)])).await;
        line.set(Mode::Forward).await;
        assert!(eventually(SOON, || live.is_connected()).await);
        // Answered in order: whatever was queued has been carried out when this is.
        assert_eq!(found(&live, &record).await, Found::Absent);
        assert_eq!(written, Ok(Err(Failure::Unknown)));
    }

    /// Silence is not reported as the loss of a connection but as an error of a kind that says nothing.
    #[tokio::test]
    async fn silence_means_that_it_may_have_been_done() {
        let record = record("demo.Silence");
        let (line, live) = on_a_line(&record).await;
        line.set(Mode::DropReplies).await;
        assert_eq!(write(&live, &record, &[Change::Create(0)]).await, Err(Failure::Unknown));
        line.set(Mode::Forward).await;
        line.cut(Cut::Reset).await;
        assert!(eventually(SOON, || live.is_connected()).await);
        assert_eq!(found(&live, &record).await, Found::Current { version: 0 });
    }

    #[tokio::test]
    async fn a_change_by_others_is_seen_and_put_right() {
        let (live, record) = (live().await, record("demo.Change"));
        make_parents(&live, &record).await.unwrap();
        write(&live, &record, &[Change::Create(0)]).await.unwrap();
        let (_, watchers) = look(&live, &record).await.unwrap();
        live.client.set_data(&record.nodes[0].path, b"{}", None).await.unwrap();
        timeout(Duration::from_secs(5), crate::watcher::any_changed(watchers)).await.expect("a change is seen");
        assert_eq!(found(&live, &record).await, Found::Outdated { version: 1 });
        write(&live, &record, &[Change::Replace(0, 1)]).await.unwrap();
        assert_eq!(found(&live, &record).await, Found::Current { version: 2 });
        write(&live, &record, &[Change::Delete(0, 2)]).await.unwrap();
        assert_eq!(found(&live, &record).await, Found::Absent);
    }

    #[test]
    fn what_may_have_been_done_is_told_from_what_was_not() {
        assert_eq!(failure(&Error::NodeExists), Failure::Raced);
        assert_eq!(failure(&Error::NoAuth), Failure::Refused);
        for ambiguous in [
            Error::ConnectionLoss,
            Error::Timeout,
            Error::SessionExpired,
            Error::ClientClosed,
            Error::UnexpectedError(String::new()),
            Error::UnexpectedErrorCode(-13),
            Error::Throttled,
        ] {
            assert_eq!(failure(&ambiguous), Failure::Unknown, "{ambiguous}");
        }
    }
}
