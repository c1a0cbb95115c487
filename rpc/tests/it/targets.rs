//! Where a client's calls go is a matter of configuration.
#![cfg(feature = "tarpc")]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{App, Code, Discover, prelude::*};
use std::sync::Arc;
use tokio::sync::Notify;

/// The program that is moved about: it knows nothing of where the service is.
async fn program(app: &App) -> rpc::Result<String> {
    let echo: EchoClient = app.client().await?;
    Ok(echo.say("hello".to_owned()).await?)
}

#[tokio::test]
async fn a_client_is_moved_out_and_back_by_configuration_alone() {
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("registry = \"file://{}/registry\"\n", folder.path().display());
    let servers = App::builder().config(config(&registry)).build();
    let _running = servers.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    for (toml, answer) in [
        (registry.clone(), "hello over tarpc"),
        (format!("{registry}[client.Echo]\ntarget = \"local://\""), "hello over local"),
        ("registry = \"local://\"".to_owned(), "hello over local"),
    ] {
        let app = App::builder().config(config(&toml)).build();
        app.serve_local(EchoServer::new(Mirror)).unwrap();
        assert_eq!(program(&app).await.unwrap(), answer, "{toml}");
    }
}

#[tokio::test]
async fn a_server_on_no_registry_is_called_by_a_name_in_the_dns_or_by_its_address() {
    for registry in ["local://", "static://127.0.0.1:1?assume=grpc", "dns://localhost:1"] {
        let servers = App::builder().config(config(&format!("registry = \"{registry}\""))).build();
        let running = servers.server().service(EchoServer::new(Mirror)).start().await.unwrap();
        let port = running.address().to_string().rsplit_once(':').unwrap().1.to_owned();
        for target in
            [format!("dns://localhost:{port}?assume=tarpc/1"), format!("static://127.0.0.1:{port}?assume=tarpc/1")]
        {
            let app = App::builder().config(config(&format!("[client.Echo]\ntarget = \"{target}\""))).build();
            assert_eq!(program(&app).await.unwrap(), "hello over tarpc", "{target}");
        }
        assert!(running.shutdown().await);
    }
}

