//! With real files, and real processes where it matters who lives.

use super::File;
use crate::registry::{
    Availability, Endpoint, Instance, Registration, RegistrationState, Registry, ServiceName, Snapshot, Source, Watch,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(10);

fn orders() -> ServiceName {
    "baedal.Orders".parse().unwrap()
}

fn instance(id: &str) -> Instance {
    let endpoint = Endpoint::new("grpc", "127.0.0.1:7000".parse().unwrap());
    Instance::new(id, vec![orders(), "baedal.Stores".parse().unwrap()], vec![endpoint])
}

/// Waits for a list of these ids.
async fn listed(watch: &mut Watch, ids: &[&str]) -> Arc<Snapshot> {
    let wait = async {
        let mut snapshot = watch.snapshot();
        while !snapshot.is_known() || snapshot.instances.iter().map(|instance| &*instance.id).ne(ids.iter().copied()) {
            snapshot = watch.changed().await;
        }
        snapshot
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not {ids:?}: {watch:?}"))
}

/// Waits until something is so that nobody tells of.
async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{what} never came"));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn registered(registry: &File, id: &str) -> Registration {
    let mut registration = registry.register(instance(id)).await.unwrap();
    assert!(tokio::time::timeout(LIMIT, registration.reached(RegistrationState::Registered)).await.unwrap());
    registration
}

#[tokio::test]
async fn a_server_is_listed_from_its_registration_to_its_end() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let mut watch = registry.watch(&orders());
    assert_eq!(listed(&mut watch, &[]).await.availability, Availability::NoService);

    let first = registered(&registry, "a").await;
    let second = registered(&registry, "b").await;
    let snapshot = listed(&mut watch, &["a", "b"]).await;
    assert_eq!(*snapshot.instances[0], instance("a"));
    assert_eq!(names(&registry.directory().join("baedal.Stores")), ["a.json", "a.lock", "b.json", "b.lock"]);

    assert!(first.close(LIMIT).await);
    listed(&mut watch, &["b"]).await;
    drop(second);
    assert_eq!(listed(&mut watch, &[]).await.availability, Availability::Listed);
    assert!(names(&registry.directory().join("baedal.Orders")).is_empty());
    assert_eq!(registry.url(), format!("file://{}", temporary.path().join("rpc").display()));
}

#[tokio::test]
async fn bad_records_are_skipped_and_counted() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _good = registered(&registry, "good").await;
    let service = registry.directory().join("baedal.Orders");
    // Somebody who is alive writes nonsense.
    let mut locks = Vec::new();
    for (id, text) in
        [("large", "x".repeat(70_000)), ("other", String::from("{\"id\":\"good\"}")), ("cut", String::from("{"))]
    {
        let lock = fs::File::create(service.join(format!("{id}.lock"))).unwrap();
        lock.try_lock().unwrap();
        locks.push(lock);
        fs::write(service.join(format!("{id}.json")), text).unwrap();
    }
    std::os::unix::fs::symlink("good.json", service.join("link.json")).unwrap();
    fs::create_dir(service.join("directory.json")).unwrap();
    fs::write(service.join("not an id.json"), "").unwrap();
    let lock = fs::File::create(service.join("directory.lock")).unwrap();
    lock.try_lock().unwrap();
    let mut watch = registry.watch(&orders());
    let snapshot = listed(&mut watch, &["good"]).await;
    assert_eq!(snapshot.skipped, 6);
}

#[tokio::test]
async fn the_lock_of_one_that_died_before_it_was_registered_is_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _a = registered(&registry, "a").await;
    let service = registry.directory().join("baedal.Orders");
    let lock = fs::File::create(service.join("dead.lock")).unwrap();
    lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    let _watch = registry.watch(&orders());
    until("its end", || names(&service) == ["a.json", "a.lock"]).await;
}

