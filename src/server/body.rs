//! Reading a request's body: whole, within its limit and its time, or not at all; of some only the beginning.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use crate::error::{Details, Error, Kind};

/// Bytes of a body that are read to their end, though nobody wants them: most clients send all of a request before they look at the
/// answer, and would see a reset instead of it.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// How long that may take.
const DISCARD: Duration = Duration::from_secs(2);

/// Reads a body, and counts its bytes into `read_bytes` as they come.
///
/// # Errors
/// `payload_too_large`, as soon as that is known; `request_timeout`; `invalid_json` for a body that ends early.
pub async fn read(
    body: &mut Incoming,
    limit_bytes: usize,
    timeout: Duration,
    read_bytes: &mut usize,
) -> Result<Bytes, Error> {
    let too_large = || {
        let message = format!("the body is larger than the limit of {limit_bytes} bytes");
        Error::new(Kind::PayloadTooLarge, message).with(Details::Limit(limit_bytes))
    };
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(too_large());
    }
    let counted = body.map_frame(|frame| {
        *read_bytes += frame.data_ref().map_or(0, Bytes::len);
        frame
    });
    match tokio::time::timeout(timeout, Limited::new(counted, limit_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(broken_off(error)),
        Err(_) => Err(late(timeout)),
    }
}

/// Reads a body of which only the beginning is kept, and counts its bytes into `read_bytes` as they come. What is behind
/// it is thrown away, within bounds. Whether the end was reached: otherwise the connection cannot be used again.
///
/// # Errors
/// `request_timeout`; `invalid_json` for a body that ends early. Neither once the beginning is there.
pub async fn read_beginning(
    body: &mut Incoming,
    limit_bytes: usize,
    timeout: Duration,
    read_bytes: &mut usize,
) -> Result<(Bytes, bool), Error> {
    let mut beginning = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            *read_bytes += data.len();
            let room = limit_bytes - beginning.len();
            beginning.extend_from_slice(data.get(..room).unwrap_or(&data));
            if *read_bytes > limit_bytes + DISCARD_BYTES {
                return Ok(false);
            }
        }
        Ok::<_, hyper::Error>(true)
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(Ok(ended)) => Ok((beginning.freeze(), ended)),
        _ if beginning.len() == limit_bytes => Ok((beginning.freeze(), false)),
        Ok(Err(error)) => Err(broken_off(error)),
        Err(_) => Err(late(timeout)),
    }
}

fn broken_off(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::InvalidJson, "the body ended before it was complete").caused_by(error)
}

fn late(timeout: Duration) -> Error {
    let message = format!("the body did not arrive within {} s", timeout.as_secs_f64());
    Error::new(Kind::RequestTimeout, message)
}

/// Reads what is left of a refused body and throws it away, within bounds; its bytes count into `read_bytes`. Whether
/// its end was reached: otherwise the connection cannot be used again.
pub async fn discard(head: &Parts, body: &mut Incoming, read_bytes: &mut usize) -> bool {
    // A client that waits for "100 Continue" has not sent anything, and need not.
    if body.is_end_stream() || head.headers.contains_key(EXPECT) {
        return body.is_end_stream();
    }
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            bytes += length;
            *read_bytes += length;
            if bytes > DISCARD_BYTES {
                return false;
            }
        }
        body.is_end_stream()
    };
    tokio::time::timeout(DISCARD, rest).await.unwrap_or(false)
}
