//! Lists, a page at a time.

use futures_util::{Stream, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::call::{Call, Caller};
use crate::error::Error;

/// Far more than any account has; a list that does not end by then never ends.
const MAX_PAGES: u32 = 10_000;
/// Items a page, unless asked otherwise.
const PAGE_SIZE: u32 = 50;

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOptions {
    /// Which page; the first is 1.
    pub page: u32,
    /// How many items a page.
    pub size: u32,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { page: 1, size: PAGE_SIZE }
    }
}

impl ListOptions {
    /// The first page, of 50 items.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which page; the first is 1.
    #[must_use]
    pub fn with_page(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    /// How many items a page, at least 1. The platform's limit is documented nowhere.
    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Which page it is; the first is 1.
    pub page: u32,
    /// Whether there is another one after it. If the platform gives nothing to tell by: whether this one is full.
    pub has_next: bool,
    /// How many items there are in all, if the platform says so.
    pub total: Option<u64>,
}

/// Each list calls its items after itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePage<T> {
    #[serde(
        default = "Option::default",
        alias = "WorkloadIdentities",
        alias = "Oauth2CredentialProviders",
        alias = "ApiKeyCredentialProviders",
        alias = "CredentialProviders",
        alias = "InboundAuthConfigs"
    )]
    data: Option<Vec<T>>,
    page_number: Option<u32>,
    total_count: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a, F> {
    page_number: u32,
    page_size: u32,
    #[serde(flatten)]
    filter: &'a F,
}

/// A list of the management API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    pub(crate) operation: &'static str,
    pub(crate) action: &'static str,
}

impl Listing {
    pub(crate) async fn page<T: DeserializeOwned>(
        self,
        caller: &Caller,
        filter: &(impl Serialize + Sync),
        options: ListOptions,
    ) -> Result<Page<T>, Error> {
        if options.page == 0 || options.size == 0 {
            return Err(Error::invalid("pages are counted from 1, and have at least one item"));
        }
        let body = Body { page_number: options.page, page_size: options.size, filter };
        let page: WirePage<T> = caller.send(Call::new(self.operation, self.action, &body)?).await?;
        let items = match page.data {
            Some(items) => items,
            None if page.total_count == Some(0) => Vec::new(),
            None => return Err(Error::protocol(format!("could not {}: the answer holds no list", self.operation))),
        };
        let number = page.page_number.unwrap_or(options.page);
        let seen = u64::from(number) * u64::from(options.size);
        let full = items.len() as u64 >= u64::from(options.size);
        let has_next = page.total_count.map_or(full, |total| seen < total);
        Ok(Page { items, page: number, has_next, total: page.total_count })
    }

    /// Every item of every page. Ends with an error if a page does not advance, for going on would never end and stopping
    /// would pass off a part as the whole.
    pub(crate) fn all<T, F>(self, caller: Caller, filter: F) -> impl Stream<Item = Result<T, Error>> + Send
    where
        T: DeserializeOwned + Send + 'static,
        F: Serialize + Send + Sync + 'static,
    {
        let pages = stream::try_unfold((Some(1_u32), caller, filter), move |(next, caller, filter)| async move {
            let Some(number) = next else { return Ok(None) };
            let page: Page<T> = self.page(&caller, &filter, ListOptions::new().with_page(number)).await?;
            if page.page != number || number >= MAX_PAGES || (page.has_next && page.items.is_empty()) {
                return Err(Error::protocol(format!(
                    "could not {} to the end: page {number} did not come, or the list does not end",
                    self.operation
                )));
            }
            let next = page.has_next.then_some(number + 1);
            Ok(Some((stream::iter(page.items.into_iter().map(Ok::<T, Error>)), (next, caller, filter))))
        });
        pages.try_flatten()
    }
}
