//! The first words of a connection: which versions, which limits, and whether this is the server that was meant.

use crate::{TARGET, frame::Reader};
use bytes::{BufMut, BytesMut};
use rpc_core::{
    Delivery, Io, Status,
    framed::Malformed,
    transport::{Limits, ProtocolRefused},
};
use std::{io, ops::RangeInclusive, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What every connection begins with, in both directions. Not ASCII, so that no text protocol begins like it; the line
/// ends in it show a stream that is treated as text.
pub(crate) const MAGIC: [u8; 8] = *b"\xF5RPC\r\n\x1A\n";

/// The versions spoken here.
pub(crate) const VERSIONS: RangeInclusive<u16> = 1..=1;

/// How long the other side may take for its hello.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes a hello may have, all in all.
const LONGEST: usize = 4096;

/// The fields of a hello.
mod field {
    pub(super) const LIMITS: u16 = 1;
    pub(super) const FEATURES: u16 = 2;
    pub(super) const INSTANCE: u16 = 3;
    pub(super) const NAME: u16 = 4;
    pub(super) const REFUSAL: u16 = 5;
}

/// Why a server refuses a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No version that both speak.
    Version,
    /// Another instance was expected here.
    Instance,
    /// The hello made no sense.
    Malformed,
    /// It is about to leave.
    Draining,
}

impl Refusal {
    const fn number(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::Instance => 2,
            Self::Malformed => 3,
            Self::Draining => 4,
        }
    }
}

/// What a side says of itself. The defaults stand for a peer that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// What it accepts.
    pub(crate) limits: Limits,
    /// What it understands beyond what version 1 began with.
    pub(crate) features: Features,
    /// From a client: whom it expects. From a server: who it is.
    pub(crate) instance: Option<String>,
    /// What it calls itself, for logs.
    pub(crate) name: Option<String>,
    /// From a server: why it refuses, by number, and a sentence.
    pub(crate) refusal: Option<(u8, String)>,
}

/// What a side understands beyond what version 1 began with: it is sent to nobody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features(u64);

impl Features {
    /// All that this side knows.
    pub(crate) const OURS: Self = Self(Self::TRAILERS);
    /// Metadata of failures, and behind streams.
    const TRAILERS: u64 = 1;

    pub(crate) fn trailers(self) -> bool {
        self.0 & Self::TRAILERS != 0
    }
}

impl Hello {
    /// What a client begins with.
    pub(crate) fn encode_client(&self, versions: RangeInclusive<u16>) -> BytesMut {
        let mut bytes = BytesMut::from(&MAGIC[..]);
        bytes.put_u16(*versions.start());
        bytes.put_u16(*versions.end());
        self.put_fields(&mut bytes);
        bytes
    }

    /// What a server answers; version 0 refuses.
    pub(crate) fn encode_server(&self, version: u16) -> BytesMut {
        let mut bytes = BytesMut::from(&MAGIC[..]);
        bytes.put_u16(version);
        bytes.put_u16(*VERSIONS.start());
        bytes.put_u16(*VERSIONS.end());
        self.put_fields(&mut bytes);
        bytes
    }

    fn put_fields(&self, bytes: &mut BytesMut) {
        let mut fields = BytesMut::new();
        let mut limits = [0; 8];
        limits[..4].copy_from_slice(&clamp(self.limits.max_message).to_be_bytes());
        limits[4..].copy_from_slice(&clamp(self.limits.max_concurrent_calls).to_be_bytes());
        put_field(&mut fields, field::LIMITS, &limits);
        put_field(&mut fields, field::FEATURES, &self.features.0.to_be_bytes());
        if let Some(instance) = &self.instance {
            put_field(&mut fields, field::INSTANCE, cut(instance, 1024).as_bytes());
        }
        if let Some(name) = &self.name {
            put_field(&mut fields, field::NAME, cut(name, 256).as_bytes());
        }
        if let Some((number, sentence)) = &self.refusal {
            let mut refusal = vec![*number];
            refusal.extend_from_slice(cut(sentence, 1024).as_bytes());
            put_field(&mut fields, field::REFUSAL, &refusal);
        }
        bytes.put_u16(fields.len() as u16);
        bytes.put_slice(&fields);
    }

