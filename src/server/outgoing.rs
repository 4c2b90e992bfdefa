//! Answering: a body that is there, or one that is still being made.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

use crate::reply::{self, Chunk};

/// The body of an answer.
pub enum Outgoing {
    /// All of it.
    Whole(Full<Bytes>),
    /// What has been made of it so far. Whoever makes it waits while the client does not read.
    Made {
        /// The way of its chunks.
        chunks: Receiver<Chunk>,
        /// It has no end of its own.
        endless: bool,
    },
}

impl Outgoing {
    /// Whether it goes on until somebody ends it.
    pub fn is_endless(&self) -> bool {
        matches!(self, Self::Made { endless: true, .. })
    }
}

impl From<reply::Body> for Outgoing {
    fn from(body: reply::Body) -> Self {
        match body {
            reply::Body::Whole(bytes) => Self::Whole(Full::new(bytes)),
            reply::Body::Made { chunks, endless } => Self::Made { chunks, endless },
        }
    }
}

/// Whoever made the body stopped before its end. The connection is broken off, so that the client does not take what it
/// has for all.
#[derive(Debug)]
pub struct Unfinished;

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body was not finished")
    }
}

impl std::error::Error for Unfinished {}

impl From<Infallible> for Unfinished {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                Pin::new(body).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Made { chunks, .. } => Poll::Ready(match ready!(chunks.poll_recv(context)) {
                Some(Chunk::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Chunk::End) => None,
                None => Some(Err(Unfinished)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Made { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Made { .. } => SizeHint::default(),
        }
    }
}
