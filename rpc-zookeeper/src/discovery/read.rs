//! The requests of discovery.

use super::view::{Node, Parent, View};
use rpc_core::observer::target;
use std::{collections::BTreeSet, fmt, time::Duration};
use tokio::time::timeout;
use zookeeper_client::{Client, Error, MultiReadResult};

/// Why nothing could be read.
#[derive(Debug)]
pub(super) enum Unread {
    Refused(Error),
    /// A server that answers pings but no request is as good as none.
    Silent,
}

impl Unread {
    const PATIENCE: Duration = Duration::from_secs(10);
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Error::Unimplemented) => f.write_str("this ZooKeeper is older than 3.6, upgrade it"),
            Self::Refused(Error::NoAuth) => f.write_str("ZooKeeper does not permit reading; grant read to this client"),
            Self::Refused(error) => write!(f, "ZooKeeper answers: {error}"),
            Self::Silent => write!(f, "ZooKeeper has not answered within {:?}", Self::PATIENCE),
        }
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The answer to a request, not waited for for ever. (Only for requests that change nothing: no longer waiting for an
/// answer does not recall a request.)
pub(super) async fn answer<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Unread> {
    match timeout(Unread::PATIENCE, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Unread::Silent),
    }
}

/// The children of a service.
pub(super) struct List {
    /// None when there is no such service.
    pub(super) parent: Option<Parent>,
    pub(super) names: BTreeSet<String>,
}

/// How many nodes are read with one request: together at most 32 MB if somebody made each as large as it can be.
const CHUNK: usize = 32;

pub(super) async fn list(client: &Client, path: &str) -> Result<List, Unread> {
    // A server that lags behind catches up first.
    let synced = client.sync(path);
    let children = client.get_children(path);
    answer(synced).await?;
    match answer(children).await {
        Ok((names, stat)) => {
            if names.len() > View::MAX_NODES {
                tracing::error!(
                    target: target::REGISTRY, path, nodes = names.len(), most = View::MAX_NODES,
                    "too many nodes, some are not used"
                );
            }
            let names = names.into_iter().take(View::MAX_NODES).collect();
            Ok(List { parent: Some(Parent { created: stat.czxid, changed: stat.pzxid }), names })
        }
        Err(Unread::Refused(Error::NoNode)) => Ok(List { parent: None, names: BTreeSet::new() }),
        Err(error) => Err(error),
    }
}

/// Each node as it is now; none for one that is gone.
pub(super) async fn nodes(
    client: &Client,
    path: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<(String, Option<Node>)>, Unread> {
    let mut nodes = Vec::with_capacity(names.len());
    let names: Vec<_> = names.iter().collect();
    for chunk in names.chunks(CHUNK) {
        let mut reader = client.new_multi_reader();
        for name in chunk {
            reader.add_get_data(&format!("{path}/{name}"))?;
        }
        let results = answer(reader.commit()).await?;
        for (name, result) in chunk.iter().zip(results) {
            let node = match result {
                MultiReadResult::Data { data, stat } => Some(Node { created: stat.czxid, data }),
                MultiReadResult::Error { err: Error::NoNode } => None,
                // One that may not be read is a bad one.
                _ => Some(Node { created: 0, data: Vec::new() }),
            };
            nodes.push(((*name).clone(), node));
        }
    }
    Ok(nodes)
}