    fn decode_fields(mut fields: Reader) -> Result<Self, Malformed> {
        let mut hello = Self::default();
        while !fields.is_empty() {
            let (kind, length) = (fields.u16()?, fields.u16()?);
            let mut value = Reader::new(fields.bytes(length.into())?);
            match kind {
                // Longer than expected: a later version says more. What it says here still holds.
                field::LIMITS => {
                    let (message, calls) = (value.u32()? as usize, value.u32()? as usize);
                    hello.limits = Limits::default().with_max_message(message).with_max_concurrent_calls(calls);
                }
                field::FEATURES => hello.features = Features(value.u64()?),
                field::INSTANCE => hello.instance = Some(text(value)?),
                field::NAME => hello.name = Some(text(value)?),
                field::REFUSAL => hello.refusal = Some((value.u8()?, text(value)?)),
                _ => {}
            }
        }
        Ok(hello)
    }
}

fn put_field(fields: &mut BytesMut, kind: u16, value: &[u8]) {
    fields.put_u16(kind);
    fields.put_u16(value.len() as u16);
    fields.put_slice(value);
}

fn text(mut value: Reader) -> Result<String, Malformed> {
    String::from_utf8(value.rest().into()).map_err(|_| Malformed("a text in the hello that is not UTF-8"))
}

/// A limit as it travels; what is over `u32` is as good as that.
fn clamp(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// The beginning of a text, at most `length` bytes.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Says hello as a client and waits for the answer.
///
/// # Errors
/// `Unavailable`, never sent; see [`rpc_core::transport::Transport::connect`].
pub(crate) async fn greet(io: &mut Io, ours: &Hello) -> Result<Hello, Status> {
    match tokio::time::timeout(PATIENCE, exchange(io, ours)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(refused(format!(
            "the peer did not answer the hello of tarpc/{} within {PATIENCE:?}; does it speak tarpc?",
            VERSIONS.end()
        ))),
    }
}

async fn exchange(io: &mut Io, ours: &Hello) -> Result<Hello, Status> {
    let sent = async {
        io.write_all(&ours.encode_client(VERSIONS)).await?;
        io.flush().await
    };
    sent.await.map_err(|error| closed(&error))?;
    let mut magic = [0; MAGIC.len()];
    let mut seen = 0;
    while seen < magic.len() {
        let count = io.read(&mut magic[seen..]).await.and_then(|count| match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        });
        // One who has begun to answer speaks tarpc; the connection broke.
        seen += count.map_err(|error| if seen == 0 { closed(&error) } else { lost(&error) })?;
        if magic[..seen] != MAGIC[..seen] {
            let answer = magic[..seen].escape_ascii();
            return Err(refused(format!("the peer answered the hello with \"{answer}\", which is not tarpc")));
        }
    }
    let mut head = [0; 8];
    io.read_exact(&mut head).await.map_err(|error| lost(&error))?;
    let [version, lowest, highest, length] =
        [[head[0], head[1]], [head[2], head[3]], [head[4], head[5]], [head[6], head[7]]].map(u16::from_be_bytes);
    if usize::from(length) + 16 > LONGEST {
        return Err(refused("the peer's hello is over 4 KiB".to_owned()));
    }
    let mut fields = vec![0; length.into()];
    io.read_exact(&mut fields).await.map_err(|error| lost(&error))?;
    let theirs = Hello::decode_fields(Reader::new(fields.into()))
        .map_err(|malformed| refused(format!("the peer's hello has {malformed}")))?;
    if VERSIONS.contains(&version) {
        return Ok(theirs);
    }
    Err(refusal(version, lowest..=highest, theirs.refusal))
}

