//! Clients on a Unix socket that name its path in `:authority`.

use rpc_core::Io;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's bytes, in which a percent sign in `:authority` is a full stop.
///
/// gRPC's C core (Python, Ruby, C++) calls a server at `/tmp/orders.sock` `tmp%2Forders.sock`. That is a name by RFC
/// 3986, section 3.2.2, but `http` takes none with a percent sign, so that h2 resets the stream (hyperium/h2#487).
/// Nothing here depends on what a client calls the server; and since the name keeps its length, both sides' tables of
/// headers go on saying the same.
pub(crate) struct Renamed {
    io: Io,
    names: Names,
}

impl Renamed {
    pub(crate) fn new(io: Io) -> Self {
        Self { io, names: Names::default() }
    }
}

impl AsyncRead for Renamed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.names.change(buffer.filled_mut().get_mut(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Renamed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Finds the names in the frames that hold headers, however the bytes are cut.
struct Names {
    /// What is left of the preface, then of the frame whose head was read last.
    skip: usize,
    head: [u8; 9],
    filled: usize,
    place: Place,
}

enum Place {
    /// So many bytes of [`Names::NAME`] were just read.
    Before(usize),
    /// The name was; a length follows.
    Length,
    /// The length is this and what follows, seven bits a byte.
    LongLength { so_far: usize, shift: u32 },
    /// So many bytes of the value are left.
    Inside(usize),
}

impl Default for Names {
    fn default() -> Self {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
        Self { skip: preface, head: [0; 9], filled: 0, place: Place::Before(0) }
    }
}

impl Names {
    /// The name with its length before it, as the C core writes it. No value can hold it, for its first byte is a line
    /// feed.
    const NAME: &[u8] = b"\x0a:authority";
    const HEADERS: u8 = 1;
    const CONTINUATION: u8 = 9;
    /// The longest value that is read on in.
    const LONGEST: usize = 4096;
    /// Where the last byte of such a length stands.
    const LAST_SHIFT: u32 = 7;

    fn change(&mut self, mut bytes: &mut [u8]) {
        loop {
            let (inside, behind) = bytes.split_at_mut(self.skip.min(bytes.len()));
            self.skip -= inside.len();
            // Before the first frame this is 0, which is the type of DATA.
            if matches!(self.head[3], Self::HEADERS | Self::CONTINUATION) {
                inside.iter_mut().for_each(|byte| self.place.step(byte));
            }
            if behind.is_empty() {
                return;
            }
            let (head, behind) = behind.split_at_mut((self.head.len() - self.filled).min(behind.len()));
            self.head[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            if self.filled == self.head.len() {
                let [a, b, c, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.filled = 0;
            }
            bytes = behind;
        }
    }
}

impl Place {
    fn step(&mut self, byte: &mut u8) {
        *self = match *self {
            Self::Before(read) if *byte == Names::NAME[read] => match read + 1 {
                all if all == Names::NAME.len() => Self::Length,
                some => Self::Before(some),
            },
            Self::Before(_) => Self::Before(usize::from(*byte == Names::NAME[0])),
            Self::Length => match *byte {
                0x7f => Self::LongLength { so_far: 0x7f, shift: 0 },
                short @ 1..0x7f => Self::Inside(short.into()),
                // Of nothing, or in Huffman's code, which the C core does not use here.
                _ => Self::Before(0),
            },
            Self::LongLength { so_far, shift } => {
                let length = so_far + (usize::from(*byte & 0x7f) << shift);
                match *byte & 0x80 {
                    _ if length > Names::LONGEST => Self::Before(0),
                    // Zeros, which make it no longer and go on for ever.
                    0x80 if shift >= Names::LAST_SHIFT => Self::Before(0),
                    0 => Self::Inside(length),
                    _ => Self::LongLength { so_far: length, shift: shift + 7 },
                }
            }
            Self::Inside(left) => {
                if *byte == b'%' {
                    *byte = b'.';
                }
                if left == 1 { Self::Before(0) } else { Self::Inside(left - 1) }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, 4, 0, 0, 0, 1]);
        frame.extend_from_slice(payload);
        frame
    }

    fn stream(authority: &str, elsewhere: &str) -> Vec<u8> {
        let mut block = b"@\x05:path\x04/%2F@\x0a:authority".to_vec();
        match authority.len() {
            short @ ..0x7f => block.push(short as u8),
            long => block.extend_from_slice(&[0x7f, (long - 0x7f) as u8]),
        }
        block.extend_from_slice(authority.as_bytes());
        block.extend_from_slice(b"@\x03key\x03%2F");
        let (begin, end) = block.split_at(20);
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, b""),
            frame(1, begin),
            frame(9, end),
            frame(0, elsewhere.as_bytes()),
            frame(1, &block),
        ]
        .concat()
    }

    #[test]
    fn only_the_name_is_changed_however_the_bytes_are_cut() {
        for authority in ["tmp%2Forders.sock", &"a%2F".repeat(40), "localhost", ""] {
            let data = "\n:authority\x06a%2F%2";
            let (sent, expected) = (stream(authority, data), stream(&authority.replace('%', "."), data));
            for piece in 1..sent.len() {
                let (mut names, mut got) = (Names::default(), sent.clone());
                got.chunks_mut(piece).for_each(|bytes| names.change(bytes));
                assert_eq!(got, expected, "{authority} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn an_absurd_length_is_passed_over() {
        let zeros = [b"\x7f".to_vec(), vec![0x80; 11], b"\x01".to_vec()].concat();
        for length in [
            &b"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
            b"\x7f\xff\xff\xff\x7f",
            b"\x7f\x80\x80\x01",
            &zeros,
            b"\x85",
        ] {
            let block = [b"@\x0a:authority", length, b"%2F%2F"].concat();
            let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(1, &block)].concat();
            let sent = bytes.clone();
            Names::default().change(&mut bytes);
            assert_eq!(bytes, sent);
        }
    }

    /// Bytes of which header blocks are made that get somewhere.
    fn blocks() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => Just(Names::NAME.to_vec()),
            2 => Just(vec![0x7f]),
            2 => vec(prop_oneof![40 => Just(0x80), 1 => Just(0xff), 1 => any::<u8>()], 0..32),
            1 => Just(b"%2F".to_vec()),
            1 => vec(any::<u8>(), 0..200),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_writes_is_a_panic_and_only_percent_signs_change(
            frames in vec((any::<u8>(), blocks()), 0..6),
            rest in vec(any::<u8>(), 0..40),
            piece in 1usize..64,
        ) {
            let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            for (kind, block) in frames {
                sent.extend(frame(if kind % 4 == 0 { kind } else { Names::HEADERS + kind % 2 * 8 }, &block));
            }
            sent.extend(rest);
            let (mut names, mut got) = (Names::default(), sent.clone());
            got.chunks_mut(piece).for_each(|bytes| names.change(bytes));
            for (sent, got) in sent.iter().zip(&got) {
                prop_assert!(sent == got || (*sent, *got) == (b'%', b'.'));
            }
        }
    }
}
