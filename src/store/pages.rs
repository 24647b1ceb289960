//! Whether the pages of a list move on: a server may say that there is more for ever.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use crate::error::{Category, Error, Result, Retryability, code};
use crate::net::limits::{MAX_ID_BYTES, MAX_PAGES_WITHOUT_PROGRESS};

/// Where an item stands in its list: by its key, and among those of one key by an id.
pub type Position<'a> = (&'a str, &'a str);

/// What is known of the pages of one list, in constant space.
#[derive(Debug, Default)]
pub struct Pages {
    seen: u64,
    /// The item that stands last of all so far.
    last: Option<(String, String)>,
    without_progress: u32,
    /// The hash of an earlier marker, kept since page `kept_at` (Brent, "An improved Monte Carlo factorization algorithm",
    /// 1980): markers that repeat in a cycle of any length meet it.
    kept: Option<u64>,
    kept_at: u64,
}

impl Pages {
    /// Takes note of a page: its last item, and the marker of the next page, if there is one.
    ///
    /// # Errors
    /// `ERR_PROTOCOL`: the next page would not bring anything new, as far as can be determined.
    pub fn next(&mut self, last: Option<Position<'_>>, marker: Option<&str>) -> Result<()> {
        self.seen += 1;
        self.note_items(last);
        let Some(marker) = marker else { return Ok(()) };
        if marker.len() > MAX_ID_BYTES {
            return Err(stuck(&format!("a marker has {} bytes, more than the limit of {MAX_ID_BYTES}", marker.len())));
        }
        if self.without_progress >= MAX_PAGES_WITHOUT_PROGRESS {
            return Err(stuck(&format!("{MAX_PAGES_WITHOUT_PROGRESS} pages in a row, the limit, brought nothing new")));
        }
        let mut hasher = DefaultHasher::new();
        marker.hash(&mut hasher);
        let hash = hasher.finish();
        if self.kept == Some(hash) {
            return Err(stuck(&format!("page {} has the marker of an earlier page", self.seen)));
        }
        if self.kept.is_none() || self.seen >= self.kept_at.saturating_mul(2) {
            (self.kept, self.kept_at) = (Some(hash), self.seen);
        }
        Ok(())
    }

    fn note_items(&mut self, last: Option<Position<'_>>) {
        let moved_on = last.is_some_and(|(key, id)| match &self.last {
            None => true,
            // Ids of one key come in the order of time.
            Some((last_key, last_id)) => key > last_key.as_str() || (key == last_key && id != last_id),
        });
        if moved_on {
            self.last = last.map(|(key, id)| (key.to_owned(), id.to_owned()));
            self.without_progress = 0;
        } else {
            self.without_progress += 1;
        }
    }
}

fn stuck(why: &str) -> Error {
    let detail = format!("the storage's list does not end: {why}; is this server the one that is meant?");
    Error::new(code::PROTOCOL, Category::Service, Retryability::Permanent, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pages are taken, of at most `most`.
    fn taken(pages: impl Iterator<Item = (Option<String>, String)>, most: usize) -> usize {
        let mut known = Pages::default();
        pages
            .take(most)
            .take_while(|(last, marker)| known.next(last.as_deref().map(|key| (key, "")), Some(marker)).is_ok())
            .count()
    }

    #[test]
    fn pages_with_new_items_and_new_markers_are_taken() {
        let honest = (0..100_000).map(|n| (Some(format!("{n:09}")), format!("token {n}")));
        assert_eq!(taken(honest, usize::MAX), 100_000);
    }

    #[test]
    fn some_empty_pages_are_taken_and_endless_ones_are_not() {
        let some = (0..1000).map(|n| ((n % 50 == 0).then(|| format!("{n:09}")), format!("token {n}")));
        assert_eq!(taken(some, usize::MAX), 1000);
        let endless = (0..).map(|n| (None, format!("token {n}")));
        assert_eq!(taken(endless, 1_000_000), MAX_PAGES_WITHOUT_PROGRESS as usize - 1);
    }

    #[test]
    fn the_same_items_under_new_markers_are_no_progress() {
        for period in 1..5 {
            let again = (0..).map(|n| (Some(format!("{}", n % period)), format!("token {n}")));
            assert!(taken(again, 1_000_000) < 2 * MAX_PAGES_WITHOUT_PROGRESS as usize, "{period}");
        }
    }

    #[test]
    fn markers_in_a_cycle_of_any_length_are_found() {
        for (before, cycle) in [(0, 1), (0, 2), (1, 1), (5, 3), (100, 17), (3, 1000)] {
            let place = |n: usize| if n < before { n } else { before + (n - before) % cycle };
            let pages = (0..).map(|n| (Some(format!("{n:09}")), format!("token {}", place(n))));
            let count = taken(pages, 1_000_000);
            assert!(count >= cycle && count <= 4 * (before + cycle), "{before} {cycle}: {count}");
        }
    }

    #[test]
    fn markers_too_long_for_a_url_end_the_list() {
        let fits = "a".repeat(MAX_ID_BYTES);
        Pages::default().next(Some(("key", "")), Some(&fits)).expect("long enough for any server");
        assert!(Pages::default().next(Some(("key", "")), Some(&(fits + "a"))).is_err());
    }

    #[test]
    fn uploads_of_one_key_are_distinguished_by_their_ids() {
        let mut known = Pages::default();
        for n in 0..1000 {
            let id = format!("{}", (n * 7919) % 1000);
            known.next(Some(("key", &id)), Some(&format!("{n}"))).expect("another upload");
        }
    }

    #[test]
    fn the_last_page_ends_it_whatever_it_has() {
        let mut known = Pages::default();
        for _ in 0..1000 {
            known.next(None, None).expect("the end");
        }
    }
}