/// What a refusal means here.
#[cold]
fn refusal(version: u16, theirs: RangeInclusive<u16>, why: Option<(u8, String)>) -> Status {
    let (number, sentence) = why.unwrap_or_default();
    let versions = format!(
        "it speaks {} to {}, this side {} to {}",
        theirs.start(),
        theirs.end(),
        VERSIONS.start(),
        VERSIONS.end()
    );
    if version != 0 {
        return refused(format!("the server chose version {version} of tarpc, which was not offered; {versions}"));
    }
    // The right protocol at the wrong place or time: another protocol would fare no better there.
    if number == Refusal::Instance.number() || number == Refusal::Draining.number() {
        return Status::unavailable(format!("the server refused the connection: {sentence}"))
            .with_delivery(Delivery::NeverSent);
    }
    refused(format!("the server refused tarpc: {sentence} ({versions})"))
}

fn refused(sentence: String) -> Status {
    ProtocolRefused::new(sentence).into_status()
}

fn closed(error: &io::Error) -> Status {
    refused(format!("the peer closed the connection instead of answering the hello of tarpc ({error})"))
}

fn lost(error: &io::Error) -> Status {
    Status::unavailable(format!("the connection was lost during the hello: {error}")).with_delivery(Delivery::NeverSent)
}

/// Hears a client's hello and answers. `None` when the client was refused or left.
pub(crate) async fn receive(io: &mut Io, ours: &Hello, draining: bool) -> Option<Hello> {
    let heard = tokio::time::timeout(PATIENCE, hear(io)).await.ok()?.ok()?;
    let verdict = heard.and_then(|(versions, theirs)| judge(versions, theirs, ours, draining));
    let (version, answer) = match &verdict {
        Ok((version, _)) => (*version, ours.clone()),
        Err((why, sentence)) => {
            tracing::debug!(target: TARGET, ?why, sentence, "refused a client of tarpc");
            (0, Hello { refusal: Some((why.number(), sentence.clone())), ..ours.clone() })
        }
    };
    let answered = async {
        io.write_all(&answer.encode_server(version)).await?;
        io.flush().await?;
        if version == 0 { io.shutdown().await } else { Ok(()) }
    };
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()?;
    verdict.ok().map(|(_, theirs)| theirs)
}

type Heard = Result<(RangeInclusive<u16>, Hello), (Refusal, String)>;

async fn hear(io: &mut Io) -> io::Result<Heard> {
    let mut head = [0; 14];
    io.read_exact(&mut head).await?;
    if head[..8] != MAGIC {
        return Ok(Err((Refusal::Malformed, "this is not the hello of tarpc".to_owned())));
    }
    let [lowest, highest, length] =
        [[head[8], head[9]], [head[10], head[11]], [head[12], head[13]]].map(u16::from_be_bytes);
    if usize::from(length) + head.len() > LONGEST {
        // Read to the end, without keeping it: bytes left unread would make the close tear down the refusal.
        tokio::io::copy(&mut io.take(length.into()), &mut tokio::io::sink()).await?;
        return Ok(Err((Refusal::Malformed, "a hello of more than 4 KiB".to_owned())));
    }
    let mut fields = vec![0; length.into()];
    io.read_exact(&mut fields).await?;
    Ok(Hello::decode_fields(Reader::new(fields.into()))
        .map(|hello| (lowest..=highest, hello))
        .map_err(|malformed| (Refusal::Malformed, format!("a hello with {malformed}"))))
}