#[tokio::test]
async fn a_record_that_somebody_removes_is_made_again() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _a = registered(&registry, "a").await;
    let service = registry.directory().join("baedal.Orders");
    let mut watch = registry.watch(&orders());
    listed(&mut watch, &["a"]).await;

    fs::remove_file(service.join("a.json")).unwrap();
    until("the record", || service.join("a.json").exists()).await;
    fs::remove_file(service.join("a.lock")).unwrap();
    until("the lock", || service.join("a.lock").exists()).await;
    fs::remove_dir_all(&service).unwrap();
    until("the service's directory", || service.join("a.json").exists()).await;
    listed(&mut watch, &["a"]).await;
    fs::remove_dir_all(registry.directory()).unwrap();
    until("the whole directory", || service.join("a.json").exists()).await;
    listed(&mut watch, &["a"]).await;
    assert_eq!(fs::metadata(registry.directory()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let elsewhere = temporary.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let link = registry.directory().join("baedal.Orders");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let mut registration = registry.register(instance("a")).await.unwrap();
    assert_eq!((registration.state(), names(&elsewhere)), (RegistrationState::Pending, vec![]));
    fs::remove_file(link).unwrap();
    assert!(tokio::time::timeout(LIMIT, registration.reached(RegistrationState::Registered)).await.unwrap());
}

/// The clock stands still while files are read, so that times are those of the code, on any machine.
#[tokio::test(start_paused = true)]
async fn what_changes_is_seen_at_the_next_look_and_what_is_gone_is_back_after_a_second() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let mut watch = registry.watch(&orders());
    listed(&mut watch, &[]).await;
    let a_tick = Duration::from_millis(1);
    let a_look = Duration::from_millis(250) + a_tick;

    let mut server = Server::start(registry.directory(), "a");
    let started = Instant::now();
    listed(&mut watch, &["a"]).await;
    assert!(started.elapsed() <= a_look, "{:?}", started.elapsed());
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    let killed = Instant::now();
    listed(&mut watch, &[]).await;
    assert!(killed.elapsed() <= a_look, "{:?}", killed.elapsed());

    let _b = registered(&registry, "b").await;
    let record = registry.directory().join("baedal.Orders/b.json");
    fs::remove_file(&record).unwrap();
    let removed = Instant::now();
    until("the record", || record.exists()).await;
    assert!(removed.elapsed() <= Duration::from_millis(1010) + a_tick, "{:?}", removed.elapsed());
}

/// Whoever may write here could put back what stood here once: a lock cannot be put back, and a record without one is
/// nobody's.
#[tokio::test]
async fn a_record_that_is_put_back_is_nobodys() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _b = registered(&registry, "b").await;
    let service = registry.directory().join("baedal.Orders");
    let a = registered(&registry, "a").await;
    let old = ["a.json", "a.lock"].map(|name| (service.join(name), fs::read(service.join(name)).unwrap()));
    assert!(a.close(LIMIT).await);
    old.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let mut watch = registry.watch(&orders());
    listed(&mut watch, &["b"]).await;
    until("its end", || names(&service) == ["b.json", "b.lock"]).await;
}

#[tokio::test]
async fn a_list_stands_while_the_registry_is_away() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _a = registered(&registry, "a").await;
    let mut watch = registry.watch(&orders());
    listed(&mut watch, &["a"]).await;
    // In one step: in several a reader might see it empty, which is an answer.
    fs::rename(registry.directory(), temporary.path().join("away")).unwrap();
    let stale = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
    assert_eq!((stale.source, stale.instances.len()), (Source::Stale, 1));
    fs::rename(temporary.path().join("away"), registry.directory()).unwrap();
    let live = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
    assert_eq!((live.source, live.instances.len()), (Source::Live, 1));
}

#[tokio::test]
async fn an_id_belongs_to_one_owner_and_goes_on_to_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let first = registered(&registry, "a").await;
    let record = registry.directory().join("baedal.Orders/a.json");
    let before = fs::metadata(&record).unwrap().ino();
    let mut second = registry.register(instance("a")).await.unwrap();
    assert_eq!(second.state(), RegistrationState::Pending);
    // Whoever has no lock writes no record: the lock comes first.
    assert_eq!(fs::metadata(&record).unwrap().ino(), before);
    assert!(first.close(LIMIT).await);
    assert!(tokio::time::timeout(LIMIT, second.reached(RegistrationState::Registered)).await.unwrap());
}

#[tokio::test]
async fn what_can_never_be_registered_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let refusal = async |instance| registry.register(instance).await.unwrap_err().to_string();
    assert!(refusal(instance("../a")).await.contains("`../a`, is no name of a file"));
    assert!(refusal(Instance::new("a", vec![], vec![])).await.contains("offers no service"));
    let mut large = instance("a");
    large.extra.insert("k".to_owned(), "v".repeat(70_000));
    assert!(refusal(large).await.contains("put less into `extra`"));
    let portless = Endpoint::new("grpc", crate::Address::tcp("127.0.0.1", 0));
    assert!(refusal(Instance::new("a", vec![orders()], vec![portless])).await.contains("has no port"));
}

