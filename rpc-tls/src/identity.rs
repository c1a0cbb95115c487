//! Who a certificate is of.

use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use webpki::EndEntityCert;

/// The name in a certificate: its first URI, as SPIFFE has it (`spiffe://fleet/orders`), or else its first DNS name.
///
/// Not the common name, which no standard has meant for this since RFC 2818; a certificate with nothing else has no
/// name here, and its owner is as unknown as one that shows none.
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    // A wildcard names many.
    let dns = || certificate.valid_dns_names().find(|name| !name.starts_with('*'));
    certificate.valid_uri_names().next().or_else(dns).map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpc_testkit::Ca;
    use rustls::pki_types::pem::PemObject;

    fn of(names: &[&str]) -> Option<Arc<str>> {
        let issued = Ca::new().issue(names);
        name(&CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap())
    }

    #[test]
    fn a_uri_goes_before_a_name_and_a_common_name_is_none() {
        assert_eq!(of(&["orders.internal", "spiffe://fleet/orders"]).as_deref(), Some("spiffe://fleet/orders"));
        assert_eq!(of(&["*.internal", "orders.internal"]).as_deref(), Some("orders.internal"));
        assert_eq!(of(&["10.0.0.7"]), None);
        assert_eq!(of(&[]), None);
    }
}
