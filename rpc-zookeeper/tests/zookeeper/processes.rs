//! Servers and clients in processes of their own.

use crate::common::*;
use rpc_core::registry::{Availability, Instance, Registry, Source};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{io::AsyncBufReadExt as _, time::timeout};

const TASK: &str = "RPC_ZOOKEEPER_TEST_CHILD";
const SOON: Duration = Duration::from_secs(5);

/// A process that registers an instance and stays until it is killed.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) id: String,
}

impl Server {
    pub(crate) fn start(host: &str, base: &str, port: u16) -> Self {
        let mut process = start(format!("register {host} {base} {port}")).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let id = lines.find_map(|line| line.unwrap().split_once("registered ").map(|(_, id)| id.to_owned()));
        Self { process, id: id.expect("the child's registration") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A process that watches `demo.Echo` until it is killed.
pub(crate) struct Client {
    process: tokio::process::Child,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
}

impl Client {
    /// With variables for the process.
    pub(crate) fn start(host: &str, base: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = tokio::process::Command::from(start(format!("watch {host} {base}")));
        let mut process = command.envs(variables.iter().copied()).kill_on_drop(true).spawn().unwrap();
        let lines = tokio::io::BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it still runs")
    }

    /// Reads what it shows, lists as `live ID ID` or `stale ID` or `unreachable`, until it is this; gives what came
    /// before.
    pub(crate) async fn shows(&mut self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                match line.split_once("shows ") {
                    Some((_, list)) if list == wanted => return,
                    Some((_, list)) => before.push(list.to_owned()),
                    None => {}
                }
            }
            panic!("it has ended");
        };
        let found = timeout(Duration::from_secs(30), found).await;
        assert!(found.is_ok(), "it does not show {wanted}, but {before:?}");
        before
    }
}

/// This binary, with something else to do.
fn start(task: String) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture"]).env(TASK, task).stdout(Stdio::piped());
    command
}

/// The other process; in a run of the tests it has no task and does nothing.
#[expect(clippy::disallowed_methods, reason = "how the test that starts this speaks to it")]
#[tokio::test]
async fn child() {
    let Ok(task) = env::var(TASK) else { return };
    match task.split(' ').collect::<Vec<_>>()[..] {
        ["register", host, base, port] => {
            // Long enough for a successor to come up meanwhile.
            let registry = with_session(host, base, 5);
            let instance: Instance = instance(&["demo.Echo"], port.parse().unwrap());
            let _registration = register(&registry, &instance).await;
            println!("registered {}", instance.id);
            std::future::pending::<()>().await;
        }
        ["watch", host, base] => {
            let mut watch = registry(host, base).watch(&service("demo.Echo"));
            loop {
                let snapshot = watch.changed().await;
                let state = match (&snapshot.availability, snapshot.source) {
                    (Availability::Unreachable(_), _) => "unreachable",
                    (_, Source::Live) => "live",
                    _ => "stale",
                };
                let list: Vec<_> = [state.to_owned()].into_iter().chain(ids(&snapshot)).collect();
                println!("shows {}", list.join(" "));
            }
        }
        _ => panic!("{task}"),
    }
}

#[tokio::test]
async fn two_processes_find_each_other_and_a_killed_one_goes_with_its_session() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let mut watch = registry.watch(&service("demo.Echo"));
    let ours = instance(&["demo.Echo"], 7000);
    let _registration = register(&registry, &ours).await;
    let (mut killed, other) = (Server::start(&host, &base, 7001), Server::start(&host, &base, 7002));
    let list = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect();
    let all = list(&[&ours.id, &killed.id, &other.id]);
    until(&mut watch, SOON, |snapshot| ids(snapshot) == all).await.unwrap();

    // A process that is killed cannot say so: its record stays until its session times out, after 5 s here.
    killed.process.kill().unwrap();
    assert_eq!(ids(&watch.snapshot()), all);
    // One that is started anew on the same port takes the place of the dead one before that.
    let again = Server::start(&host, &base, 7001);
    let replaced = list(&[&ours.id, &again.id, &other.id]);
    until(&mut watch, SOON, |snapshot| ids(snapshot) == replaced).await.unwrap();
    let (client, path) = (client(&host).await, format!("{base}/demo.Echo/{}", killed.id));
    assert!(node(&client, &path).await.is_some());
    node_is(&client, &path, false, Duration::from_secs(8)).await;
    until(&mut watch, SOON, |snapshot| ids(snapshot) == replaced).await.unwrap();
}
