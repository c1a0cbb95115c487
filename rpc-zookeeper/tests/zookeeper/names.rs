//! Names that lead somewhere else.

use crate::{common::*, processes::Client};
use rpc_core::{
    Address,
    registry::{Endpoint, RegistrationState},
};
use rpc_testkit::{Cut, FaultProxy, Mode, scratch};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);
const NAME: &str = "zookeeper.test";

/// What one process takes for `/etc/hosts`, by a library that comes between it and the system's resolver.
struct Hosts {
    folder: TempDir,
    changes: u64,
}

impl Hosts {
    fn new() -> Self {
        let hosts = Self { folder: scratch("hosts").unwrap(), changes: 0 };
        fs::write(hosts.file(), "").unwrap();
        hosts
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    /// `NAME` is at this address from now on, and nowhere else.
    fn point_to(&mut self, address: &str) {
        // Put in place whole, and visibly later than the one before, which is all that the library looks at.
        let (next, file) = (self.folder.path().join("next"), self.file());
        fs::write(&next, format!("{address} {NAME}\n")).unwrap();
        self.changes += 1;
        let modified = SystemTime::now() + Duration::from_secs(10 * self.changes);
        fs::File::options().append(true).open(&next).unwrap().set_modified(modified).unwrap();
        fs::rename(next, file).unwrap();
    }
}

/// The name is looked up with every try: also when it was unknown before, and when the session was elsewhere before.
#[tokio::test]
async fn a_name_that_leads_somewhere_else_is_followed() {
    let (direct, base) = (server().await.connect_string(), place());
    let first_link = FaultProxy::start(&direct).unwrap();
    let port = first_link.address().port();
    let second_link = FaultProxy::start_at(([127, 0, 0, 2], port).into(), &direct).unwrap();
    let mut hosts = Hosts::new();
    let file = hosts.file().display().to_string();
    let preload = [("LD_PRELOAD", "libnss_wrapper.so"), ("NSS_WRAPPER_HOSTS", file.as_str())];
    let mut client = Client::start(&format!("{NAME}:{port}"), &base, &preload);
    client.shows("unreachable").await;

    hosts.point_to("127.0.0.1");
    client.shows("live").await;
    let ours = registry(&direct, &base);
    // By its name the registry is on another machine, where a loopback address would be none.
    let mut one = instance(&["demo.Echo"], 7000);
    one.endpoints = vec![Endpoint::new("grpc", Address::tcp("10.0.0.7", 7000))];
    let registration = register(&ours, &one).await;
    client.shows(&format!("live {}", one.id)).await;
    assert_eq!(second_link.connections(), 0);

    hosts.point_to("127.0.0.2");
    first_link.set(Mode::Refuse).await;
    first_link.cut(Cut::Reset).await;
    client.shows(&format!("stale {}", one.id)).await;
    client.shows(&format!("live {}", one.id)).await;
    assert!(second_link.open() > 0);
    assert_eq!(registration.state(), RegistrationState::Registered);
    assert!(registration.close(SOON).await);
    client.shows("live").await;
}
