//! Bytes as hexadecimal digits.

/// Two lower-case digits for each byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that digits of either case stand for. `None`: it is something else.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Vec<u32> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_for_bytes_and_nothing_else_does() {
        assert_eq!(encode(&[0, 10, 255]), "000aff");
        assert_eq!(decode("000AFf"), Some(vec![0, 10, 255]));
        assert_eq!((decode(""), decode("0"), decode("0g")), (Some(vec![]), None, None));
    }
}
