//! A server in this process.

use super::{Column, Plan, Site, Speech};
use crate::{
    lab::{LabClient, LabServer},
    raw::Babble,
};
use rpc::Client;
use rpc_core::{
    BoxFuture,
    client::Channel,
    server::{Fidelity, NamedService},
};

/// A server in this process, by value or through bytes.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    name: &'static str,
    fidelity: Fidelity,
}

impl Local {
    /// With the name that stands in the table.
    pub fn new(name: &'static str, fidelity: Fidelity) -> Self {
        Self { name, fidelity }
    }

    fn channel(&self, service: impl NamedService) -> Channel {
        Channel::local(service, self.fidelity)
    }
}

impl Column for Local {
    fn name(&self) -> &'static str {
        self.name
    }

    fn transport(&self) -> &'static str {
        "local"
    }

    fn open(&self, plan: Plan) -> BoxFuture<'_, Site> {
        let lab = match plan.speech {
            Speech::Messages => self.channel(LabServer::new(plan.bench.clone())),
            Speech::Babble => self.channel(Babble(LabClient::SERVICE)),
        };
        let raw = self.channel(plan.raw.clone());
        Box::pin(std::future::ready(Site { lab: LabClient::from_channel(lab), raw, plan, line: None }))
    }
}
