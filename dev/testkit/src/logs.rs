//! What a program says to `tracing`, to be looked at.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tracing::{
    Event, Id, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// The spans and events of this process, from `rpc` and everything below it, and from the target `user`.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    spans: Vec<Logged>,
    events: Vec<Logged>,
    /// Where in `spans` an open span is; ids are used again.
    open: HashMap<u64, usize>,
}

/// A span or an event.
#[derive(Clone, Debug)]
pub struct Logged {
    /// How much it matters.
    pub level: Level,
    /// Where it is from.
    pub target: &'static str,
    /// The name of a span, the message of an event.
    pub text: String,
    /// Fields that were given a value.
    pub fields: BTreeMap<&'static str, String>,
    /// In `spans`, those it is inside of; the innermost first.
    pub inside: Vec<usize>,
    /// Of a span: it has ended.
    pub closed: bool,
}

impl Logs {
    /// Listens from now on, to the whole process. Once in a process.
    pub fn install() -> Self {
        let logs = Self::default();
        tracing::subscriber::set_global_default(Registry::default().with(logs.clone()))
            .expect("nobody else listens in this process");
        logs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spans so far, in the order in which they began.
    pub fn spans(&self) -> Vec<Logged> {
        self.lock().spans.clone()
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Logged> {
        self.lock().events.clone()
    }
}

impl Logged {
    /// The value of a field; empty without one.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn new(metadata: &'static Metadata<'static>, inside: Vec<usize>) -> Self {
        let (level, target) = (*metadata.level(), metadata.target());
        Self { level, target, text: metadata.name().to_owned(), fields: BTreeMap::new(), inside, closed: false }
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.target, self.text)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.text = value;
        } else {
            self.fields.insert(field.name(), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("rpc") || metadata.target() == "user"
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = if attributes.is_root() {
            None
        } else {
            attributes.parent().cloned().or_else(|| Some(context.lookup_current()?.id()))
        };
        let mut state = self.lock();
        let mut span = Logged::new(attributes.metadata(), state.inside(parent));
        attributes.record(&mut span);
        let index = state.spans.len();
        state.open.insert(id.into_u64(), index);
        state.spans.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut state = self.lock();
        if let Some(&index) = state.open.get(&id.into_u64()) {
            values.record(&mut state.spans[index]);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let current = context.event_span(event).map(|span| span.id());
        let mut state = self.lock();
        let mut logged = Logged::new(event.metadata(), state.inside(current));
        event.record(&mut logged);
        state.events.push(logged);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut state = self.lock();
        if let Some(index) = state.open.remove(&id.into_u64()) {
            state.spans[index].closed = true;
        }
    }
}

impl State {
    fn inside(&self, span: Option<Id>) -> Vec<usize> {
        let Some(&index) = span.and_then(|id| self.open.get(&id.into_u64())) else { return Vec::new() };
        std::iter::once(index).chain(self.spans[index].inside.iter().copied()).collect()
    }
}
