//! What is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::reply::Refused;
use super::request::Listing;
use crate::canonical::sha256;

pub(super) const BUCKETS: usize = 100;
/// Objects in all, and bytes in all.
const MOST: (usize, usize) = (10_000, 64 * 1024 * 1024);

#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Bytes,
    pub(super) kind: String,
    pub(super) tag: String,
    pub(super) changed_at: Timestamp,
}

impl Object {
    pub(super) fn new(content: Bytes, kind: String, now: Timestamp) -> Self {
        let tag = format!("\"{}\"", sha256(&content).get(..32).unwrap_or_default());
        Self { content, kind, tag, changed_at: now }
    }
}

/// One part of a list.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) objects: Vec<(String, Arc<Object>)>,
    pub(super) prefixes: BTreeSet<String>,
    /// The last key or prefix of this part, if there are more.
    pub(super) next: Option<String>,
}

/// By bucket and key.
#[derive(Default)]
pub(crate) struct Objects(Mutex<BTreeMap<(String, String), Arc<Object>>>);

impl Objects {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Object>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), Refused> {
        let (mut all, place) = (self.all(), (bucket.to_owned(), key.to_owned()));
        let rest = all.iter().filter(|(known, _)| **known != place);
        let (count, bytes) =
            rest.fold((1, object.content.len()), |(count, bytes), (_, kept)| (count + 1, bytes + kept.content.len()));
        if count > MOST.0 || bytes > MOST.1 {
            return Err(Refused::Full);
        }
        all.insert(place, Arc::new(object));
        Ok(())
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Arc<Object>, Refused> {
        self.all().get(&(bucket.to_owned(), key.to_owned())).cloned().ok_or(Refused::NoSuchKey)
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) {
        self.all().remove(&(bucket.to_owned(), key.to_owned()));
    }

    /// How many objects and bytes a bucket holds.
    pub(crate) fn size(&self, bucket: &str) -> (usize, usize) {
        let all = self.all();
        let held = all.iter().filter(|((known, _), _)| known == bucket);
        held.fold((0, 0), |(count, bytes), (_, object)| (count + 1, bytes + object.content.len()))
    }

    pub(super) fn list(&self, bucket: &str, listing: &Listing) -> Listed {
        let mut listed = Listed::default();
        let mut last = String::new();
        let all = self.all();
        for ((_, key), object) in all.iter().filter(|((known, _), _)| known == bucket) {
            let Some(rest) = key.strip_prefix(&listing.prefix) else { continue };
            let folded = (!listing.delimiter.is_empty())
                .then(|| rest.find(&listing.delimiter))
                .flatten()
                .and_then(|at| key.get(..listing.prefix.len() + at + listing.delimiter.len()));
            let entry = folded.unwrap_or(key);
            if entry <= listing.after.as_str() || listed.prefixes.contains(entry) {
                continue;
            }
            if listed.objects.len() + listed.prefixes.len() >= listing.most {
                listed.next = Some(last);
                break;
            }
            entry.clone_into(&mut last);
            if folded.is_some() {
                listed.prefixes.insert(entry.to_owned());
            } else {
                listed.objects.push((key.clone(), Arc::clone(object)));
            }
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(prefix: &str, delimiter: &str, after: &str, most: usize) -> Listing {
        let [prefix, delimiter, after] = [prefix, delimiter, after].map(str::to_owned);
        Listing { prefix, delimiter, after, most, encoded: false }
    }

    #[test]
    fn a_list_folds_what_lies_deeper_and_goes_on_where_it_stopped() {
        let objects = Objects::default();
        for key in ["a", "d/1", "d/2", "e", "z/9"] {
            let object = Object::new(Bytes::from_static(b"x"), String::new(), Timestamp::UNIX_EPOCH);
            objects.put("bucket", key, object).ok().unwrap();
        }
        let names = |listed: &Listed| listed.objects.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let whole = objects.list("bucket", &listing("", "/", "", 100));
        assert_eq!((names(&whole), whole.prefixes.len(), whole.next), (vec!["a".into(), "e".into()], 2, None));
        let first = objects.list("bucket", &listing("", "/", "", 2));
        assert_eq!(first.next.as_deref(), Some("d/"));
        let second = objects.list("bucket", &listing("", "/", "d/", 2));
        assert_eq!((names(&second), second.prefixes.len(), second.next), (vec!["e".into()], 1, None));
        assert_eq!(names(&objects.list("bucket", &listing("d/", "", "", 100))), ["d/1", "d/2"]);
        assert!(names(&objects.list("other", &listing("", "", "", 100))).is_empty());
    }
}
