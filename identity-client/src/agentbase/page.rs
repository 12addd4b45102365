//! Lists, a page at a time.

use std::fmt;

use futures_util::{Stream, TryStreamExt as _, stream};
use http::Method;
use serde::{Deserialize, de::DeserializeOwned};

use super::call::{Call, Caller};
use crate::error::Error;

/// Far more than any organisation has; a list that does not end by then never ends.
const MAX_PAGES: u32 = 10_000;

/// Which page of a list, and in which order. What is not set is the platform's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOptions {
    /// Which page; the first is 0.
    pub page: Option<u32>,
    /// How many items a page.
    pub size: Option<u32>,
    /// The field to sort by, as it is called in the answers.
    pub sort_by: Option<String>,
    /// In which direction.
    pub sort_direction: Option<SortDirection>,
}

/// The direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SortDirection {
    /// `ASC`
    Ascending,
    /// `DESC`
    Descending,
}

impl ListOptions {
    /// The platform's choice in everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which page; the first is 0.
    #[must_use]
    pub fn with_page(mut self, page: u32) -> Self {
        self.page = Some(page);
        self
    }

    /// How many items a page, at least 1. The platform's limit is documented nowhere.
    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }

    /// The order, by a field as it is called in the answers, for example `name` or `createdAt`.
    #[must_use]
    pub fn with_sort(mut self, field: impl Into<String>, direction: SortDirection) -> Self {
        self.sort_by = Some(field.into());
        self.sort_direction = Some(direction);
        self
    }

    fn query(&self) -> Result<Vec<(&'static str, String)>, Error> {
        if self.size == Some(0) {
            return Err(Error::invalid("a page has at least one item"));
        }
        let named = |field: &String| field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
        if self.sort_by.as_ref().is_some_and(|field| field.is_empty() || field.len() > 64 || !named(field)) {
            return Err(Error::invalid(
                "the field to sort by is not a field name: 1 to 64 ASCII letters, digits, `_` and `.`",
            ));
        }
        let direction = self.sort_direction.map(|direction| match direction {
            SortDirection::Ascending => "ASC".to_owned(),
            SortDirection::Descending => "DESC".to_owned(),
        });
        let parts = [
            ("page", self.page.map(|page| page.to_string())),
            ("size", self.size.map(|size| size.to_string())),
            ("sortBy", self.sort_by.clone()),
            ("sortDirection", direction),
        ];
        Ok(parts.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect())
    }
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Which page it is; the first is 0.
    pub page: u32,
    /// Whether there is another one after it. If the platform gives nothing to tell by: whether this one has anything on it.
    pub has_next: bool,
    /// How many items a page has, if the platform says so.
    pub size: Option<u64>,
    /// How many items there are in all, if the platform says so.
    pub total_items: Option<u64>,
    /// How many pages there are in all, if the platform says so.
    pub total_pages: Option<u64>,
}

impl<T: fmt::Debug> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("items", &self.items)
            .field("page", &self.page)
            .field("has_next", &self.has_next)
            .field("total_items", &self.total_items)
            .finish_non_exhaustive()
    }
}

/// The documents call the index `number`, the vendor's SDK and CLI call it `page`; every field can be missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage<T> {
    #[serde(default = "Option::default")]
    content: Option<Vec<T>>,
    page: Option<u32>,
    number: Option<u32>,
    size: Option<u64>,
    total_elements: Option<u64>,
    total_pages: Option<u64>,
    last: Option<bool>,
    has_next: Option<bool>,
}

impl<T> WirePage<T> {
    fn index(&self) -> Option<u32> {
        self.page.or(self.number)
    }