#[test]
fn the_directory_of_a_user_is_known_by_convention() {
    assert_eq!(File::default_directory(Some("/run/user/1000".into())), PathBuf::from("/run/user/1000/rpc"));
    let shared = File::default_directory(None);
    assert!(shared.to_str().unwrap().starts_with("/tmp/rpc-"));
    assert_eq!(File::default_directory(Some("relative".into())), shared);
}

const CHILD: &str = "RPC_TEST_FILE_REGISTRY";

/// A server in a process of its own: this very program, running the one test below.
struct Server(
    Child,
    // Kept, or what it prints at its end would fail.
    #[expect(dead_code, reason = "held open")] BufReader<ChildStdout>,
);

impl Server {
    fn start(directory: &Path, id: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "registry::file::tests::a_server_in_a_process_of_its_own"])
            .env(CHILD, format!("{id}@{}", directory.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        assert!(output.by_ref().lines().map_while(Result::ok).any(|line| line == "registered"), "{id} said nothing");
        Self(child, output)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does nothing unless it is started by another test.
#[expect(clippy::disallowed_methods, reason = "how the test that starts this speaks to it")]
#[tokio::test]
async fn a_server_in_a_process_of_its_own() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (id, directory) = what.split_once('@').unwrap();
    let registry = File::open(directory).unwrap();
    let registration = registered(&registry, id).await;
    println!("\nregistered");
    std::io::stdout().flush().unwrap();
    // Until the other test closes the pipe, or ends.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    assert!(registration.close(LIMIT).await);
}

#[tokio::test]
async fn the_record_of_a_killed_process_goes_and_that_of_a_stopped_one_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let mut watch = registry.watch(&orders());
    let mut killed = Server::start(registry.directory(), "killed");
    let mut ended = Server::start(registry.directory(), "ended");
    let stopped = Server::start(registry.directory(), "stopped");
    listed(&mut watch, &["ended", "killed", "stopped"]).await;

    let pid = rustix::process::Pid::from_child(&stopped.0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    listed(&mut watch, &["ended", "stopped"]).await;
    // Its files were removed by the reader.
    let service = registry.directory().join("baedal.Orders");
    assert_eq!(names(&service), ["ended.json", "ended.lock", "stopped.json", "stopped.lock"]);

    drop(ended.0.stdin.take());
    assert!(ended.0.wait().unwrap().success());
    listed(&mut watch, &["stopped"]).await;
    // Two more looks: a stopped owner still holds its lock.
    let second = registry.watch(&orders());
    listed(&mut second.clone(), &["stopped"]).await;
    drop(stopped);
    listed(&mut watch, &[]).await;
}

const READER: &str = "RPC_TEST_FILE_REGISTRY_READER";

/// Does nothing unless it is started by the next test: the limit is the whole process's.
#[expect(clippy::disallowed_methods, reason = "how the test that starts this speaks to it")]
#[tokio::test]
async fn a_reader_in_a_process_of_its_own() {
    let Ok(directory) = std::env::var(READER) else { return };
    let mut watch = File::open(directory).unwrap().watch(&orders());
    listed(&mut watch, &["a"]).await;
    let most = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, most).unwrap();
    // A look at a record wants three descriptors: the directory's, its own, that of its lock.
    for free in 0..3 {
        // No await in between: on this one thread nobody looks just now.
        let mut taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        taken.truncate(taken.len() - free);
        let stale = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
        assert_eq!((stale.source, stale.instances.len()), (Source::Stale, 1), "{free} descriptors are free");
        drop(taken);
        let live = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap();
        assert_eq!((live.source, live.instances.len()), (Source::Live, 1));
    }
}

#[tokio::test]
async fn a_reader_short_of_descriptors_keeps_its_list() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let _a = registered(&registry, "a").await;
    let reader = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "registry::file::tests::a_reader_in_a_process_of_its_own"])
        .env(READER, registry.directory())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[reader.stdout, reader.stderr].concat()).into_owned();
    assert!(reader.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn many_readers_do_not_take_each_other_for_owners() {
    let temporary = tempfile::tempdir().unwrap();
    let registry = File::open(temporary.path().join("rpc")).unwrap();
    let server = Server::start(registry.directory(), "a");
    let mut watches: Vec<_> = (0..20).map(|_| registry.watch(&orders())).collect();
    for watch in &mut watches {
        listed(watch, &["a"]).await;
    }
    drop(server);
    for watch in &mut watches {
        listed(watch, &[]).await;
    }
    // The next process with this id is not kept out by those who look.
    let _again = Server::start(registry.directory(), "a");
    for watch in &mut watches {
        listed(watch, &["a"]).await;
    }
}
