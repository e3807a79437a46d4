//! What travels between the processes: postcard's encoding, with a bound on its size.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value cannot travel.
#[derive(Debug)]
pub(crate) enum EncodeError {
    TooLarge,
    Codec(String),
}

/// Appends an encoded value, of at most `limit` bytes, to `start`. Stops at the limit, so that no
/// more memory is used than that.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    start: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, EncodeError> {
    let end = start.len().saturating_add(limit);
    let bounded = Bounded { bytes: start, end };
    postcard::serialize_with_flavor(value, bounded).map_err(|error| match error {
        postcard::Error::SerializeBufferFull => EncodeError::TooLarge,
        other => EncodeError::Codec(other.to_string()),
    })
}

/// The value, which must be all that there is in `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match decode_first(bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(format!("{} bytes too many", rest.len())),
    }
}

/// The value that `bytes` begin with, and what follows it.
pub(crate) fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), String> {
    postcard::take_from_bytes(bytes).map_err(|error| error.to_string())
}

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    /// How many there may be.
    end: usize,
}

impl Flavor for Bounded {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, more: &[u8]) -> postcard::Result<()> {
        if more.len() > self.end.saturating_sub(self.bytes.len()) {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_comes_back_and_nothing_may_follow_it() {
        let start = vec![9];
        let bytes = encode(&("text", 7_u32), start, 100).unwrap();
        assert_eq!(bytes[0], 9);
        assert_eq!(decode::<(String, u32)>(&bytes[1..]), Ok(("text".to_owned(), 7)));
        assert_eq!(decode_first::<String>(&bytes[1..]), Ok(("text".to_owned(), &[7][..])));
        assert!(decode::<String>(&bytes[1..]).unwrap_err().contains("1 bytes too many"));
        assert!(decode::<(String, u32, String)>(&bytes[1..]).is_err());
    }

    #[test]
    fn limit_counts_the_value_alone() {
        assert_eq!(encode(&[1_u8; 10], vec![0; 50], 10).unwrap().len(), 60);
        assert!(matches!(encode(&[1_u8; 11], vec![0; 50], 10), Err(EncodeError::TooLarge)));
        assert!(matches!(encode(&"four", Vec::new(), 4), Err(EncodeError::TooLarge)));
        assert!(encode(&"four", Vec::new(), usize::MAX).is_ok());
    }
}
