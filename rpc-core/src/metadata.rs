//! What travels beside the message.

use bytes::Bytes;
use std::{borrow::Cow, error::Error, fmt};

/// Pairs of key and value that travel beside the message, in the order in which they were added.
///
/// The limits hold on every transport and are checked where something is added, so that the error names the key:
/// keys are of `[a-z0-9_.-]`, 1 to 128 bytes; those ending in `-bin` hold bytes, the others printable ASCII; those
/// beginning with `grpc-` or `rpc-` are the framework's, and some are HTTP's (see [`is_reserved`](Self::is_reserved)),
/// also where a call goes over another wire, for it may go over HTTP tomorrow; at most
/// [`MAX_ENTRIES`](Self::MAX_ENTRIES) pairs and [`MAX_BYTES`](Self::MAX_BYTES) in all, since a peer that is sent more
/// closes the connection, and with it the calls of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<(Cow<'static, str>, Value)>,
    bytes: usize,
}

/// A value: text, or bytes under a key that ends in `-bin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Printable ASCII.
    Text(Cow<'static, str>),
    /// Any bytes.
    Binary(Bytes),
}

impl Metadata {
    pub(crate) const EMPTY: Self = Self { entries: Vec::new(), bytes: 0 };

    /// How many pairs there may be.
    pub const MAX_ENTRIES: usize = 64;

    /// How many bytes keys and values may have in all.
    pub const MAX_BYTES: usize = 8 * 1024;

    const MAX_KEY: usize = 128;

    /// Whether a key belongs to the framework or to HTTP, and is never metadata: `grpc-*`, `rpc-*`, `traceparent` and
    /// `baggage`, and headers such as `host`, `date`, `te`, `user-agent`.
    #[must_use]
    pub fn is_reserved(key: &str) -> bool {
        const HTTP: [&str; 17] = [
            "accept-encoding",
            "baggage",
            "connection",
            "content-length",
            "content-type",
            "date",
            "host",
            "http2-settings",
            "keep-alive",
            "proxy-connection",
            "te",
            "traceparent",
            "trailer",
            "trailers",
            "transfer-encoding",
            "upgrade",
            "user-agent",
        ];
        key.starts_with("grpc-") || key.starts_with("rpc-") || HTTP.binary_search(&key).is_ok()
    }

    /// Adds a text behind what there is: a key may stand more than once, and none is replaced.
    ///
    /// # Errors
    /// When the key or the value is not allowed or a limit is reached; the metadata is unchanged then.
    pub fn append(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<(), MetadataError> {
        let (key, value) = (key.into(), value.into());
        if key.ends_with("-bin") {
            return Err(MetadataError::new(&key, "a key ending in `-bin` holds bytes: use `append_bytes`"));
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(MetadataError::new(
                &key,
                "a text is printable ASCII; put other bytes under a key ending in `-bin`",
            ));
        }
        self.add(key, Value::Text(value))
    }

    /// Adds bytes under a key that ends in `-bin`, behind what there is.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn append_bytes(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Bytes>,
    ) -> Result<(), MetadataError> {
        let key = key.into();
        if !key.ends_with("-bin") {
            return Err(MetadataError::new(&key, "a key for bytes ends in `-bin`"));
        }
        self.add(key, Value::Binary(value.into()))
    }

