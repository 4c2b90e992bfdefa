//! HTTP on a socket: connections, deadlines, body limits, request ids, one completion line. Only this module names
//! hyper's server and body types.

mod body;
mod log;
mod outgoing;
mod request_id;
mod socket;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::config::Limits;
use crate::error::{Error, Kind};
use crate::handler::Handler;
use crate::reply::{self, Reply, Said};
use crate::route::Dialect;
use log::{Completion, RequestLog};
use outgoing::Outgoing;
use request_id::RequestIds;
use socket::Socket;

/// Bytes of a request's head, and of what is read ahead of a body, per connection.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long a connection without a request may still bring one while the server drains: a sender that is just sending
/// gets an answer, not a reset.
const DRAIN: Duration = Duration::from_millis(300);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How far the server is on its way out. Connections watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It serves.
    Serving,
    /// It takes no more connections; each that it has gets its next answer and is then closed.
    Draining,
    /// Connections on which nothing is under way are closed too.
    Closing,
}

/// Serves until `stop` is ready, then until every connection is closed or `shutdown_timeout` is over.
pub async fn serve(listener: TcpListener, handler: Arc<Handler>, stop: impl Future<Output = ()>) {
    // A reload cannot change the limits of sockets that are open, so it changes none.
    let limits = handler.live().config.limits.clone();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let (phase, watched) = watch::channel(Phase::Serving);
    let server = Arc::new(Server { handler, limits, ids: RequestIds::new(), log: RequestLog::default() });
    let mut stop = pin!(stop);
    let mut is_stuck = false;
    loop {
        // The permit comes first: a connection that cannot be served waits in the kernel, and costs nothing here.
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            () = &mut stop => break,
            (accepted, permit) = accepted => match accepted {
                Ok((stream, _)) => {
                    is_stuck = false;
                    let connection = Arc::clone(&server).serve_connection(stream, watched.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, most likely: serving those that are connected frees some.
                Err(error) => {
                    if !std::mem::replace(&mut is_stuck, true) {
                        tracing::error!(%error, "cannot accept connections; trying every 100 ms until it works");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    phase.send_replace(Phase::Draining);
    server.handler.end_streams();
    let everyone = u32::try_from(server.limits.connections).unwrap_or(u32::MAX);
    let closed = async {
        if tokio::time::timeout(DRAIN, permits.acquire_many(everyone)).await.is_err() {
            phase.send_replace(Phase::Closing);
            permits.acquire_many(everyone).await.ok();
        }
    };
    if tokio::time::timeout(server.limits.shutdown_timeout, closed).await.is_err() {
        let open = server.limits.connections - permits.available_permits();
        tracing::warn!(open, "`[limits] shutdown_timeout` is over; connections are cut");
    }
}

struct Server {
    handler: Arc<Handler>,
    limits: Limits,
    ids: RequestIds,
    log: RequestLog,
}

impl Server {
    async fn serve_connection(self: Arc<Self>, stream: TcpStream, mut phase: watch::Receiver<Phase>) {
        // Answers are small and whole: waiting to fill a packet would only delay them.
        stream.set_nodelay(true).ok();
        let phase_now = phase.clone();
        let Limits { header_timeout, write_timeout, .. } = self.limits;
        let stream = Arc::new(stream);
        let socket = Socket::new(Arc::clone(&stream), write_timeout);
        let (is_streaming, streaming) = watch::channel(false);
        let is_streaming = Arc::new(is_streaming);
        let service = service_fn(move |request| {
            let (server, is_streaming) = (Arc::clone(&self), Arc::clone(&is_streaming));
            let last = *phase_now.borrow() > Phase::Serving;
            // A stream that was before this request is over.
            set(&is_streaming, false);
            async move {
                let response = server.answer(request, last).await;
                set(&is_streaming, response.body().is_endless());
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            // Without a timer hyper ignores the header timeout.
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(BUFFER_BYTES)
            // A client that has sent all it wants to may say so and still read the answer.
            .half_close(true)
            .serve_connection(TokioIo::new(socket), service);
        let mut connection = pin!(connection);
        let closing = async {
            // An error means that the server is gone, which is as good a reason.
            phase.wait_for(|phase| *phase == Phase::Closing).await.ok();
        };
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = watcher_gone(streaming.clone(), &stream) => Ok(()),
            () = closing => {
                connection.as_mut().graceful_shutdown();
                // Its end has been sent; a client that does not read it is not waited for.
                if *streaming.borrow() {
                    tokio::time::timeout(DRAIN, connection).await.unwrap_or(Ok(()))
                } else {
                    connection.await
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// Answers one request, whatever happens. `last`: the connection is closed after it.
    async fn answer(&self, request: Request<Incoming>, last: bool) -> Response<Outgoing> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let request_id = self.ids.of(&head.headers);
        let mut completion =
            Completion::new(&self.log, &self.handler.metrics().requests, request_id, started);
        let handled = {
            let handling = pin!(self.handle(&head, body, &mut completion));
            catch_panic(handling).await
        };
        let result =
            handled.unwrap_or_else(|| Err(Error::internal("a panic; it was logged where it happened")));
        let now_ms = self.handler.now_ms();
        let (reply, error) = match result {
            Ok(Said::Answer(answer)) => (reply::success(&answer, &completion.request_id, now_ms), None),
            Ok(Said::Stream(stream)) => (reply::stream(stream), None),
            Ok(Said::Page(page)) => (reply::page(page), None),
            Err(error) => {
                let reply = match self.handler.refusal_page(&head, &error, &completion.request_id) {
                    Some(page) => reply::page(page),
                    None => {
                        reply::failure(&error, Dialect::of(head.uri.path()), &completion.request_id, now_ms)
                    }
                };
                (reply, Some(error))
            }
        };
        let answered = (reply.status, error.as_ref());
        self.handler.note(&head, &mut completion.seen, &completion.request_id, answered, now_ms);
        completion.done(&head, reply.status, error.as_ref(), now_ms);
        respond(reply, &completion.request_id, last || completion.body_left)
    }

    async fn handle(
        &self,
        head: &Parts,
        mut incoming: Incoming,
        completion: &mut Completion<'_>,
    ) -> Result<Said, Error> {
        let mut admitted = match self.handler.admit(head, &mut completion.seen) {
            Ok(admitted) => admitted,
            Err(error) => {
                completion.body_left =
                    !body::discard(head, &mut incoming, &mut completion.seen.read_bytes).await;
                return Err(error);
            }
        };
        let body = match admitted.body_limit {
            None => Ok(Bytes::new()),
            Some(limit_bytes) => {
                let read_bytes = &mut completion.seen.read_bytes;
                let timeout = self.limits.body_timeout;
                if admitted.cuts_body() {
                    let read = body::read_beginning(&mut incoming, limit_bytes, timeout, read_bytes).await;
                    read.map(|(beginning, ended)| {
                        completion.body_left = !ended;
                        beginning
                    })
                } else {
                    body::read(&mut incoming, limit_bytes, timeout, read_bytes).await
                }
            }
        };
        match body {
            Ok(body) => {
                self.handler.identify(&mut admitted, head, &body, &mut completion.seen)?;
                self.handler.run(&admitted, head, &body, &mut completion.seen).await
            }
            Err(error) => {
                // What is too large is on its way; what is late or broken off would only be waited for in vain.
                let on_its_way = error.kind == Kind::PayloadTooLarge;
                completion.body_left = !(on_its_way
                    && body::discard(head, &mut incoming, &mut completion.seen.read_bytes).await);
                Err(error)
            }
        }
    }
}

fn set(state: &watch::Sender<bool>, now: bool) {
    state.send_if_modified(|state| std::mem::replace(state, now) != now);
}

/// Resolves once who watches by a stream says that it sends no more: it watches no more, and its place is free at once.
async fn watcher_gone(mut streaming: watch::Receiver<bool>, stream: &TcpStream) {
    // An error means that there will be no stream.
    while streaming.wait_for(|streaming| *streaming).await.is_ok() {
        tokio::select! {
            () = socket::hung_up(stream) => if *streaming.borrow() { return },
            _ = streaming.changed() => {}
        }
    }
    std::future::pending().await
}

fn respond(reply: Reply, request_id: &str, last: bool) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.extend(reply.headers);
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, request_id);
    }
    if last {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Runs `future` to its end, or to its panic (`None`): a bug in one request costs that request only. It is borrowed: as
/// an argument by value it would have its room twice, in each request that is under way.
async fn catch_panic<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_future_and_nothing_else() {
        assert_eq!(catch_panic(pin!(async { 1 })).await, Some(1));
        assert_eq!(catch_panic(pin!(async { panic!("a bug") as i32 })).await, None);
    }
}