    fn read(self, asked: u32) -> Result<Page<T>, Error> {
        let page = self.index().unwrap_or(asked);
        let after = u64::from(page) + 1;
        let items = match self.content {
            Some(items) => items,
            None if self.total_elements == Some(0) => Vec::new(),
            None => return Err(Error::protocol("AgentBase answered a list without `content`")),
        };
        let has_next = self
            .has_next
            .or(self.last.map(|last| !last))
            .or(self.total_pages.map(|pages| after < pages))
            .or(self.total_elements.zip(self.size).map(|(items, size)| after.saturating_mul(size) < items))
            .unwrap_or(!items.is_empty());
        Ok(Page {
            items,
            page,
            has_next,
            size: self.size,
            total_items: self.total_elements,
            total_pages: self.total_pages,
        })
    }
}

/// A list of the management API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    pub(crate) operation: &'static str,
    pub(crate) collection: &'static [&'static str],
}

impl Listing {
    pub(crate) async fn page<T: DeserializeOwned>(
        self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<T>, Error> {
        let query = options.query()?;
        let mut url = caller.url(self.collection, &[])?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let reply = caller.send(Call::new(self.operation, Method::GET, url)).await?;
        reply.json::<WirePage<T>>()?.read(options.page.unwrap_or_default())
    }

    /// Every item of every page. Ends with an error if a page does not advance, for going on would never end and stopping
    /// would pass off a part as the whole.
    pub(crate) fn all<T>(self, caller: Caller) -> impl Stream<Item = Result<T, Error>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let pages = stream::try_unfold(Some(0_u32), move |next| {
            let caller = caller.clone();
            async move {
                let Some(index) = next else { return Ok(None) };
                let page: Page<T> = self.page(&caller, &ListOptions::new().with_page(index)).await?;
                let stuck = page.page != index || index >= MAX_PAGES || (page.has_next && page.items.is_empty());
                if stuck {
                    return Err(Error::protocol(format!(
                        "could not {} to the end: page {index} did not come, or the list does not end",
                        self.operation
                    )));
                }
                let next = page.has_next.then_some(index + 1);
                Ok(Some((stream::iter(page.items.into_iter().map(Ok::<T, Error>)), next)))
            }
        });
        pages.try_flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Page<String> {
        serde_json::from_str::<WirePage<String>>(text).unwrap().read(0).unwrap()
    }

    #[test]
    fn both_spellings_of_a_page_are_read_and_the_next_one_is_derived() {
        for (text, page, has_next) in [
            (r#"{"content":["a"],"page":0,"totalPages":1,"hasNext":false}"#, 0, false),
            (r#"{"content":["a"],"number":2,"size":1,"totalElements":9,"totalPages":9}"#, 2, true),
            (r#"{"content":["a"],"number":8,"totalPages":9}"#, 8, false),
            (r#"{"content":["a"],"page":1,"number":7,"last":false}"#, 1, true),
            (r#"{"content":["a"],"size":1,"totalElements":2}"#, 0, true),
            (r#"{"content":["a"],"size":2,"totalElements":2}"#, 0, false),
            (r#"{"content":["a"]}"#, 0, true),
            (r#"{"content":[]}"#, 0, false),
            (r#"{"content":null,"totalElements":0,"totalPages":0}"#, 0, false),
        ] {
            let read = read(text);
            assert_eq!((read.page, read.has_next), (page, has_next), "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_no_list_is_not_an_empty_list() {
        let error = serde_json::from_str::<WirePage<String>>("{}").unwrap().read(0).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Protocol);
    }

    #[test]
    fn options_are_checked_and_only_what_was_set_is_sent() {
        assert!(ListOptions::new().query().unwrap().is_empty());
        let options = ListOptions::new().with_page(0).with_size(20).with_sort("name", SortDirection::Ascending);
        let query = options.query().unwrap();
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(query, ["page=0", "size=20", "sortBy=name", "sortDirection=ASC"]);
        ListOptions::new().with_size(0).query().unwrap_err();
        for field in ["", "a&b", &"x".repeat(65)] {
            ListOptions::new().with_sort(field, SortDirection::Descending).query().unwrap_err();
        }
    }
}
