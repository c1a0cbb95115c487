//! `order-server` and `order-client` as people deploy them.

use crate::process::{Ended, Running, program, run, send};
use rpc_testkit::scratch;
use rustix::process::Signal;
use std::{path::Path, process::Stdio};
use tokio::process::Command;

struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        Self { folder: scratch("shop").unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn registry(&self) -> String {
        format!("file://{}/registry", self.path().display())
    }

    async fn server(&self, arguments: &[&str]) -> Running {
        let mut command = program(env!("CARGO_BIN_EXE_order-server"), self.path());
        command.args(["--registry", &self.registry(), "--data", "data"]).args(arguments);
        let mut running = Running::start(&mut command);
        running.says("order-server: ready on 127.0.0.1:").await;
        running
    }

    async fn client(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments)).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_order-client"), self.path());
        command.args(arguments).args(["--registry", &self.registry()]);
        command
    }

    async fn place(&self, number: &str, item: &str, more: &[&str]) -> Ended {
        let order = ["place", number, "--store", "교동반점", "--item", item];
        self.client(&[&order, more].concat()).await
    }
}

#[tokio::test]
async fn an_order_is_placed_and_found_over_every_wire() {
    let shop = Shop::open();
    let _server = shop.server(&["--listen", "127.0.0.1:0"]).await;
    for wire in ["auto", "grpc", "tarpc"] {
        let number = format!("BD-{wire}");
        let placed = shop.place(&number, "짜장면 x2 @7000", &["--transport", wire]).await;
        assert_eq!(placed.code, Some(0), "{placed:?}");
        assert_eq!(placed.out, format!("order {number} is placed: 14000 won\n"));
        let found = shop.client(&["find", &number, "--transport", wire]).await;
        assert_eq!(found.code, Some(0), "{found:?}");
        let order: orders::Order = serde_json::from_str(&found.out).unwrap();
        assert_eq!((order.number, order.items[0].name.as_str()), (number, "짜장면"));
    }
}

