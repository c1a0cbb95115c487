//! Certificates and keys, as everybody writes them: PEM.

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// Where PEM is.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// Here.
    Text(Vec<u8>),
}

impl Pem {
    pub(crate) fn read(&self, part: Part) -> Result<Vec<u8>, SetupError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read(path).map_err(|error| unreadable(part, path, error)),
        }
    }

    /// The same, without holding up the thread.
    pub(crate) async fn read_again(&self, part: Part) -> Result<Vec<u8>, SetupError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => tokio::fs::read(path).await.map_err(|error| unreadable(part, path, error)),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "the PEM that the program gives".to_owned(),
        }
    }

    /// A certificate and those that lead from it to its CA.
    pub(crate) fn chain(&self, part: Part, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(self.no("certificate", part)),
            Err(error) => Err(self.garbled(part, &error)),
        }
    }

    pub(crate) fn key(&self, part: Part, pem: &[u8]) -> Result<PrivateKeyDer<'static>, SetupError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => self.no("private key", part),
            error => self.garbled(part, &error),
        })
    }

    pub(crate) fn roots(&self, part: Part, pem: &[u8]) -> Result<RootCertStore, SetupError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(part, pem)? {
            roots.add(certificate).map_err(|error| {
                SetupError::new(part, format!("{} has a certificate that is no CA's: {error}", self.place()))
                    .with_remedy("name the file with the certificates of the CAs to trust")
            })?;
        }
        Ok(roots)
    }

    #[cold]
    fn no(&self, what: &str, part: Part) -> SetupError {
        let begin = what.to_uppercase();
        SetupError::new(part, format!("there is no {what} in {}", self.place()))
            .with_remedy(format!("name a PEM file with a block \"-----BEGIN {begin}-----\""))
    }

    #[cold]
    fn garbled(&self, part: Part, error: &pem::Error) -> SetupError {
        SetupError::new(part, format!("{} is no PEM: {error}", self.place()))
            .with_remedy("name a PEM file, not DER or PKCS #12")
    }
}

#[cold]
fn unreadable(part: Part, path: &Path, error: io::Error) -> SetupError {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "let the user that runs this program read it",
        _ => "correct the path, or put the file there",
    };
    SetupError::new(part, format!("cannot read {}: {error}", path.display())).with_remedy(remedy)
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// A key may be in it, so that its text is never shown.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// What a piece of PEM is for, by the word that configuration has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate that this side shows.
    Certificate,
    /// The private key that belongs to it.
    Key,
    /// The CAs that a client trusts.
    Ca,
    /// The CAs whose certificates a server asks its clients for.
    ClientCa,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Ca => "ca",
            Self::ClientCa => "client_ca",
        })
    }
}

/// Why there can be no TLS with these certificates and keys.
#[derive(Debug)]
pub struct SetupError {
    part: Part,
    message: String,
    remedy: String,
}

impl SetupError {
    #[cold]
    pub(crate) fn new(part: Part, message: impl Into<String>) -> Self {
        Self { part, message: message.into(), remedy: String::new() }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The piece that is to blame.
    pub fn part(&self) -> Part {
        self.part
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SetupError {}
