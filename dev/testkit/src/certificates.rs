//! Certificates that are made when a test runs.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use std::path::{Path, PathBuf};

/// A CA of one's own. Each has another name and another key, so that what one has issued means nothing to those who
/// trust another.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// Until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For longer than tests run.
    Long,
    /// Until the year 2020.
    Past,
}

impl Ca {
    /// With a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("the CA {:x} of a test", fastrand::u64(..)));
        params.not_before = date_time_ymd(2019, 1, 1);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate with these names: IP addresses, URIs or DNS names. Its common name is "common", which is not to
    /// count.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_for(names, Validity::Long)
    }

    /// The same for another time.
    pub fn issue_for(&self, names: &[&str], validity: Validity) -> Issued {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        params.distinguished_name.push(DnType::CommonName, "common");
        params.not_before = date_time_ymd(2019, 1, 1);
        if validity == Validity::Past {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// Writes both into a folder, as `NAME.pem` and `NAME.key`, and gives where they are.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let place = |kind: &str| folder.join(format!("{name}.{kind}"));
        let (certificate, key) = (place("pem"), place("key"));
        std::fs::write(&certificate, &self.certificate).expect("a file");
        std::fs::write(&key, &self.key).expect("a file");
        (certificate, key)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn san(name: &str) -> SanType {
    match name.parse() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) if name.contains("://") => SanType::URI(name.try_into().expect("ASCII")),
        Err(_) => SanType::DnsName(name.try_into().expect("ASCII")),
    }
}
