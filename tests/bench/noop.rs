//! The benchmark's yardstick: the HTTP stack that Firebell stands on, doing nothing.
//!
//! Reads each request's whole body and answers 202 with a small fixed JSON body. Runtime, allocator, timers and
//! socket options are those of the product's server, so that what Firebell adds is all that a ratio shows.
//!
//! `noop [ADDR]` listens on ADDR, or on a free loopback port, and prints it on standard error.

use std::{convert::Infallible, error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// About as long as the head of a webhook's answer; its content says nothing.
const BODY: &[u8] = br#"{"success":true,"data":{"outcome":"ignored","warnings":[]}}"#;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);

    let mut http = http1::Builder::new();
    // Without a timer hyper ignores the header timeout.
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    http.max_buf_size(64 * 1024).half_close(true);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let read = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(BODY)));
    *response.status_mut() = if read.is_ok() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
