//! Handshakes, those that go well and those that do not.

use rpc_core::{
    Io,
    tls::{Afterthought, Secured, TlsAcceptor, TlsConnector, TlsError, TlsErrorKind},
};
use rpc_testkit::{Ca, Issued, Validity};
use rpc_tls::{ClientTls, Part, Pem, ServerTls};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

fn pem(text: &str) -> Pem {
    Pem::Text(text.as_bytes().to_vec())
}

fn serving(issued: &Issued) -> ServerTls {
    ServerTls::new(pem(&issued.certificate), pem(&issued.key))
}

fn acceptor(tls: ServerTls) -> Arc<dyn TlsAcceptor> {
    tls.acceptor(["h2", "rpc-tarpc/1"]).unwrap()
}

fn trusting(ca: &Ca) -> ClientTls {
    ClientTls::new(pem(&ca.pem()))
}

fn connector(tls: ClientTls) -> Arc<dyn TlsConnector> {
    tls.connector().unwrap()
}

type Outcome = Result<Secured, TlsError>;

async fn shake(
    server: &Arc<dyn TlsAcceptor>,
    client: &Arc<dyn TlsConnector>,
    name: &str,
    alpn: Option<&'static str>,
) -> (Outcome, Outcome) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    tokio::join!(server.accept(Io::new(near)), client.connect(Io::new(far), name, alpn))
}

/// What both sides say of a handshake that fails, each in its own words.
async fn failure(server: ServerTls, client: ClientTls, name: &str) -> (String, String) {
    let (server, client) = shake(&acceptor(server), &connector(client), name, Some("h2")).await;
    let (server, client) = (server.unwrap_err(), client.unwrap_err());
    assert_ne!(client.kind(), TlsErrorKind::Protocol, "{client}");
    (server.to_string(), client.to_string())
}

