//! A map that forgets what was used longest ago.

use std::{collections::hash_map::RandomState, sync::Arc};

use hashbrown::HashTable;

use crate::credential_request::{CredentialRequest, KeyRef};

/// No node.
const NONE: u32 = u32::MAX;

/// Values by key, in order of use: looking up, touching and evicting take constant time.
pub(crate) struct Lru<V> {
    table: HashTable<u32>,
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    hasher: RandomState,
}

struct Node<V> {
    hash: u64,
    newer: u32,
    older: u32,
    /// `None` while the node is free.
    entry: Option<(Arc<CredentialRequest>, V)>,
}

impl<V> Lru<V> {
    pub(crate) fn new() -> Self {
        Self {
            table: HashTable::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Finds a value and counts it as used.
    pub(crate) fn get(&mut self, key: &KeyRef<'_>) -> Option<(&Arc<CredentialRequest>, &mut V)> {
        let index = self.find(key)?;
        self.unlink(index);
        self.link_newest(index);
        let (request, value) = self.nodes[index as usize].entry.as_mut()?;
        Some((request, value))
    }

    /// Finds a value, or makes one; either counts as used.
    pub(crate) fn get_or_insert(
        &mut self,
        request: &Arc<CredentialRequest>,
        make: impl FnOnce() -> V,
    ) -> Option<&mut V> {
        let key = KeyRef::of(request);
        if self.find(&key).is_none() {
            self.insert(Arc::clone(request), key.hash(&self.hasher), make());
        }
        self.get(&key).map(|(_, value)| value)
    }

    fn insert(&mut self, request: Arc<CredentialRequest>, hash: u64, value: V) {
        let node = Node { hash, newer: NONE, older: NONE, entry: Some((request, value)) };
        let index = if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            index
        } else {
            self.nodes.push(node);
            // The cache holds far fewer than 2^32 - 1 entries: its capacity is a u32.
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        let nodes = &self.nodes;
        self.table.insert_unique(hash, index, |&other| nodes[other as usize].hash);
        self.link_newest(index);
    }

    /// Takes out what was used longest ago and may go; looks at no more than `tries` entries.
    pub(crate) fn evict(&mut self, tries: usize, may_go: impl Fn(&V) -> bool) -> Option<V> {
        let mut index = self.oldest;
        for _ in 0..tries {
            let node = self.nodes.get(index as usize)?;
            if node.entry.as_ref().is_some_and(|(_, value)| may_go(value)) {
                return self.take(index);
            }
            index = node.newer;
        }
        None
    }

    /// Applies a function to every value.
    pub(crate) fn for_each(&mut self, mut change: impl FnMut(&CredentialRequest, &mut V)) {
        for (request, value) in self.nodes.iter_mut().filter_map(|node| node.entry.as_mut()) {
            change(request, value);
        }
    }

    fn find(&self, key: &KeyRef<'_>) -> Option<u32> {
        let hash = key.hash(&self.hasher);
        let same =
            |&index: &u32| self.nodes[index as usize].entry.as_ref().is_some_and(|(request, _)| key.is_for(request));
        self.table.find(hash, same).copied()
    }

    fn take(&mut self, index: u32) -> Option<V> {
        self.unlink(index);
        let node = &mut self.nodes[index as usize];
        let entry = node.entry.take();
        let hash = node.hash;
        if let Ok(occupied) = self.table.find_entry(hash, |&other| other == index) {
            occupied.remove();
        }
        self.free.push(index);
        entry.map(|(_, value)| value)
    }

    fn unlink(&mut self, index: u32) {
        let Node { newer, older, .. } = self.nodes[index as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, index: u32) {
        let previous = std::mem::replace(&mut self.newest, index);
        let node = &mut self.nodes[index as usize];
        node.newer = NONE;
        node.older = previous;
        match previous {
            NONE => self.oldest = index,
            previous => self.nodes[previous as usize].newer = index,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        credential::CredentialKind,
        credential_request::{ConsentOptions, Scopes},
    };

    fn request(provider: &str) -> Arc<CredentialRequest> {
        Arc::new(key(provider).to_request(ConsentOptions::default()).unwrap())
    }

    fn key(provider: &str) -> KeyRef<'_> {
        KeyRef {
            credential: CredentialKind::ApiKey,
            provider,
            user: None,
            scopes: Scopes::Text(&[]),
            particulars: crate::credential_request::Particulars::default(),
        }
    }

    proptest! {
        /// Against a plain list in order of use.
        #[test]
        fn behaves_like_a_list_in_order_of_use(steps in proptest::collection::vec((0..3_u8, 0..12_u8), 1..200)) {
            let mut lru = Lru::new();
            let mut model: VecDeque<(String, u8)> = VecDeque::new();
            for (step, which) in steps {
                let name = format!("provider-{which}");
                let at = model.iter().position(|(held, _)| *held == name);
                match step {
                    0 => {
                        let value = *lru.get_or_insert(&request(&name), || which).unwrap();
                        prop_assert_eq!(value, which);
                        let entry = at.and_then(|at| model.remove(at)).unwrap_or((name, which));
                        model.push_back(entry);
                    }
                    1 => {
                        prop_assert_eq!(lru.get(&key(&name)).map(|(_, value)| *value), at.map(|at| model[at].1));
                        if let Some(entry) = at.and_then(|at| model.remove(at)) {
                            model.push_back(entry);
                        }
                    }
                    _ => {
                        // Odd values may not go.
                        let gone = model.iter().position(|(_, value)| value % 2 == 0).and_then(|at| model.remove(at));
                        prop_assert_eq!(lru.evict(usize::MAX, |value| value % 2 == 0), gone.map(|(_, value)| value));
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
            }
        }
    }
}
