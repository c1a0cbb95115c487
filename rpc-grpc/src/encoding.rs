//! How headers carry what is not printable ASCII: base64 and percent-encoding.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

/// Written without padding, and read with it or without, as the specification asks.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads base64.
pub(crate) fn decode_binary(encoded: &[u8]) -> Option<Bytes> {
    BASE64.decode(encoded).ok().map(Bytes::from)
}

/// Writes base64.
pub(crate) fn encode_binary(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Undoes percent-encoding. What is not encoded properly stands for itself, as the specification asks: a message is
/// never thrown away.
pub(crate) fn percent_decoded(encoded: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, behind @ ..] = rest {
        let byte = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| String::from_utf8_lossy(encoded).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(decode_binary(b"AP8=").unwrap()[..], [0, 255]);
        assert_eq!(decode_binary(b"AP8").unwrap()[..], [0, 255]);
        assert_eq!(decode_binary(b"A"), None);
        assert_eq!(encode_binary(&[0, 255]), "AP8");
    }
}