#[tokio::test]
async fn both_sides_know_the_protocol_and_the_server_knows_who_calls() {
    let ca = Ca::new();
    let server = acceptor(serving(&ca.issue(&["127.0.0.1", "orders.internal"])).with_client_ca(pem(&ca.pem())));
    let own = ca.issue(&["spiffe://fleet/billing"]);
    let client = connector(trusting(&ca).with_certificate(pem(&own.certificate), pem(&own.key)));
    for (name, alpn) in [("127.0.0.1", Some("h2")), ("orders.internal", Some("rpc-tarpc/1")), ("127.0.0.1", None)] {
        let (server, client) = shake(&server, &client, name, alpn).await;
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        assert_eq!((server.alpn.as_deref(), client.alpn.as_deref()), (alpn, alpn));
        assert_eq!(server.identity.as_deref(), Some("spiffe://fleet/billing"));
        client.io.write_all(b"a question").await.unwrap();
        client.io.flush().await.unwrap();
        server.io.read_exact(&mut [0; 10]).await.unwrap();
        server.io.shutdown().await.unwrap();
        assert_eq!(client.io.read(&mut [0; 10]).await.unwrap(), 0, "an end in order");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_has_no_clean_end() {
    let ca = Ca::new();
    let (server, client) = (acceptor(serving(&ca.issue(&["localhost"]))), connector(trusting(&ca)));
    let (server, client) = shake(&server, &client, "localhost", None).await;
    let mut client = client.unwrap();
    // The bytes end, and TLS has not said that they may.
    drop(server.unwrap());
    let error = client.io.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(client.afterthought.heard().is_none());
}

#[tokio::test]
async fn the_client_says_what_is_wrong_with_a_servers_certificate() {
    let (ca, other) = (Ca::new(), Ca::new());
    let good = ca.issue(&["orders.internal"]);
    let (server, client) = failure(serving(&good), trusting(&other), "orders.internal").await;
    assert!(client.contains("of a CA that is not trusted here: add that CA to `client.ca`"), "{client}");
    assert!(server.contains("UnknownCA"), "{server}");

    let old = ca.issue_for(&["orders.internal"], Validity::Past);
    let (server, client) = failure(serving(&old), trusting(&ca), "orders.internal").await;
    assert!(client.contains("has expired") && client.contains("days ago: renew it at the server"), "{client}");
    assert!(server.contains("CertificateExpired"), "{server}");

    let (_, client) = failure(serving(&good), trusting(&ca), "10.0.0.7").await;
    assert!(client.contains("and not for 10.0.0.7: set `client.server_name`"), "{client}");
    assert!(client.contains("orders.internal"), "{client}");
    let (near, _far) = tokio::io::duplex(64);
    let odd = connector(trusting(&ca)).connect(Io::new(near), "no name", None).await.unwrap_err();
    assert!(odd.to_string().contains("`no name` can stand in no certificate"), "{odd}");
}

/// What a client hears of its own certificate, which in TLS 1.3 comes when it seems to be let in.
async fn heard(server: ServerTls, client: ClientTls) -> (String, String) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (server, client) = (acceptor(server), connector(client));
    let calling = async {
        let mut secured = client.connect(Io::new(far), "localhost", Some("h2")).await.unwrap();
        // As a protocol does, it says hello at once.
        secured.io.write_all(b"hello").await.unwrap();
        secured.io.flush().await.unwrap();
        let mut answer = [0; 10];
        let read = secured.io.read(&mut answer);
        timeout(Duration::from_secs(10), read).await.expect("it was let in").unwrap_err();
        secured.afterthought
    };
    let (server, afterthought): (Outcome, Afterthought) = tokio::join!(server.accept(Io::new(near)), calling);
    (server.unwrap_err().to_string(), afterthought.heard().expect("a refusal").to_string())
}

#[tokio::test]
async fn the_client_hears_what_is_wrong_with_its_own() {
    let (ca, other) = (Ca::new(), Ca::new());
    let asking = || serving(&ca.issue(&["localhost"])).with_client_ca(pem(&ca.pem()));
    let (server, client) = heard(asking(), trusting(&ca)).await;
    assert_eq!(server, "the client has shown no certificate, which `client_ca` asks for");
    assert_eq!(client, "it wants to know who calls: set `client.certificate` and `client.key`");

    let showing = |issued: Issued| trusting(&ca).with_certificate(pem(&issued.certificate), pem(&issued.key));
    let (server, client) = heard(asking(), showing(other.issue(&["billing"]))).await;
    assert_eq!(server, "the client's certificate is of a CA that is not trusted here");
    assert!(client.contains("does not trust this client's certificate"), "{client}");

    let (server, client) = heard(asking(), showing(ca.issue_for(&["billing"], Validity::Past))).await;
    assert!(server.starts_with("the client's certificate has expired"), "{server}");
    assert_eq!(client, "it says that this client's certificate has expired: renew `client.certificate`");
}

#[tokio::test]
async fn a_protocol_that_the_server_lacks_is_told_from_other_failures() {
    let ca = Ca::new();
    let server = serving(&ca.issue(&["localhost"])).acceptor(["h2"]).unwrap();
    let (server, client) = shake(&server, &connector(trusting(&ca)), "localhost", Some("rpc-tarpc/1")).await;
    let client = client.unwrap_err();
    assert_eq!(
        (client.kind(), &*client.to_string()),
        (TlsErrorKind::Protocol, "the server speaks TLS, but not rpc-tarpc/1")
    );
    assert_eq!(server.unwrap_err().kind(), TlsErrorKind::Protocol);
}

#[tokio::test]
async fn somebody_who_does_not_speak_tls_is_no_panic() {
    let ca = Ca::new();
    let client = connector(trusting(&ca));
    for (answer, sentence) in [
        (&b"\0\0\x12\x04\0\0\0\0\0"[..], "something that is not TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "something that is not TLS"),
        (b"\x15\x03\x03\0\x02\x02\x46", "neither TLS 1.2 nor 1.3"),
        (b"", "closed the connection instead of shaking hands"),
    ] {
        let (mut near, far) = tokio::io::duplex(16 * 1024);
        let answering = async {
            near.read_u8().await.unwrap();
            near.write_all(answer).await.unwrap();
            drop(near);
        };
        let (outcome, ()) = tokio::join!(client.connect(Io::new(far), "localhost", None), answering);
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    let server = acceptor(serving(&ca.issue(&["localhost"])));
    for words in [&b"\x16\x03\x01\xff\xff\x01\0\0\0"[..], b"\x16\x03\x01\0\x05\x01\0\0\x01\0", b"\x16\x03\x01\0\0"] {
        let (mut far, near) = tokio::io::duplex(16 * 1024);
        far.write_all(words).await.unwrap();
        far.shutdown().await.unwrap();
        server.accept(Io::new(near)).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn certificates_are_renewed_without_a_restart() {
    let (folder, old, new) = (tempfile::tempdir().unwrap(), Ca::new(), Ca::new());
    let (certificate, key) = old.issue(&["localhost"]).write(folder.path(), "server");
    let server = acceptor(ServerTls::new(certificate.clone(), key.clone()));
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, old.pem()).unwrap();
    let client = connector(ClientTls::new(ca.clone()));
    let shakes = async || shake(&server, &client, "localhost", None).await.1.is_ok();
    assert!(shakes().await);

    // Not the key that belongs to it, as when somebody writes one file after the other.
    let issued = new.issue(&["localhost"]);
    std::fs::write(&certificate, &issued.certificate).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(shakes().await, "the old ones hold");
    std::fs::write(&key, &issued.key).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(!shakes().await, "the server has the new one, which the client does not trust");
    std::fs::write(&ca, new.pem()).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(shakes().await, "and now it does");
    std::fs::remove_file(&key).unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(shakes().await, "what was good stays");
}

#[test]
fn what_cannot_be_used_is_named_with_a_remedy_and_no_key_is_shown() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let (one, other) = (ca.issue(&["a"]), ca.issue(&["b"]));
    let missing = folder.path().join("missing.pem");
    let refused = |tls: ServerTls| {
        let shown = format!("{tls:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
        tls.acceptor(["h2"]).err().expect("an error")
    };
    for (tls, part, message, remedy) in [
        (
            ServerTls::new(missing.clone(), pem(&one.key)),
            Part::Certificate,
            format!("cannot read {}", missing.display()),
            "correct the path",
        ),
        (
            ServerTls::new(pem(&one.certificate), pem(&other.key)),
            Part::Key,
            "the key does not belong to the certificate".to_owned(),
            "name the key for which the certificate was issued",
        ),
        (
            ServerTls::new(pem(&one.certificate), pem(&one.certificate)),
            Part::Key,
            "there is no private key in".to_owned(),
            "-----BEGIN PRIVATE KEY-----",
        ),
        (
            ServerTls::new(pem("nothing"), pem(&one.key)),
            Part::Certificate,
            "there is no certificate in".to_owned(),
            "-----BEGIN CERTIFICATE-----",
        ),
        (
            ServerTls::new(pem("-----BEGIN CERTIFICATE-----\nMII"), pem(&one.key)),
            Part::Certificate,
            "is no PEM".to_owned(),
            "PEM file",
        ),
        (
            serving(&one).with_client_ca(pem(&one.key)),
            Part::ClientCa,
            "there is no certificate in".to_owned(),
            "-----BEGIN CERTIFICATE-----",
        ),
    ] {
        let error = refused(tls);
        assert_eq!(error.part(), part, "{error}");
        assert!(error.to_string().contains(&message), "{error}");
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
    }
}
