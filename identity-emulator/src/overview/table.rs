//! A section with a table, or with what to do as long as there is nothing to show.

use jiff::Timestamp;

use crate::html::Markup;

/// How many rows a table has at most.
pub(super) const MOST: usize = 50;

pub(super) struct Section {
    /// Of the heading, unique on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) columns: &'static [&'static str],
    /// What to do when there is nothing.
    pub(super) empty: Markup,
}

/// A cell that holds text only.
pub(super) fn cell(text: impl std::fmt::Display) -> Markup {
    Markup::default().text(text)
}

/// A cell that holds something to be read to the letter.
pub(super) fn code(text: impl std::fmt::Display) -> Markup {
    Markup::new("<code>").text(text).raw("</code>")
}

/// The newest of these, and how many there are in all.
pub(super) fn newest<T>(items: impl Iterator<Item = T>, created_at: impl Fn(&T) -> Timestamp) -> (Vec<T>, usize) {
    let mut items: Vec<T> = items.collect();
    let total = items.len();
    // Stable: what is of the same moment stays in the order of its names.
    items.sort_by_key(|item| std::cmp::Reverse(created_at(item)));
    items.truncate(MOST);
    (items, total)
}

impl Section {
    /// `order` says how the rows are sorted; `total` is how many there would be. The first cell of a row is its header.
    pub(super) fn render(self, order: &str, rows: &[Vec<Markup>], total: usize) -> Markup {
        let section = Markup::new("<section>\n<h2 id=\"").raw(self.id).raw("\">").raw(self.title).raw("</h2>\n");
        if rows.is_empty() {
            return section.raw("<p>").join(&self.empty).raw("</p>\n</section>\n");
        }
        let left = total.saturating_sub(rows.len());
        // Reachable by keyboard, so that a table wider than the screen can be scrolled without a pointer.
        let mut table = section
            .raw("<div class=\"table\" role=\"region\" tabindex=\"0\" aria-labelledby=\"")
            .raw(self.id)
            .raw("\">\n<table>\n<caption>")
            .text(total)
            .text(if total == 1 { " in all" } else { " in all, " })
            .text(if total == 1 { "" } else { order });
        if left > 0 {
            table = table.text("; ").text(left).text(" more are not shown");
        }
        table = table.raw("</caption>\n<thead>\n<tr>");
        for column in self.columns {
            table = table.raw("<th scope=\"col\">").raw(column).raw("</th>");
        }
        table = table.raw("</tr>\n</thead>\n<tbody>\n");
        for row in rows {
            table = table.raw("<tr>");
            for (index, cell) in row.iter().enumerate() {
                table = match index {
                    0 => table.raw("<th scope=\"row\">").join(cell).raw("</th>"),
                    _ => table.raw("<td>").join(cell).raw("</td>"),
                };
            }
            table = table.raw("</tr>\n");
        }
        table.raw("</tbody>\n</table>\n</div>\n</section>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_rest_is_counted() {
        let second = |count: i64| Timestamp::from_second(count).unwrap();
        let (rows, total) = newest(0..60, |count| second(*count));
        assert_eq!((rows.len(), rows[0], rows[49], total), (MOST, 59, 10, 60));
    }
}
