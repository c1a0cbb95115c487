//! A server that serves, and how it ends.

use crate::{App, Health, Readiness, app::Serving};
use futures_util::future::join_all;
use rpc_core::{
    Address,
    observer::target,
    registry::{Registration, RegistrationState, Registry},
    transport::DrainPhase,
};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// A server that serves. Dropping it cuts every call; [`shutdown`](Self::shutdown) ends it in peace.
#[derive(Debug)]
pub struct Running {
    core: rpc_core::server::Running,
    /// One, unless some of the services are reached in another way than the others.
    registrations: Vec<Registration>,
    propagation: Duration,
    stage: watch::Sender<Readiness>,
    /// Clients that handlers use must live as long as the handlers do, so the App goes last.
    serving: Serving,
}

/// How long each step of a drain may take: under 9 s in all, since `docker stop` kills after 10.
impl Running {
    /// The registry has this long to confirm that the record is gone.
    const WITHDRAWAL: Duration = Duration::from_millis(400);
    /// Clients hear of it in the time that the registry says it takes, this at most, and go on being served meanwhile.
    const PROPAGATION: Duration = Duration::from_secs(2);
    /// Calls in flight have this long to end.
    const IN_FLIGHT: Duration = Duration::from_secs(6);
    /// All of it, with what follows the calls.
    const IN_ALL: Duration = Duration::from_secs(9);
}

const _: () = {
    let served = Running::WITHDRAWAL.saturating_add(Running::PROPAGATION).saturating_add(Running::IN_FLIGHT);
    let after = rpc_core::server::Running::AFTER_GRACE.saturating_add(App::AFTER_SERVERS);
    assert!(served.saturating_add(after).as_millis() < Running::IN_ALL.as_millis(), "docker would kill it");
};

impl Running {
    pub(crate) fn new(
        core: rpc_core::server::Running,
        registrations: Vec<Registration>,
        registry: &dyn Registry,
        app: &App,
    ) -> Self {
        let propagation = registry.propagation().min(Self::PROPAGATION);
        let stage = watch::Sender::new(Readiness::Ready);
        for registration in &registrations {
            app.spawn(registration.withdraw_after(core.port_closed()));
        }
        Self { core, registrations, propagation, stage, serving: app.begun() }
    }

    /// Where it listens; the port is the real one when 0 was asked for.
    pub fn address(&self) -> &Address {
        self.core.address()
    }

    /// Waits until its port is closed, which it never is by itself.
    pub(crate) fn port_closed(&self) -> impl Future<Output = ()> + use<> {
        self.core.port_closed()
    }

    /// Whether its record is on the list; if not, that is being tried.
    pub fn registration(&self) -> RegistrationState {
        let mut states = self.registrations.iter().map(Registration::state);
        states.find(|state| *state != RegistrationState::Registered).unwrap_or(RegistrationState::Registered)
    }

    /// Whether it takes traffic, for whoever answers probes; may be kept after this is gone.
    pub fn health(&self) -> Health {
        Health::new(self.stage.subscribe(), self.registrations.iter().map(Registration::follow).collect())
    }

    /// Leaves in peace: says that it is not ready ([`health`](Self::health)), withdraws its record, goes on serving
    /// while clients hear of it (2 s, less on a registry of this machine: [`Registry::propagation`]), says goodbye on
    /// its connections (GOAWAY), and lets the calls in flight end for up to 6 s. Those left are answered
    /// `Unavailable: server draining`. What services of the same process ([`App::serve_local`]) have begun and nobody
    /// waits for any more has the same 6 s, unless another server of the App runs. True when nothing was left.
    pub async fn shutdown(self) -> bool {
        self.drain().await.0
    }

    /// The same, and if it was the last server of its App, the clients that its handlers used end as well.
    pub(crate) async fn end(self) -> bool {
        let (peaceful, serving) = self.drain().await;
        serving.last().await;
        peaceful
    }

    async fn drain(self) -> (bool, Serving) {
        self.stage.send_replace(Readiness::Draining);
        let closing = self.registrations.into_iter().map(|registration| registration.close(Self::WITHDRAWAL));
        let withdrawn = join_all(closing).await.into_iter().all(|gone| gone);
        tracing::debug!(target: target::SERVER, withdrawn, "no longer on the list");
        tokio::time::sleep(self.propagation).await;
        self.core.advance(DrainPhase::Draining);
        self.serving.leave();
        let until = Instant::now() + Self::IN_FLIGHT;
        let served = self.core.shutdown(Self::IN_FLIGHT).await;
        let peaceful = self.serving.locals_finished(until).await && served;
        self.stage.send_replace(Readiness::Stopped);
        (peaceful, self.serving)
    }
}

#[cfg(all(test, feature = "tarpc"))]
mod tests {
    use super::*;
    use rpc_core::{
        Request, Response, Service, ServiceDescriptor, Status,
        registry::{Memory, ServiceName},
        server::NamedService,
    };
    use std::sync::Arc;

    struct Nothing;

    impl NamedService for Nothing {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            static NOTHING: ServiceDescriptor = ServiceDescriptor::new("t.Nothing", &[], "");
            &NOTHING
        }
    }

    impl Service for Nothing {
        async fn call(&self, _: Request) -> Result<Response, Status> {
            Err(Status::unimplemented("it does nothing"))
        }
    }

    /// The core's drain closes the port here, of which nobody has asked this server.
    #[tokio::test]
    async fn a_server_without_a_port_withdraws_its_record_and_does_not_run_on() {
        let memory = Memory::new();
        let mut listed = memory.watch(&"t.Nothing".parse::<ServiceName>().unwrap());
        let app = App::builder().registry(Arc::new(memory)).build();
        let running = app.server().service(Nothing).start().await.unwrap();
        assert_eq!(listed.known().await.instances.len(), 1);
        running.core.advance(DrainPhase::Draining);
        let withdrawn = async {
            while !listed.changed().await.instances.is_empty() {}
            running.registrations[0].follow().wait_for(|state| *state == RegistrationState::Closed).await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(10), withdrawn).await.expect("the record goes with the port");
        assert!(!running.health().is_ready());

        let loses = |running: &Running| running.core.advance(DrainPhase::Draining);
        let error = app.server().service(Nothing).on_ready(loses).run().await.unwrap_err();
        assert!(error.to_string().contains("cannot be listened on any more"), "{error}");
    }
}
