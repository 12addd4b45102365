//! A small object store: enough of S3, which Alibaba Cloud OSS speaks, too, for what agents do with the temporary credentials of their
//! role. Objects live in memory and are small; whoever has no temporary credentials of the emulator gets nothing.

mod objects;
mod policy;
mod reply;
mod request;
mod signature;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

use self::objects::Object;
pub(crate) use self::objects::Objects;
pub(crate) use self::policy::Policy;
use self::reply::{Refused, answered, found, listed};
use self::request::{Target, Wanted};
use crate::agent_identity::{ACCOUNT, REGION};
use crate::canonical::Received;
use crate::core::Core;
use crate::vault::VaultError;

/// Below this the store is; bucket and key follow.
pub(crate) const PATH: &str = "/object-store/";

pub(crate) fn router(core: &Arc<Core>) -> Router {
    Router::new().route("/object-store/{*rest}", any(serve)).with_state(Arc::clone(core))
}

/// The operation by its name in counters and faults.
pub(crate) fn operation(method: &Method, uri: &Uri) -> &'static str {
    Target::read(uri).map_or("unknown", |target| match (method.as_str(), target.key.is_empty()) {
        ("PUT", true) => "object_store_create_bucket",
        ("DELETE", true) => "object_store_delete_bucket",
        ("GET", true) => "object_store_list",
        ("HEAD", true) => "object_store_head_bucket",
        ("PUT", false) => "object_store_put",
        ("GET", false) => "object_store_get",
        ("HEAD", false) => "object_store_head",
        ("DELETE", false) => "object_store_delete",
        _ => "unknown",
    })
}

async fn serve(State(core): State<Arc<Core>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let received = Received { method: &method, uri: &uri, headers: &headers, body: &body };
    match answer(&core, received, body.clone()).await {
        Ok(response) => response,
        Err(refused) => refused.response(),
    }
}

async fn answer(core: &Core, received: Received<'_>, body: Bytes) -> Result<Response, Refused> {
    let now = core.clock.now();
    // Who it is comes first: strangers are not told what there is.
    let session = signature::verify(&core.agent_identity.access, received, now)?;
    let target = Target::read(received.uri).ok_or(Refused::InvalidUri)?;
    let wanted = Wanted::read(received, &target)?;
    if let Some(policy) = &session.policy {
        let resource = format!("acs:oss:{REGION}:{ACCOUNT}:{}", target.resource());
        if !policy.allows(wanted.action(), &resource) {
            return Err(Refused::Denied("The session policy does not allow this."));
        }
    }
    if let Wanted::CreateBucket = wanted {
        return create_bucket(core, target.bucket).await;
    }
    if !core.vault.read().vaulted.buckets.contains(&target.bucket) {
        return Err(Refused::NoSuchBucket);
    }
    let objects = &core.agent_identity.objects;
    match wanted {
        Wanted::CreateBucket | Wanted::HeadBucket => Ok(answered(StatusCode::OK)),
        Wanted::DeleteBucket => delete_bucket(core, target.bucket).await,
        Wanted::List(listing) => Ok(listed(&target.bucket, &listing, &objects.list(&target.bucket, &listing))),
        Wanted::Put { kind } => {
            let object = Object::new(body, kind, now);
            let tag = object.tag.clone();
            objects.put(&target.bucket, &target.key, object)?;
            Ok(reply::stored(&tag))
        }
        Wanted::Get { range } => found(&*objects.get(&target.bucket, &target.key)?, range, true),
        Wanted::Head => found(&*objects.get(&target.bucket, &target.key)?, None, false),
        Wanted::Delete => {
            objects.delete(&target.bucket, &target.key);
            Ok(answered(StatusCode::NO_CONTENT))
        }
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a change was not stored");
        Self::Internal
    }
}

async fn create_bucket(core: &Core, bucket: String) -> Result<Response, Refused> {
    let change = core.vault.change(move |state| {
        let buckets = &mut state.vaulted.buckets;
        if buckets.contains(&bucket) {
            return Err(Refused::BucketExists);
        }
        if buckets.len() >= objects::BUCKETS {
            return Err(Refused::Full);
        }
        buckets.insert(bucket);
        Ok(answered(StatusCode::OK))
    });
    change.await
}

/// Only an empty one.
async fn delete_bucket(core: &Core, bucket: String) -> Result<Response, Refused> {
    if core.agent_identity.objects.size(&bucket).0 > 0 {
        return Err(Refused::BucketNotEmpty);
    }
    let change = core.vault.change(move |state| {
        state.vaulted.buckets.remove(&bucket);
        Ok::<_, Refused>(answered(StatusCode::NO_CONTENT))
    });
    change.await
}