fn judge(
    versions: RangeInclusive<u16>,
    theirs: Hello,
    ours: &Hello,
    draining: bool,
) -> Result<(u16, Hello), (Refusal, String)> {
    let version = *versions.end().min(VERSIONS.end());
    if version < *versions.start() || !VERSIONS.contains(&version) {
        let (low, high) = (versions.start(), versions.end());
        return Err((Refusal::Version, format!("versions {low} to {high} are not spoken here")));
    }
    if draining {
        return Err((Refusal::Draining, "server draining".to_owned()));
    }
    match (&theirs.instance, &ours.instance) {
        (None, _) => {}
        (Some(expected), Some(found)) if expected == found => {}
        (Some(expected), found) => {
            let found = match found {
                Some(found) => format!("instance `{}`", cut(found, 256)),
                None => "a server without an instance id (see `Server::instance`)".to_owned(),
            };
            let expected = cut(expected, 256);
            return Err((
                Refusal::Instance,
                format!("instance `{expected}` was expected here and {found} is; the record is stale"),
            ));
        }
    }
    Ok((version, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            limits: Limits::default().with_max_message(1 << 20).with_max_concurrent_calls(64),
            features: Features::default(),
            instance: Some("orders-7".to_owned()),
            name: Some("shop".to_owned()),
            refusal: None,
        }
    }

    /// Golden bytes of version 1. They may never change.
    #[test]
    fn version_1_of_the_hello_stays_as_it_is() {
        let client = b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\x2c\
            \0\x01\0\x08\0\x10\0\0\0\0\0\x40\
            \0\x02\0\x08\0\0\0\0\0\0\0\0\
            \0\x03\0\x08orders-7\
            \0\x04\0\x04shop";
        assert_eq!(hello().encode_client(1..=1).escape_ascii().to_string(), client.escape_ascii().to_string());

        let accepted = Hello { name: None, ..hello() }.encode_server(1);
        let server = b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\x01\0\x24\
            \0\x01\0\x08\0\x10\0\0\0\0\0\x40\
            \0\x02\0\x08\0\0\0\0\0\0\0\0\
            \0\x03\0\x08orders-7";
        assert_eq!(accepted.escape_ascii().to_string(), server.escape_ascii().to_string());

        let knowing =
            Hello { features: Features::OURS, limits: hello().limits, ..Hello::default() }.encode_client(1..=1);
        let client = b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\x18\
            \0\x01\0\x08\0\x10\0\0\0\0\0\x40\
            \0\x02\0\x08\0\0\0\0\0\0\0\x01";
        assert_eq!(knowing.escape_ascii().to_string(), client.escape_ascii().to_string());

        let refusal = Some((Refusal::Version.number(), "no".to_owned()));
        let refused = Hello { refusal, limits: hello().limits, ..Hello::default() }.encode_server(0);
        let server = b"\xF5RPC\r\n\x1A\n\0\0\0\x01\0\x01\0\x1f\
            \0\x01\0\x08\0\x10\0\0\0\0\0\x40\
            \0\x02\0\x08\0\0\0\0\0\0\0\0\
            \0\x05\0\x03\x01no";
        assert_eq!(refused.escape_ascii().to_string(), server.escape_ascii().to_string());
    }

    #[test]
    fn fields_are_read_back_and_unknown_ones_skipped() {
        let mut fields = BytesMut::new();
        put_field(&mut fields, 999, b"from the future");
        fields.extend_from_slice(&hello().encode_client(1..=1)[14..]);
        put_field(&mut fields, 0, b"");
        assert_eq!(Hello::decode_fields(Reader::new(fields.freeze())).unwrap(), hello());
    }

    #[test]
    fn every_range_of_versions_gets_its_answer() {
        let judged = |versions| judge(versions, Hello::default(), &hello(), false).map(|(version, _)| version);
        for fine in [1..=1, 0..=1, 1..=2, 0..=u16::MAX] {
            assert_eq!(judged(fine), Ok(1));
        }
        #[expect(clippy::reversed_empty_ranges, reason = "a peer can send one")]
        for refused in [0..=0, 2..=2, 99..=99, 2..=1, 1..=0] {
            assert_eq!(judged(refused.clone()).unwrap_err().0, Refusal::Version, "{refused:?}");
        }
    }
}
