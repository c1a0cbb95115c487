//! The keys that exist, and the one that was probably meant.

/// Keys that can stand in the file, and as `RPC_...` in the environment.
pub(super) const KEYS: [&str; 26] = [
    "registry",
    "registry.url",
    "registry.required",
    "tls",
    "rules",
    "max_message",
    "server.listen",
    "server.advertise",
    "server.protocols",
    "server.admission",
    "server.tls",
    "server.weight",
    "server.zone",
    "server.version",
    "server.certificate",
    "server.key",
    "server.client_ca",
    "client.transport",
    "client.timeout",
    "client.retries",
    "client.hedge",
    "client.tls",
    "client.ca",
    "client.certificate",
    "client.key",
    "client.server_name",
];

/// Keys of one service, in `[client.NAME]`. Names have dots, and variables cannot, so they are in the file only.
pub(super) const SERVICE_KEYS: [&str; 7] = ["target", "transport", "timeout", "retries", "hedge", "tls", "server_name"];

/// Keys of one method, in `[client.NAME.methods.METHOD]`.
pub(super) const METHOD_KEYS: [&str; 2] = ["timeout", "hedge"];

/// The variable that names the file.
pub(super) const FILE: &str = "RPC_CONFIG";

/// `server.listen` as it is written in the environment: `RPC_SERVER_LISTEN`.
pub(super) fn variable(key: &str) -> String {
    format!("RPC_{}", key.replace('.', "_").to_uppercase())
}

/// The key whose variable this is. Of the two names of the registry's URL the short one is a variable; there are no
/// tables there, and of two variables for one value one would be lost.
pub(super) fn of_variable(name: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|key| *key != "registry.url" && variable(key) == name)
}

/// Whether somebody else has put a variable into our namespace: for a Service that is called `rpc`, Kubernetes sets
/// `RPC_PORT=tcp://10.0.0.1:7000`, `RPC_SERVICE_HOST`, `RPC_PORT_7000_TCP_ADDR` and more in every pod, and for one
/// that is called `rpc-gate` the same with `RPC_GATE_`.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("RPC") else { return false };
    rest.contains("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.ends_with("_PORT") && value.contains("://")
        || rest.split_once("_PORT_").is_some_and(|(_, port)| port.starts_with(|first: char| first.is_ascii_digit()))
}

/// The one of `known` that looks most like `text`, if one does.
pub(crate) fn nearest<S: AsRef<str>>(text: &str, known: impl IntoIterator<Item = S>) -> Option<S> {
    known
        .into_iter()
        .map(|key| (strsim::damerau_levenshtein(text, key.as_ref()), key))
        .filter(|(distance, key)| *distance <= key.as_ref().len() / 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}
