//! Rules in a file, which is looked at while the program runs.
#![cfg(feature = "tarpc")]

#[path = "it/common/mod.rs"]
mod common;

use common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{App, SettingOrigin};
use rpc_testkit::{Logs, eventually};
use std::{fs, path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(60);

/// As `mv` does.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

async fn until_it_says(echo: &EchoClient, answer: &str) {
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let said = echo.say("a".to_owned()).await.unwrap();
        if said == answer {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{said}, and not {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One test, since there is one log.
#[tokio::test]
async fn a_file_that_comes_changes_turns_bad_and_goes() {
    let logs = Logs::install();
    let said = |text: &str| logs.events().iter().filter(|event| event.text.contains(text)).count();
    let refused = || said("these rules do not hold");
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    let local = "[client.Echo]\ntarget = \"local://\"";
    let app =
        App::builder().config(config(&format!("registry = \"memory://\"\nrules = \"{}\"", rules.display()))).build();
    let _running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    app.serve_local(EchoServer::new(Mirror)).unwrap();
    let echo: EchoClient = app.client().await.unwrap();
    until_it_says(&echo, "a over tarpc").await;
    assert_eq!(refused(), 0, "no file is no mistake");

    replace(&rules, local);
    until_it_says(&echo, "a over local").await;
    let target = app.settings().into_iter().find(|setting| setting.key == "client.Echo.target").unwrap();
    assert_eq!((target.value, target.origin), ("local://".to_owned(), SettingOrigin::Rule(Some(rules.clone()))));

    replace(&rules, "[client.Echo]\ntarget = \"local://\"\ntimout = \"1s\"");
    assert!(eventually(SOON, || refused() > 0).await);
    // Another look, and two more, by the event that follows them: a file that is good again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(refused(), 1, "it is named once");
    let event = logs.events().into_iter().find(|event| event.text.contains("these rules do not hold")).unwrap();
    assert!(event.field("reason").contains("write `client.Echo.timeout`"), "{event:?}");
    assert_eq!(echo.say("a".to_owned()).await.unwrap(), "a over local", "the last good rules hold");

    // The program's go before the file's.
    app.rules().set("[client.Echo]\ntarget = \"memory://\"").await.unwrap();
    replace(&rules, &format!("{local}\ntimeout = \"1s\""));
    assert!(eventually(SOON, || said("rules read") == 2).await);
    assert_eq!(echo.say("a".to_owned()).await.unwrap(), "a over tarpc", "the program's rules go first");
    let target = app.settings().into_iter().find(|setting| setting.key == "client.Echo.target").unwrap();
    assert_eq!((target.value, target.origin), ("memory://".to_owned(), SettingOrigin::Rule(None)));
    app.rules().clear().await.unwrap();
    until_it_says(&echo, "a over local").await;

    fs::remove_file(&rules).unwrap();
    until_it_says(&echo, "a over tarpc").await;
    assert_eq!((said("is gone, and its rules with it"), refused()), (1, 1));

    // What is there when a program starts holds from its first call on.
    replace(&rules, local);
    let config = config(&format!("registry = \"memory://\"\nrules = \"{}\"", rules.display()));
    let late = App::builder().config(config).build();
    late.serve_local(EchoServer::new(Mirror)).unwrap();
    assert_eq!(late.client::<EchoClient>().await.unwrap().say("a".to_owned()).await.unwrap(), "a over local");
}
