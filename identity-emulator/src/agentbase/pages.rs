//! Lists: contract section 3.1.

use std::cmp::Ordering;

use http::Uri;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;

/// Page size when the request names none. The platform's is not documented.
const DEFAULT_SIZE: usize = 20;
/// The largest page. The platform's is not documented.
const LARGEST_SIZE: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortBy {
    Name,
    CreatedAt,
}

/// Which part of a list: page from 0, oldest first unless the query says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageQuery {
    page: usize,
    size: usize,
    sort_by: SortBy,
    descending: bool,
}

impl PageQuery {
    pub(super) fn read(uri: &Uri) -> Result<Self, ApiError> {
        let mut query = Self { page: 0, size: DEFAULT_SIZE, sort_by: SortBy::CreatedAt, descending: false };
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "page" => {
                    query.page = value.parse().map_err(|_| ApiError::invalid("page", "must be a number from 0"))?;
                }
                "size" => {
                    let size = value.parse().ok().filter(|size| (1..=LARGEST_SIZE).contains(size));
                    query.size = size.ok_or_else(|| ApiError::invalid("size", "must be a number from 1 to 1000"))?;
                }
                "sortBy" => {
                    query.sort_by = match value.as_ref() {
                        "name" => SortBy::Name,
                        "createdAt" => SortBy::CreatedAt,
                        _ => return Err(ApiError::invalid("sortBy", "must be name or createdAt")),
                    };
                }
                "sortDirection" => {
                    query.descending = match value.to_ascii_uppercase().as_str() {
                        "ASC" => false,
                        "DESC" => true,
                        _ => return Err(ApiError::invalid("sortDirection", "must be ASC or DESC")),
                    };
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// One page of these. Carries the page index under both names that the sources use.
    pub(super) fn cut<T, B: Serialize>(
        self,
        mut items: Vec<T>,
        sort: impl Fn(&T) -> (&str, Timestamp),
        body: impl Fn(&T) -> B,
    ) -> Value {
        items.sort_by(|left, right| {
            let ((left_name, left_time), (right_name, right_time)) = (sort(left), sort(right));
            let order = match self.sort_by {
                SortBy::Name => Ordering::Equal,
                SortBy::CreatedAt => left_time.cmp(&right_time),
            };
            let order = order.then_with(|| left_name.cmp(right_name));
            if self.descending { order.reverse() } else { order }
        });
        let total = items.len();
        let pages = total.div_ceil(self.size);
        let content: Vec<B> =
            items.iter().skip(self.page.saturating_mul(self.size)).take(self.size).map(body).collect();
        let last = self.page.saturating_add(1) >= pages;
        json!({
            "content": content,
            "page": self.page,
            "number": self.page,
            "size": self.size,
            "totalElements": total,
            "totalPages": pages,
            "first": self.page == 0,
            "last": last,
            "hasNext": !last,
            "hasPrevious": self.page > 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(query: &str, count: usize) -> Value {
        let uri: Uri = format!("/list?{query}").parse().unwrap();
        let items: Vec<String> = (0..count).map(|index| format!("item-{index:03}")).collect();
        PageQuery::read(&uri).unwrap().cut(items, |item| (item, Timestamp::UNIX_EPOCH), Clone::clone)
    }

    #[test]
    fn pages_count_from_zero() {
        let page = cut("page=1&size=2", 5);
        assert_eq!(page["content"], json!(["item-002", "item-003"]));
        assert_eq!((page["page"].as_u64(), page["number"].as_u64()), (Some(1), Some(1)));
        assert_eq!((page["totalElements"].as_u64(), page["totalPages"].as_u64()), (Some(5), Some(3)));
        assert_eq!((page["hasNext"].as_bool(), page["hasPrevious"].as_bool()), (Some(true), Some(true)));
        let last = cut("page=2&size=2", 5);
        assert_eq!((last["last"].as_bool(), last["hasNext"].as_bool()), (Some(true), Some(false)));
    }

    #[test]
    fn an_empty_list_is_first_and_last_and_a_page_beyond_is_empty() {
        let page = cut("", 0);
        assert_eq!(
            (page["first"].as_bool(), page["last"].as_bool(), page["totalPages"].as_u64()),
            (Some(true), Some(true), Some(0))
        );
        assert_eq!(cut("page=18446744073709551615&size=1000", 5)["content"], json!([]));
    }

    #[test]
    fn the_order_can_be_turned() {
        assert_eq!(cut("sortBy=name&sortDirection=desc&size=1", 3)["content"], json!(["item-002"]));
    }

    #[test]
    fn senseless_queries_are_refused_by_name() {
        for query in ["page=-1", "page=x", "size=0", "size=1001", "sortBy=secret", "sortDirection=up"] {
            let uri: Uri = format!("/list?{query}").parse().unwrap();
            let error = PageQuery::read(&uri).unwrap_err();
            assert!(error.message.starts_with(query.split('=').next().unwrap()), "{query}: {}", error.message);
        }
    }
}
