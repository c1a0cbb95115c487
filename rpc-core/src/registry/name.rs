//! Names of services.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// The full name of a service, as in `baedal.orders.v1.Orders`: identifiers joined by dots, at most 255 bytes.
///
/// It is a path segment in ZooKeeper and a directory in the file registry, so nothing else passes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the last dot.
    pub fn short(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }
}

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, ServiceNameError> {
        let identifier = |part: &str| {
            let mut bytes = part.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if text.len() <= 255 && text.split('.').all(identifier) {
            Ok(Self(text.into()))
        } else {
            Err(ServiceNameError(text.chars().take(255).collect()))
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The text is no name of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceNameError(String);

impl fmt::Display for ServiceNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no name of a service: write identifiers joined by dots, as in baedal.orders.v1.Orders",
            self.0
        )
    }
}

impl std::error::Error for ServiceNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_leave_a_directory_passes() {
        assert_eq!("baedal.orders.v1.Orders".parse::<ServiceName>().unwrap().short(), "Orders");
        for text in ["", ".", "..", "a/b", "a..b", "a.", ".a", "a b", "1a", "a\0b", &"a".repeat(256)] {
            assert!(text.parse::<ServiceName>().is_err(), "{text:?}");
        }
    }
}