    /// The first text under a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| match value {
            Value::Text(text) if name == key => Some(text.as_ref()),
            _ => None,
        })
    }

    /// The first bytes under a key.
    pub fn get_bytes(&self, key: &str) -> Option<&Bytes> {
        self.iter().find_map(|(name, value)| match value {
            Value::Binary(bytes) if name == key => Some(bytes),
            _ => None,
        })
    }

    /// All pairs, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds all pairs of another.
    ///
    /// # Errors
    /// When a limit is reached; what fitted before has been added.
    pub fn extend(&mut self, other: &Self) -> Result<(), MetadataError> {
        for (key, value) in &other.entries {
            self.add(key.clone(), value.clone())?;
        }
        Ok(())
    }

    /// All pairs but those under a key.
    pub(crate) fn without(&self, key: &str) -> Self {
        let entries: Vec<_> = self.entries.iter().filter(|(name, _)| name != key).cloned().collect();
        let bytes = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        Self { entries, bytes }
    }

    fn add(&mut self, key: Cow<'static, str>, value: Value) -> Result<(), MetadataError> {
        check_key(&key)?;
        let bytes = self.bytes + key.len() + value.len();
        if self.entries.len() == Self::MAX_ENTRIES {
            return Err(MetadataError::limit(&key, "there are 64 pairs already, which is the limit"));
        }
        if bytes > Self::MAX_BYTES {
            return Err(MetadataError::limit(
                &key,
                "metadata would be over its limit of 8 KiB in all; put it into the message",
            ));
        }
        self.bytes = bytes;
        self.entries.push((key, value));
        Ok(())
    }
}

impl Value {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn check_key(key: &str) -> Result<(), MetadataError> {
    let reason = if key.is_empty() || key.len() > Metadata::MAX_KEY {
        "a key has 1 to 128 bytes"
    } else if !key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-')) {
        "a key is made of a-z, 0-9, `_`, `.` and `-`"
    } else if key.starts_with("grpc-") || key.starts_with("rpc-") {
        "keys beginning with `grpc-` or `rpc-` are the framework's"
    } else if Metadata::is_reserved(key) {
        "HTTP uses this key itself; choose another"
    } else {
        return Ok(());
    };
    Err(MetadataError::new(key, reason))
}

/// Why a pair cannot be metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError {
    key: String,
    reason: &'static str,
    limit: bool,
}

impl MetadataError {
    fn new(key: &str, reason: &'static str) -> Self {
        // A peer's key can be long; the error need not be.
        Self { key: key.chars().take(64).collect(), reason, limit: false }
    }

    fn limit(key: &str, reason: &'static str) -> Self {
        Self { limit: true, ..Self::new(key, reason) }
    }

    /// Whether there is too much in all; otherwise this pair alone is not allowed.
    pub fn is_limit(&self) -> bool {
        self.limit
    }

    /// The key in question, cut after 64 characters.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata `{}`: {}", self.key, self.reason)
    }
}

impl Error for MetadataError {}

impl From<MetadataError> for crate::Status {
    fn from(error: MetadataError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_to_the_byte() {
        let mut full = Metadata::default();
        full.append("k", "v".repeat(Metadata::MAX_BYTES - 1)).unwrap();
        let error = full.append("x", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "metadata `x`: metadata would be over its limit of 8 KiB in all; put it into the message"
        );

        let mut many = Metadata::default();
        for _ in 0..Metadata::MAX_ENTRIES {
            many.append("k", "").unwrap();
        }
        assert_eq!(many.append("last", "").unwrap_err().key(), "last");
        assert_eq!(many.len(), Metadata::MAX_ENTRIES);
    }

    #[test]
    fn keys_and_values_are_checked_where_they_are_added() {
        let mut metadata = Metadata::default();
        for key in [
            "",
            "Upper",
            "with space",
            ":path",
            "grpc-timeout",
            "rpc-attempt",
            "comma,",
            "te",
            "date",
            "traceparent",
            "user-agent",
        ] {
            assert!(metadata.append(key.to_owned(), "v").is_err(), "{key}");
        }
        assert!(metadata.append("text", "한국어").is_err());
        assert!(metadata.append("text", "line\nbreak").is_err());
        assert!(metadata.append("token-bin", "text").is_err());
        assert!(metadata.append_bytes("token", vec![1]).is_err());
        assert!(metadata.is_empty());

        metadata.append("tenant", "seoul").unwrap();
        metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
        assert_eq!(metadata.get("tenant"), Some("seoul"));
        assert_eq!(metadata.get_bytes("token-bin").unwrap()[..], [0, 255]);
    }
}