#[tokio::test]
async fn the_largest_message_is_a_matter_of_configuration_on_every_wire() {
    const FIVE_MIB: usize = 5 << 20;
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("registry = \"file://{}/registry\"\n", folder.path().display());
    let saying = |limit: &str| config(&format!("{registry}max_message = \"{limit}\""));
    let servers = App::builder().config(saying("8 MiB")).build();
    let _running = servers.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    for (limit, fits) in [("8MiB", true), ("4MiB", false), ("65536", false)] {
        let app = App::builder().config(saying(limit)).build();
        app.serve_local(EchoServer::new(Mirror)).unwrap();
        for target in ["", "[client.Echo]\ntarget = \"local://\""] {
            app.rules().set(target).await.unwrap();
            for wire in if cfg!(feature = "grpc") { &["tarpc", "grpc"][..] } else { &["tarpc"] } {
                let echo: EchoClient = app.client().await.unwrap();
                let said = echo.with_transport(rpc::Transports::Only(wire)).say("x".repeat(FIVE_MIB)).await;
                match said {
                    Ok(_) => assert!(fits, "{limit} over {wire} {target}"),
                    Err(status) => {
                        assert!(!fits, "{limit} over {wire} {target}: {status}");
                        assert!(status.to_string().contains("raise `max_message` on both sides"), "{status}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_limits_of_a_server_are_the_programs_unless_the_configuration_has_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for (name, server_says, fits) in [("own", "", false), ("configured", "max_message = \"8MiB\"\n", true)] {
        let registry = format!("registry = \"file://{}/{name}\"\n", folder.path().display());
        let servers = App::builder().config(config(&format!("{registry}{server_says}"))).build();
        let limits = rpc::transport::Limits::default().with_max_message(1000);
        let _running = servers.server().service(EchoServer::new(Mirror)).limits(limits).start().await.unwrap();
        let app = App::builder().config(config(&format!("{registry}max_message = \"8MiB\""))).build();
        let echo: EchoClient = app.client().await.unwrap();
        assert_eq!(echo.say("x".repeat(2000)).await.is_ok(), fits, "{name}");
        echo.say("x".to_owned()).await.unwrap();
    }
}

/// Says that it has begun, and answers once it is let.
#[derive(Clone, Default)]
struct Held(Arc<(Notify, Notify)>);

impl Echo for Held {
    async fn say(&self, text: String) -> Result<String, Status> {
        let (begun, go_on) = &*self.0;
        begun.notify_one();
        go_on.notified().await;
        go_on.notify_one();
        Ok(text)
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.say(text).await
    }
}

#[tokio::test]
async fn how_many_calls_are_let_in_is_the_programs_to_say_unless_the_configuration_does() {
    let folder = tempfile::tempdir().unwrap();
    for (name, server_says, refuses) in [("own", "", true), ("configured", "[server]\nadmission = \"off\"", false)] {
        let registry = format!("registry = \"file://{}/{name}\"\n", folder.path().display());
        let servers = App::builder().config(config(&format!("{registry}{server_says}"))).build();
        let held = Held::default();
        let server = servers.server().service(EchoServer::new(held.clone()));
        let _running = server.admission("1".parse().unwrap()).start().await.unwrap();
        let app = App::builder().config(config(&format!("{registry}[client]\nretries = \"off\""))).build();
        let echo: EchoClient = app.client().await.unwrap();
        let (begun, go_on) = &*held.0;
        let second = async {
            begun.notified().await;
            let second = echo.say("b".to_owned());
            if refuses {
                assert_eq!(second.await.unwrap_err().code(), Code::ResourceExhausted);
                go_on.notify_one();
            } else {
                let both_at_work = async {
                    begun.notified().await;
                    go_on.notify_one();
                };
                tokio::join!(second, both_at_work).0.unwrap();
            }
        };
        tokio::join!(echo.say("a".to_owned()), second).0.unwrap();
    }
}

#[tokio::test]
async fn what_is_served_here_is_served_once_and_before_it_is_called() {
    let app = App::builder().config(config("[client.Echo]\ntarget = \"local://\"")).build();
    let error = format!("{:?}", program(&app).await.unwrap_err());
    assert!(error.contains("this process does not serve it") && error.contains("serve_local"), "{error}");
    app.serve_local(EchoServer::new(Mirror)).unwrap();
    let twice = format!("{:?}", app.serve_local(EchoServer::new(Mirror)).unwrap_err());
    assert!(twice.contains("this process serves t.v1.Echo already"), "{twice}");
    assert_eq!(program(&app).await.unwrap(), "hello over local");
}

mod other {
    use super::*;

    #[rpc_service(package = "u.v1")]
    pub(crate) trait Echo {
        async fn say(&self, text: String) -> Result<String, Status>;
    }
}

#[tokio::test]
async fn a_short_name_that_two_services_have_must_be_written_in_full() {
    let app = App::builder().config(config("registry = \"memory://\"\n[client.Echo]\ntimeout = \"1s\"")).build();
    app.client::<EchoClient>().await.unwrap();
    app.client::<EchoClient>().await.unwrap();
    let error = format!("{:?}", app.client::<other::EchoClient>().await.unwrap_err());
    assert!(error.contains("[client.Echo] means t.v1.Echo, and u.v1.Echo as well"), "{error}");
    assert!(error.contains("[client.u.v1.Echo]"), "{error}");
    let full = "registry = \"memory://\"\n[client.t.v1.Echo]\ntimeout = \"1s\"\n[client.u.v1.Echo]\ntimeout = \"2s\"";
    let app = App::builder().config(config(full)).build();
    app.client::<EchoClient>().await.unwrap();
    app.client::<other::EchoClient>().await.unwrap();
}

#[test]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    let waker = std::task::Waker::noop();
    let mut asked = Box::pin(EchoClient::discover());
    let polled = asked.as_mut().poll(&mut std::task::Context::from_waker(waker));
    let std::task::Poll::Ready(Err(error)) = polled else { panic!("it should fail at once") };
    assert!(format!("{error:?}").contains("needs a tokio runtime"), "{error:?}");
}

#[tokio::test]
async fn what_was_shut_down_makes_no_calls_any_more() {
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let echo: EchoClient = app.client().await.unwrap();
    echo.say("a".to_owned()).await.unwrap();
    assert!(running.shutdown().await);
    assert!(app.shutdown().await);
    let status = echo.say("b".to_owned()).await.unwrap_err();
    assert!(status.code() == rpc::Code::FailedPrecondition && status.message().contains("shut down"), "{status}");
    assert!(app.client::<EchoClient>().await.is_err());
}
