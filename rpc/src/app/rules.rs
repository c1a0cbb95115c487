//! Rules of an [`App`] are applied to its clients.

use super::{App, Held, lock, terms::Terms};
use crate::{
    Config, Result, Setting,
    rules::{Levels, Rules, RulesFile},
};
use rpc_core::{ServiceDescriptor, Tasks, client::Channel, tls::Encryption};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::time::MissedTickBehavior;

impl App {
    /// The rules for its clients, which may change while they are in use.
    pub fn rules(&self) -> Rules {
        Rules::of(self.clone())
    }

    /// What holds for every value, and who has said so: the configuration, and the rules above it.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = self.0.config.settings();
        let levels = self.levels();
        for rule in [&levels.file, &levels.program].into_iter().flat_map(|level| level.said()) {
            match settings.iter_mut().find(|setting| setting.key == rule.key) {
                Some(setting) => *setting = rule,
                None => settings.push(rule),
            }
        }
        settings
    }

    /// The rules that hold.
    pub(super) fn levels(&self) -> Arc<Levels> {
        lock(&self.0.clients).levels.clone()
    }

    pub(crate) fn transport_names(&self) -> Vec<&'static str> {
        self.0.transports.iter().map(|transport| transport.name()).collect()
    }

    /// Changes the rules, and leads all clients where they say then: all of them, or none when one cannot be.
    pub(crate) async fn settle(&self, change: impl FnOnce(&mut Levels)) -> Result<()> {
        let _turn = self.0.turn.lock().await;
        let mut levels = (*self.levels()).clone();
        change(&mut levels);
        let levels = Arc::new(levels);
        let mut moves = HashMap::new();
        loop {
            let unmoved: Vec<Held> = {
                let mut clients = lock(&self.0.clients);
                let unmoved = clients.held.iter().filter(|(name, _)| !moves.contains_key(*name));
                let unmoved: Vec<_> = unmoved.map(|(_, held)| held.clone()).collect();
                if unmoved.is_empty() {
                    // At once: whoever makes a client meanwhile waits, and then sees these rules.
                    for (name, moved) in moves {
                        if let (Some(held), Some(moved)) = (clients.held.get_mut(name), moved) {
                            held.take(moved);
                        }
                    }
                    clients.levels = levels;
                    return Ok(());
                }
                unmoved
            };
            for held in unmoved {
                let terms = self.terms(held.service, &levels)?;
                let moved =
                    if terms == held.terms { None } else { Some(self.lead(held.service, terms, Some(&held)).await?) };
                moves.insert(held.service.name, moved);
            }
        }
    }

    /// A way to a service on these terms: over the connections that a client of it has, where those lead there.
    pub(super) async fn lead(
        &self,
        service: &'static ServiceDescriptor,
        terms: Terms,
        held: Option<&Held>,
    ) -> Result<Held> {
        let home = Terms::of(&[], &self.0.config, service)?.target == terms.target;
        let servers = match held {
            // Over connections that are made.
            Some(held) if held.terms.target == terms.target => (held.channel.clone().into(), Encryption::Off),
            Some(Held { home: Some(kept), .. }) if home => (kept.clone().into(), Encryption::Off),
            _ => self.servers(service.name, &terms).await?,
        };
        let channel = self.channel(service, servers, &terms)?;
        // Not a clone, which would be led elsewhere with the others.
        let home = match home {
            true => Some(self.channel(service, (channel.clone().into(), Encryption::Off), &terms)?),
            false => held.and_then(|held| held.home.clone()),
        };
        Ok(Held { service, channel, home, terms })
    }

    /// Reads the file of rules for the first time, when there are no clients.
    pub(super) fn read_rules(&self) {
        let Some(file) = &self.0.rules_file else { return };
        let read = file.news().and_then(|news| {
            let Some(text) = news else { return Ok(()) };
            lock(&self.0.clients).levels =
                Arc::new(Levels { file: self.parse(file, text.as_deref())?, ..Levels::default() });
            file.holds(text);
            Ok(())
        });
        if let Err(reason) = read {
            file.refuse(reason);
        }
    }

    /// Looks at the file of rules from now on, for as long as there is this App.
    pub(super) fn watch_rules(&self) {
        let Some(file) = self.0.rules_file.clone() else { return };
        if self.0.watching.swap(true, Relaxed) {
            return;
        }
        let app = Arc::downgrade(&self.0);
        self.0.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(RulesFile::EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(app) = app.upgrade() else { return };
                App(app).look(&file).await;
            }
        });
    }

    async fn look(&self, file: &Arc<RulesFile>) {
        let reader = file.clone();
        // A file system may be one that takes its time.
        let Ok(news) = Tasks::blocking(move || reader.news()).await else { return };
        let text = match news {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(reason) => return file.refuse(reason),
        };
        let applied = match self.parse(file, text.as_deref()) {
            Ok(rules) => self.settle(|levels| levels.file = rules).await.map_err(|error| format!("{error:?}")),
            Err(reason) => Err(reason),
        };
        match applied {
            Ok(()) => file.holds(text),
            Err(reason) => file.refuse(reason),
        }
    }

    fn parse(&self, file: &RulesFile, text: Option<&str>) -> Result<Config, String> {
        let rules = Config::rules(text.unwrap_or_default(), Some(file.path()), &self.transport_names());
        rules.map_err(|error| format!("{error:?}"))
    }
}

impl Held {
    /// From the next call on, its clients go where `moved` leads.
    fn take(&mut self, moved: Self) {
        self.channel.switch_to(&moved.channel);
        self.home = moved.home;
        self.terms = moved.terms;
    }

    /// The channels that are connected for it.
    pub(super) fn channels(self) -> impl Iterator<Item = Channel> {
        std::iter::once(self.channel).chain(self.home)
    }
}
