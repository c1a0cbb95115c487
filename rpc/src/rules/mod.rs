//! What is said of clients while the program runs.

mod file;

pub(crate) use file::RulesFile;

use crate::{App, ClientConfig, Config, Result};

/// What holds for the clients of an [`App`] while it runs, above its configuration and its command line: where their
/// servers are, how long calls may take, over which wire, whether they are made again. For services that are taken out
/// of a program step by step, and back at once when it goes wrong.
///
/// Rules are written as the sections about clients are in `rpc.toml`, and each takes the place of the same key there;
/// as there, what is said of a method goes before what is said of its service, and that before what is said of all.
/// An option of a call goes before any rule. What cannot change while a program runs is refused: everything that is not
/// about clients, and what belongs to TLS.
///
/// They apply to the clients in use, from the next call on; calls in flight end where they began. When a rule goes,
/// what the configuration says holds again, over connections that were kept.
///
/// ```
/// # use rpc::prelude::*;
/// # #[rpc_service]
/// # pub trait Greeter { async fn greet(&self, name: String) -> Result<String, Status>; }
/// # struct Host(&'static str);
/// # impl Greeter for Host {
/// #     async fn greet(&self, name: String) -> Result<String, Status> { Ok(format!("{}, {name}", self.0)) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> rpc::Result<()> {
/// # let mut config = rpc::Config::default();
/// # config.registry = Some("memory://".parse().unwrap());
/// # let app = rpc::App::builder().config(config).build();
/// app.serve_local(GreeterServer::new(Host("hello")))?;
/// let greeter: GreeterClient = app.client().await?;
/// app.rules().set("[client.Greeter]\ntarget = \"local://\"").await?;    // into this process
/// assert_eq!(greeter.greet("Mina".to_owned()).await?, "hello, Mina");
/// app.rules().clear().await?;                                           // and back to where the registry says
/// # Ok(())
/// # }
/// ```
///
/// Two places have rules. The program, through this; and a file that the configuration names (`rules = "rules.toml"`,
/// `RPC_RULES`), which is looked at every second for as long as the App has clients. The program's go before the
/// file's. Replace the file in one step, as `mv` does: one that is half written may be read. A file that makes no sense
/// is named in the log, once, and the last good rules hold; one that is removed takes its rules away.
#[derive(Clone, Debug)]
pub struct Rules(App);

/// The rules that hold, the program's and the file's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    pub(crate) program: Config,
    pub(crate) file: Config,
}

impl Rules {
    pub(crate) fn of(app: App) -> Self {
        Self(app)
    }

    /// These rules of the program instead of those it had. All of them or, when something is wrong with one, none.
    ///
    /// Waits up to 3 s for a first list of the servers of each client that is led elsewhere, as
    /// [`client`](App::client) does.
    ///
    /// # Errors
    /// When a key does not exist, cannot change, or its value makes no sense; when a client that is in use cannot be
    /// led where a rule says. What held before holds then.
    pub async fn set(&self, toml: &str) -> Result<()> {
        let rules = Config::rules(toml, None, &self.0.transport_names())?;
        self.0.settle(|levels| levels.program = rules).await
    }

    /// The same, with rules that were made rather than written.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub async fn set_client(&self, client: ClientConfig) -> Result<()> {
        let rules = Config::rules_of(client)?;
        self.0.settle(|levels| levels.program = rules).await
    }

    /// Takes the rules of the program away.
    ///
    /// # Errors
    /// When a rule of the file would hold then, and a client cannot be led where it says.
    pub async fn clear(&self) -> Result<()> {
        self.0.settle(|levels| levels.program = Config::default()).await
    }
}

impl Levels {
    /// The first that counts first.
    pub(crate) fn in_order(&self) -> [&Config; 2] {
        [&self.program, &self.file]
    }
}
