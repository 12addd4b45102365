//! Lists of the management API, page by page.

use futures_util::{Stream, TryStreamExt as _, stream};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    call::{Call, Caller, Plane},
    form::Form,
};
use crate::{error::Error, wire::or_default};

/// No account has more pages than this of anything; a list that goes on does not end.
const MAX_PAGES: u32 = 10_000;

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOptions {
    size: Option<u32>,
    next: Option<String>,
}

impl ListOptions {
    /// The first page, in the platform's own size.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many items a page, 1 to 1000.
    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }

    /// The page after the one that gave this token, see [`Page::next`].
    #[must_use]
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The token of the next one; nothing on the last.
    pub next: Option<String>,
    /// How many items there are in all, if the platform says so.
    pub total: Option<u64>,
}

/// Each list calls its items by their own name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePage<T> {
    #[serde(
        alias = "IdentityProviders",
        alias = "WorkloadIdentities",
        alias = "OAuth2CredentialProviders",
        alias = "APIKeyCredentialProviders",
        alias = "TokenVaults"
    )]
    items: Vec<T>,
    #[serde(default, deserialize_with = "or_default")]
    next_token: String,
    total_count: Option<u64>,
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
        vault: Option<&str>,
        options: &ListOptions,
    ) -> Result<Page<T>, Error> {
        if options.size.is_some_and(|size| !(1..=1000).contains(&size)) {
            return Err(Error::invalid("a page has 1 to 1000 items"));
        }
        let size = options.size.map(|size| size.to_string());
        let form = Form::new()
            .text_if("MaxResults", size.as_deref())
            .text_if("NextToken", options.next.as_deref())
            .text_if("TokenVaultName", vault);
        let answer = caller.send(&Call::new(Plane::Control, self.operation, self.action, form)).await?;
        let WirePage { items, next_token, total_count } = answer.json()?;
        Ok(Page { items, next: Some(next_token).filter(|token| !token.is_empty()), total: total_count })
    }

    /// Every item of every page. Ends with an error if a page does not advance, for going on would never end and stopping would
    /// pass off a part as the whole.
    pub(crate) fn all<T>(self, caller: Caller, vault: Option<String>) -> impl Stream<Item = Result<T, Error>> + Send
    where
        T: DeserializeOwned + Send + 'static,
    {
        let first = Some((0_u32, ListOptions::new()));
        let pages = stream::try_unfold(first, move |state| {
            let (caller, vault) = (caller.clone(), vault.clone());
            async move {
                let Some((index, options)) = state else { return Ok(None) };
                let page: Page<T> = self.page(&caller, vault.as_deref(), &options).await?;
                if index >= MAX_PAGES || (page.next.is_some() && page.next == options.next) {
                    return Err(Error::protocol(format!(
                        "could not {} to the end: the list does not end",
                        self.operation
                    )));
                }
                let next = page.next.map(|next| (index + 1, ListOptions::new().after(next)));
                Ok(Some((stream::iter(page.items.into_iter().map(Ok::<T, Error>)), next)))
            }
        });
        pages.try_flatten()
    }
}
