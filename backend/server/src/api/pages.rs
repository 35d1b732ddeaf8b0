//! Lists by page: `limit`, and a `cursor` that is opaque to whoever sends it back.

use std::str::FromStr;

use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::input::bad_query;
use crate::problem::Problem;

/// Entries of a page, at most and unless fewer are asked for.
pub(super) const MOST: usize = 50;

/// Returns how many entries are asked for.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(MOST),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(bad_query(format!("limit is a number from 1 to {MOST}"))),
    }
}

/// Returns a place as a cursor.
pub(super) fn cursor(place: impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// Returns the place that a cursor stands for.
pub(super) fn place<T: FromStr>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text.and_then(|text| text.parse().ok()) {
        Some(place) => Ok(Some(place)),
        None => Err(no_cursor()),
    }
}

fn no_cursor() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "cursor.invalid", "This is no cursor of this list")
        .because("take it from `next` of the page before, or leave it out to begin at the first page")
}

/// Cuts a page out of a short list that is at hand as a whole; returns it with the cursor of the next one.
pub(super) fn cut<T, I: PartialEq + FromStr + ToString>(
    entries: Vec<T>,
    id: impl Fn(&T) -> I,
    (asked, after): (Option<usize>, Option<&str>),
) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = limit(asked)?;
    let begin = match place::<I>(after)? {
        None => 0,
        // An entry that was shown a moment ago and is gone cannot be gone on from.
        Some(last) => entries.iter().position(|entry| id(entry) == last).ok_or_else(no_cursor)? + 1,
    };
    let has_more = entries.len() > begin.saturating_add(limit);
    let page: Vec<T> = entries.into_iter().skip(begin).take(limit).collect();
    let next = page.last().filter(|_| has_more).map(|last| cursor(id(last)));
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_to_the_end_and_nothing_twice() {
        let all: Vec<u32> = (1..=7).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = cut(all.clone(), |n| *n, (Some(3), after.as_deref())).unwrap();
            seen.extend(page);
            let Some(next) = next else { break };
            after = Some(next);
        }
        assert_eq!(seen, all);
        assert_eq!(cut(all.clone(), |n| *n, (Some(7), None)).unwrap().1, None);
        assert!(cut(all.clone(), |n| *n, (None, Some(&cursor(9)))).is_err());
        assert!(cut(all, |n| *n, (None, Some("***"))).is_err());
    }

    #[test]
    fn a_page_has_one_to_fifty_entries() {
        assert_eq!(limit(None).unwrap(), MOST);
        for bad in [0, MOST + 1] {
            assert!(limit(Some(bad)).is_err(), "{bad}");
        }
    }
}
