//! The 10,000 most common passwords.
//!
//! `frequent_passwords.txt` holds the first 10,000 of the ranked list in the crate zxcvbn 3.1.1 (MIT), sorted, one a line.
//! Most are shorter than what is accepted anyway; they stay, so that a lower limit would not open a hole.

const LIST: &str = include_str!("frequent_passwords.txt");

/// Returns whether a password is one of them, however it is capitalized.
pub(super) fn contains(password: &str) -> bool {
    let password = password.to_lowercase();
    let words: &[&str] = SORTED.get_or_init(|| LIST.lines().collect());
    words.binary_search(&password.as_str()).is_ok()
}

static SORTED: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_sorted() {
        let words: Vec<&str> = LIST.lines().collect();
        assert_eq!(words.len(), 10_000);
        assert!(words.is_sorted());
        assert!(words.iter().all(|word| word.to_lowercase() == **word && contains(word)));
        assert!(!contains("") && !contains("zzzzzzzzzzzzzzzz"));
    }
}
