//! What is asked for. What is not emulated is refused, never passed over.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use http::Uri;
use http::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use percent_encoding::percent_decode_str;

use super::PATH;
use super::reply::Refused;
use crate::canonical::Received;

/// Headers that would change what a request means.
const NOT_EMULATED: [HeaderName; 6] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    HeaderName::from_static("x-amz-copy-source"),
    HeaderName::from_static("x-amz-server-side-encryption"),
];

/// A bucket, and the key of an object in it; empty for the bucket itself.
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Target {
    pub(super) fn read(uri: &Uri) -> Option<Self> {
        let rest = uri.path().strip_prefix(PATH)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(named) {
            return None;
        }
        let key = percent_decode_str(key).decode_utf8().ok().filter(|key| key.len() <= 1024)?;
        Some(Self { bucket: bucket.to_owned(), key: key.into_owned() })
    }

    /// As policies name it.
    pub(super) fn resource(&self) -> String {
        if self.key.is_empty() { self.bucket.clone() } else { format!("{}/{}", self.bucket, self.key) }
    }
}

/// Which part of a list.
pub(super) struct Listing {
    pub(super) prefix: String,
    pub(super) delimiter: String,
    /// Only what comes after this.
    pub(super) after: String,
    pub(super) most: usize,
    /// Whether keys are percent-encoded in the answer.
    pub(super) encoded: bool,
}

/// First and last byte, or how many from the end.
#[derive(Clone, Copy)]
pub(super) enum Range {
    From(usize, Option<usize>),
    Last(usize),
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        match (first, last) {
            ("", last) => last.parse().ok().map(Self::Last),
            (first, "") => first.parse().ok().map(|first| Self::From(first, None)),
            (first, last) => Some(Self::From(first.parse().ok()?, Some(last.parse().ok()?))),
        }
    }

    /// Which bytes of so many; `None` when there are none.
    pub(super) fn of(self, length: usize) -> Option<RangeInclusive<usize>> {
        let end = length.checked_sub(1)?;
        let (first, last) = match self {
            Self::From(first, last) => (first, last.unwrap_or(end).min(end)),
            Self::Last(0) => return None,
            Self::Last(count) => (length.saturating_sub(count), end),
        };
        (first <= last).then_some(first..=last)
    }
}

pub(super) enum Wanted {
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    List(Listing),
    Put { kind: String },
    Get { range: Option<Range> },
    Head,
    Delete,
}

impl Wanted {
    pub(super) fn read(received: Received<'_>, target: &Target) -> Result<Self, Refused> {
        if NOT_EMULATED.iter().any(|name| received.headers.contains_key(name)) {
            return Err(Refused::NotImplemented);
        }
        let query = url::form_urlencoded::parse(received.uri.query().unwrap_or_default().as_bytes());
        let mut query: BTreeMap<String, String> = query.into_owned().collect();
        // Of the signature, or a mere name for who is calling.
        query.retain(|name, _| !name.starts_with("X-Amz-") && name != "x-id");
        let of_bucket = target.key.is_empty();
        if received.method == "GET" && of_bucket {
            return listing(query).map(Self::List);
        }
        if !query.is_empty() {
            return Err(Refused::NotImplemented);
        }
        let header = |name: HeaderName| received.headers.get(name).and_then(|value| value.to_str().ok());
        match (received.method.as_str(), of_bucket) {
            ("PUT", true) => Ok(Self::CreateBucket),
            ("HEAD", true) => Ok(Self::HeadBucket),
            ("DELETE", true) => Ok(Self::DeleteBucket),
            ("PUT", false) => Ok(Self::Put { kind: header(CONTENT_TYPE).unwrap_or("binary/octet-stream").to_owned() }),
            ("GET", false) => {
                let range = header(RANGE).map(|text| Range::read(text).ok_or(Refused::NotImplemented)).transpose()?;
                Ok(Self::Get { range })
            }
            ("HEAD", false) => Ok(Self::Head),
            ("DELETE", false) => Ok(Self::Delete),
            _ => Err(Refused::NotImplemented),
        }
    }

    /// As policies name it.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::CreateBucket => "oss:PutBucket",
            Self::HeadBucket => "oss:GetBucketInfo",
            Self::DeleteBucket => "oss:DeleteBucket",
            Self::List(_) => "oss:ListObjects",
            Self::Put { .. } => "oss:PutObject",
            Self::Get { .. } | Self::Head => "oss:GetObject",
            Self::Delete => "oss:DeleteObject",
        }
    }
}

fn listing(mut query: BTreeMap<String, String>) -> Result<Listing, Refused> {
    let mut take = |name: &str| query.remove(name).unwrap_or_default();
    if take("list-type") != "2" {
        return Err(Refused::NotImplemented);
    }
    let (start, token) = (take("start-after"), take("continuation-token"));
    let most = take("max-keys");
    let most = if most.is_empty() { 1000 } else { most.parse().map_err(|_| Refused::InvalidArgument)? };
    let encoded = take("encoding-type") == "url";
    take("fetch-owner");
    let (prefix, delimiter) = (take("prefix"), take("delimiter"));
    if !query.is_empty() {
        return Err(Refused::NotImplemented);
    }
    let after = if token.is_empty() { start } else { token };
    Ok(Listing { prefix, delimiter, after, most: most.min(1000), encoded })
}
