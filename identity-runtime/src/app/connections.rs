//! The connections of a served app: how many there are, and how long one may keep its place without a request.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use futures_util::future::{Either, select};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use super::taken::Taken;

/// What `axum::serve` has no settings for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) header_timeout: Duration,
    pub(super) connections: usize,
}

/// Serves HTTP/1.1 until it is to stop, and then until what is under way has ended.
pub(super) async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    // Were HTTP/2 looked for, that would wait for the first bytes for ever.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    // It runs from the beginning of a connection and from the end of each answer.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            // The trait's method goes on after an error, the listener's own does not.
            let (stream, _) = Listener::accept(&mut listener).await;
            (place, stream)
        };
        let (place, stream) = match select(stop.as_mut(), pin!(next)).await {
            Either::Left(_) => break,
            Either::Right((next, _)) => next,
        };
        // Events are small and must not wait for one another.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let stream = TokioIo::new(Taken::within(limits.header_timeout, stream));
        let connection = builder.serve_connection(stream, service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Whatever ends it, there is nobody left to be told.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
