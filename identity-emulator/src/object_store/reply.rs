//! Answers and errors, as S3 words them.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::objects::{Listed, Object};
use super::request::{Listing, Range};
use crate::html::escaped;
use crate::random;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refused {
    Denied(&'static str),
    UnknownKey,
    WrongToken,
    ExpiredToken,
    Mismatch,
    Skewed,
    NoSuchBucket,
    NoSuchKey,
    BucketExists,
    BucketNotEmpty,
    Full,
    InvalidUri,
    InvalidArgument,
    InvalidRange,
    NotImplemented,
    Internal,
}

impl Refused {
    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        let (forbidden, bad) = (StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST);
        match self {
            Self::Denied(why) => (forbidden, "AccessDenied", why),
            Self::UnknownKey => (forbidden, "InvalidAccessKeyId", "The access key is not known here."),
            Self::WrongToken => (bad, "InvalidToken", "The security token is missing or not that of the access key."),
            Self::ExpiredToken => (bad, "ExpiredToken", "The security token has expired; assume the role again."),
            Self::Mismatch => (forbidden, "SignatureDoesNotMatch", "The signature does not match what was received."),
            Self::Skewed => {
                (forbidden, "RequestTimeTooSkewed", "The time of the request is more than 15 minutes from ours.")
            }
            Self::NoSuchBucket => (StatusCode::NOT_FOUND, "NoSuchBucket", "There is no such bucket."),
            Self::NoSuchKey => (StatusCode::NOT_FOUND, "NoSuchKey", "There is no such object."),
            Self::BucketExists => (StatusCode::CONFLICT, "BucketAlreadyOwnedByYou", "The bucket is there already."),
            Self::BucketNotEmpty => (StatusCode::CONFLICT, "BucketNotEmpty", "The bucket still holds objects."),
            Self::Full => (bad, "QuotaExceeded", "The emulator keeps no more; delete some first."),
            Self::InvalidUri => (bad, "InvalidURI", "The path must be a bucket's, or an object's in a bucket."),
            Self::InvalidArgument => (bad, "InvalidArgument", "max-keys must be a number."),
            Self::InvalidRange => (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The object has no such bytes."),
            Self::NotImplemented => {
                let message = "The emulator's store puts, gets, lists and deletes small objects, and nothing else.";
                (StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
            }
            Self::Internal => {
                let message = "The change was not stored; the emulator's log says why.";
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
            }
        }
    }

    pub(super) fn response(&self) -> Response {
        let (status, code, message) = self.words();
        let id = random::uuid();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message><RequestId>{id}</RequestId></Error>",
            escaped(message)
        );
        (status, [(CONTENT_TYPE, "application/xml"), (REQUEST_ID, id.as_str())], body).into_response()
    }
}

/// An answer without a body.
pub(super) fn answered(status: StatusCode) -> Response {
    (status, [(REQUEST_ID, random::uuid())]).into_response()
}

pub(super) fn stored(tag: &str) -> Response {
    (StatusCode::OK, [(ETAG, tag), (REQUEST_ID, random::uuid().as_str())]).into_response()
}

/// An object, or what is known about it.
pub(super) fn found(object: &Object, range: Option<Range>, with_content: bool) -> Result<Response, Refused> {
    let length = object.content.len();
    let part = range.map(|range| range.of(length).ok_or(Refused::InvalidRange)).transpose()?;
    let content = part.clone().map_or_else(|| object.content.clone(), |part| object.content.slice(part));
    let mut headers = HeaderMap::new();
    let changed = object.changed_at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let texts = [
        (CONTENT_TYPE, object.kind.as_str()),
        (ETAG, &object.tag),
        (LAST_MODIFIED, &changed),
        (ACCEPT_RANGES, "bytes"),
    ];
    for (name, text) in texts {
        headers.insert(name, HeaderValue::try_from(text).map_err(|_| Refused::Internal)?);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
    let status = if let Some(part) = part {
        let range = format!("bytes {}-{}/{length}", part.start(), part.end());
        headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(|_| Refused::Internal)?);
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let body = if with_content { Body::from(content) } else { Body::empty() };
    Ok((status, headers, body).into_response())
}

/// A part of a list, in the words of `ListObjectsV2`.
pub(super) fn listed(bucket: &str, listing: &Listing, part: &Listed) -> Response {
    let shown = |text: &str| {
        if listing.encoded { utf8_percent_encode(text, KEPT).to_string() } else { escaped(text) }
    };
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{}</Prefix>\
         <MaxKeys>{}</MaxKeys><KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>",
        shown(&listing.prefix),
        listing.most,
        part.objects.len() + part.prefixes.len(),
        part.next.is_some(),
    );
    if listing.encoded {
        body.push_str("<EncodingType>url</EncodingType>");
    }
    if let Some(next) = &part.next {
        // Writing to a String cannot fail, here and below.
        let _ = write!(body, "<NextContinuationToken>{}</NextContinuationToken>", escaped(next));
    }
    for (key, object) in &part.objects {
        let _ = write!(
            body,
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            shown(key),
            moment(object.changed_at),
            escaped(&object.tag),
            object.content.len(),
        );
    }
    for prefix in &part.prefixes {
        let _ = write!(body, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", shown(prefix));
    }
    body.push_str("</ListBucketResult>");
    (StatusCode::OK, [(CONTENT_TYPE, "application/xml"), (REQUEST_ID, random::uuid().as_str())], body).into_response()
}

fn moment(at: Timestamp) -> String {
    format!("{at:.3}")
}