#[tokio::test]
async fn exit_codes_tell_scripts_what_happened() {
    let shop = Shop::open();
    let _server = shop.server(&[]).await;
    assert_eq!(shop.place("BD-1", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    // The same again does no harm; another under the same number is refused.
    assert_eq!(shop.place("BD-1", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    let conflict = shop.place("BD-1", "짬뽕 x2 @8500", &[]).await;
    assert!(conflict.code == Some(4) && conflict.err.contains("another order BD-1"), "{conflict:?}");
    let nothing = shop.place("BD-2", "짬뽕 x0 @8500", &[]).await;
    assert!(nothing.code == Some(4) && nothing.err.contains("quantity is 0"), "{nothing:?}");
    let absent = shop.client(&["find", "BD-404"]).await;
    assert!(absent.code == Some(3) && absent.err.contains("there is no order BD-404"), "{absent:?}");
    let usage = shop.place("BD-3", "짬뽕", &[]).await;
    assert!(usage.code == Some(2) && usage.err.contains("NAME xQUANTITY @PRICE"), "{usage:?}");

    std::fs::write(shop.path().join("rpc.toml"), "[client]\ntimout = \"1s\"").unwrap();
    let config = shop.client(&["find", "BD-1"]).await;
    assert!(config.code == Some(2) && config.err.contains("`client.timeout`"), "{config:?}");
}

#[tokio::test]
async fn help_names_every_command_and_what_the_exit_codes_mean() {
    let folder = scratch("help").unwrap();
    for (path, words) in [
        (env!("CARGO_BIN_EXE_order-server"), &["config", "proto", "--listen", "RPC_CONFIG"][..]),
        (env!("CARGO_BIN_EXE_order-client"), &["place", "find", "follow", "import", "ride", "dns://", "as in 100ms"]),
        (env!("CARGO_BIN_EXE_quickstart"), &["--input", "--retries", "--registry"]),
    ] {
        let helped = run(program(path, folder.path()).arg("--help")).await;
        assert!(helped.code == Some(0) && helped.err.is_empty(), "{helped:?}");
        for word in ["Usage: ", "Exit codes: 0 "].iter().chain(words) {
            assert!(helped.out.contains(word), "no {word} in {}", helped.out);
        }
        let odd = run(program(path, folder.path()).arg("--lisen")).await;
        assert!(odd.code == Some(2) && odd.err.contains("'--lisen'"), "{odd:?}");
    }
}

#[tokio::test]
async fn looking_again_and_again_is_one_process() {
    let shop = Shop::open();
    let _server = shop.server(&[]).await;
    assert_eq!(shop.place("BD-1", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    let found = shop.client(&["find", "BD-1", "--repeat", "20", "--every", "1ms"]).await;
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(found.err.ends_with("order-client: 20 calls, 0 failed\n"), "{found:?}");
    // The order alone, for whoever reads it by a program.
    assert!(serde_json::from_str::<serde_json::Value>(&found.out).is_ok(), "{found:?}");
}

#[tokio::test]
async fn an_order_is_followed_while_a_rider_carries_it() {
    let shop = Shop::open();
    let _server = shop.server(&["--cooking-time", "100ms"]).await;
    for wire in ["grpc", "tarpc"] {
        let number = format!("BD-{wire}");
        assert_eq!(shop.place(&number, "짬뽕 x1 @8500", &[]).await.code, Some(0));
        let follow = ["follow", &number, "--transport", wire];
        let mut follower = Running::start(shop.command(&follow).stderr(Stdio::inherit()));
        follower.says("cooked").await;
        let rode = shop.client(&["ride", "김라이더", "--every", "1ms", "--transport", wire]).await;
        assert_eq!(rode.code, Some(0), "{rode:?}");
        assert!(rode.out.starts_with(&format!("{number}: to the store, 교동반점\n{number}: to the door")), "{rode:?}");
        follower.says("delivered (김라이더)").await;
        assert_eq!(follower.ends().await, Some(0));
        let again = shop.client(&follow).await;
        let stages: Vec<_> = again.out.lines().map(|line| line.split_once(" s  ").unwrap().1).collect();
        let rider = ["a rider comes (김라이더)", "picked up (김라이더)", "delivered (김라이더)"];
        assert_eq!(stages, [&["accepted", "cooked"][..], &rider].concat(), "{again:?}");
    }
    assert_eq!(shop.client(&["follow", "BD-404"]).await.code, Some(3));
    assert_eq!(shop.client(&["ride", "../.."]).await.code, Some(2));
}

#[tokio::test]
async fn a_file_is_imported_and_its_lines_are_named() {
    let shop = Shop::open();
    let _server = shop.server(&[]).await;
    assert_eq!(shop.place("A-3", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    let header = "number,customer,address,store,items,payment,note";
    let lines =
        ["A-1,황채원,부산,교동반점,짜장면 x2 @7000,card,", "A-2,,,,짜장면,card,", "A-3,,,교동반점,짬뽕 x2 @8500,card,"];
    std::fs::write(shop.path().join("mine.csv"), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let imported = shop.client(&["import", "mine.csv"]).await;
    assert_eq!(imported.code, Some(4), "{imported:?}");
    assert_eq!(imported.out, "mine.csv: 1 orders placed, 0 were there before, 2 left out\n");
    for part in
        ["mine.csv, line 3: `짜장면` is no item", "mine.csv, line 4: there is another order A-3", "what to do: "]
    {
        assert!(imported.err.contains(part), "`{part}` is not in {imported:?}");
    }
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/orders.csv");
    for (wire, counts) in [("grpc", "1000 orders placed, 0 were"), ("tarpc", "0 orders placed, 1000 were")] {
        let imported = shop.client(&["import", sample, "--transport", wire]).await;
        assert!(imported.out.contains(counts) && imported.out.ends_with("8 left out\n"), "{imported:?}");
    }
    let absent = shop.client(&["import", "absent.csv"]).await;
    assert!(absent.code == Some(2) && absent.err.contains("absent.csv"), "{absent:?}");
}

#[tokio::test]
async fn an_interrupt_ends_a_client_cleanly() {
    let shop = Shop::open();
    let _server = shop.server(&["--cooking-time", "1h"]).await;
    assert_eq!(shop.place("BD-1", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    let mut follower = Running::start(&mut shop.command(&["follow", "BD-1"]));
    follower.says("accepted").await;
    send(follower.pid(), Signal::INT);
    assert_eq!(follower.ends().await, Some(130));
}

/// A client that stands still for longer than its calls may take: the one that was under way fails at most, and those
/// after it are made as if nothing had been.
#[tokio::test]
async fn a_client_that_was_frozen_goes_on() {
    let shop = Shop::open();
    let _server = shop.server(&[]).await;
    assert_eq!(shop.place("BD-1", "짬뽕 x1 @8500", &[]).await.code, Some(0));
    let looking = ["find", "BD-1", "--repeat", "200", "--every", "10ms", "--timeout", "2s"];
    let mut client = Running::start(shop.command(&looking).stderr(Stdio::piped()));
    client.says("BD-1").await;
    send(client.pid(), Signal::STOP);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    send(client.pid(), Signal::CONT);
    let err = client.errors().await;
    let counted = err.lines().last().unwrap();
    let (none, one) = ("order-client: 200 calls, 0 failed", "order-client: 200 calls, 1 failed");
    assert!(counted == none || counted == one, "{err}");
}

#[tokio::test]
async fn without_a_server_the_error_says_what_to_do() {
    let shop = Shop::open();
    let alone = shop.client(&["find", "BD-1", "--timeout", "500ms"]).await;
    assert_eq!(alone.code, Some(1), "{alone:?}");
    assert!(alone.err.contains("baedal.orders.v1.Orders") && alone.err.contains("what to do: "), "{alone:?}");
    assert_eq!(alone.err.matches("has ever been registered").count(), 1, "{alone:?}");

    let _server = shop.server(&["--transport", "grpc"]).await;
    let wrong = shop.client(&["find", "BD-1", "--transport", "tarpc", "--timeout", "500ms"]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("tarpc"), "{wrong:?}");
    assert_eq!(shop.client(&["find", "BD-1"]).await.code, Some(3));
}

#[tokio::test]
async fn a_server_leaves_in_peace() {
    let shop = Shop::open();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = shop.server(&[]).await;
        send(server.pid(), signal);
        assert_eq!(server.ends().await, Some(0));
    }
    let mut server = shop.server(&["--until-stdin-closes"]).await;
    drop(server.stdin.take());
    assert_eq!(server.ends().await, Some(0));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let shop = Shop::open();
    let mut first = shop.server(&["--listen", "127.0.0.1:0"]).await;
    let registry = shop.registry();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), shop.path());
    let refused = run(command.args(["--registry", &registry, "--listen", &address])).await;
    assert!(refused.code == Some(1) && refused.err.contains(&address) && refused.err.contains("port 0"), "{refused:?}");

    let mut command = program(env!("CARGO_BIN_EXE_order-server"), shop.path());
    let usage = run(command.args(["--listen", "nowhere"])).await;
    assert!(usage.code == Some(2) && usage.err.contains("HOST:PORT"), "{usage:?}");

    let mut command = program(env!("CARGO_BIN_EXE_order-server"), shop.path());
    let injected = command.env("RPC_SERVER_PROTOCOLS", "http").args(["--registry", &registry]);
    let wrong = run(injected).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("RPC_SERVER_PROTOCOLS"), "{wrong:?}");
    send(first.pid(), Signal::TERM);
    assert_eq!(first.ends().await, Some(0));
}
