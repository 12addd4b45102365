//! rmcp's streamable HTTP with a token that is valid at each request.

use std::{collections::HashMap, io, sync::Arc};

use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use identity_client::{AccessToken, Error, TokenSource};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use sse_stream::Sse;

type Headers = HashMap<HeaderName, HeaderValue>;
type Outcome<T, C> = Result<T, StreamableHttpError<<C as StreamableHttpClient>::Error>>;

/// An HTTP client of rmcp whose requests carry a token of a [`TokenSource`].
///
/// rmcp takes a token once, for the whole transport; a session outlives it. So the source is asked for each request, which is a
/// look into memory until the token ages. A server that refuses a token (401) makes the source forget it, and the request is sent
/// once more with another one; it cannot have been carried out. A failure of the source reaches rmcp's caller as an I/O error
/// whose source is the [`Error`].
#[derive(Debug, Clone)]
pub(crate) struct FreshBearer<C> {
    http: C,
    tokens: TokenSource,
}

impl<C: StreamableHttpClient + Sync> FreshBearer<C> {
    /// `http` must not follow redirects: a token is for one place.
    pub(crate) fn new(http: C, tokens: TokenSource) -> Self {
        Self { http, tokens }
    }

    async fn send<T, F>(&self, uri: &str, headers: Headers, request: impl Fn(Headers) -> F) -> Outcome<T, C>
    where
        F: Future<Output = Outcome<T, C>>,
    {
        let token = self.tokens.token().await.map_err(io::Error::other)?;
        let answer = request(with_bearer(&token, uri, headers.clone())?).await;
        let Err(StreamableHttpError::AuthRequired(_)) = answer else { return told(answer, &token) };
        // Making the error is what tells the client. A newer token, which another request may have fetched, stays.
        drop(Error::credential_rejected(&token));
        let token = self.tokens.token().await.map_err(io::Error::other)?;
        told(request(with_bearer(&token, uri, headers)?).await, &token)
    }
}

/// Tells the client what an answer says about the token.
fn told<T, E>(answer: Result<T, StreamableHttpError<E>>, token: &AccessToken) -> Result<T, StreamableHttpError<E>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match answer {
        Err(StreamableHttpError::AuthRequired(_)) => Err(io::Error::other(Error::credential_rejected(token)).into()),
        Err(StreamableHttpError::InsufficientScope(challenge)) => {
            let scope = challenge.get_required_scope().unwrap_or_default();
            Err(io::Error::other(Error::insufficient_scope(token, scope)).into())
        }
        answer => answer,
    }
}

/// By way of a request to the same place, so that `apply` refuses plain http to another machine and marks the header sensitive.
fn with_bearer(token: &AccessToken, uri: &str, mut headers: Headers) -> io::Result<Headers> {
    let mut request = http::Request::builder().uri(uri).body(()).map_err(io::Error::other)?;
    token.apply(&mut request).map_err(io::Error::other)?;
    headers.extend(request.headers_mut().remove(AUTHORIZATION).map(|value| (AUTHORIZATION, value)));
    Ok(headers)
}

/// The same with rmcp's own idea of a token left out: there is one `Authorization`, that of the source.
impl<C: StreamableHttpClient + Sync> StreamableHttpClient for FreshBearer<C> {
    type Error = C::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _token: Option<String>,
        headers: Headers,
    ) -> Outcome<StreamableHttpPostResponse, C> {
        let post = |headers| self.http.post_message(uri.clone(), message.clone(), session.clone(), None, headers);
        self.send(&uri, headers, post).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _token: Option<String>,
        headers: Headers,
        limit: usize,
    ) -> Outcome<StreamableHttpPostResponse, C> {
        let post = |headers| {
            let (uri, message, session) = (uri.clone(), message.clone(), session.clone());
            self.http.post_message_with_max_sse_event_size(uri, message, session, None, headers, limit)
        };
        self.send(&uri, headers, post).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _token: Option<String>,
        headers: Headers,
    ) -> Outcome<(), C> {
        let delete = |headers| self.http.delete_session(uri.clone(), session.clone(), None, headers);
        self.send(&uri, headers, delete).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _token: Option<String>,
        headers: Headers,
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>, C> {
        let get = |headers| self.http.get_stream(uri.clone(), session.clone(), last_event.clone(), None, headers);
        self.send(&uri, headers, get).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _token: Option<String>,
        headers: Headers,
        limit: usize,
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>, C> {
        let get = |headers| {
            let (uri, session, last_event) = (uri.clone(), session.clone(), last_event.clone());
            self.http.get_stream_with_max_sse_event_size(uri, session, last_event, None, headers, limit)
        };
        self.send(&uri, headers, get).await
    }
}
