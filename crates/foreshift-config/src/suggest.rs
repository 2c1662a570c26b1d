//! "Did you mean".

/// The known word nearest to what was written, if near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = (written.chars().count() / 3).max(2);
    let written = written.to_lowercase().replace('-', "_");
    known
        .map(|word| (distance(&written, word), word))
        .filter(|(steps, word)| *steps <= near_enough && *steps < word.chars().count())
        .min()
        .map(|(_, word)| word)
}

/// What to say when a word is not among the known ones.
pub(crate) fn hint<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    match nearest(written, known) {
        Some(word) => format!("did you mean `{word}`? Known here: {all}"),
        None if all.is_empty() => "remove it: nothing is expected here".to_owned(),
        None => format!("known here: {all}"),
    }
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, j) + usize::from(x != *y);
            let mut least = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous == Some(*y) && b.get(j - 1) == Some(&x);
            if swapped {
                least = least.min(at(&before_last, j - 1) + 1);
            }
            row.push(least);
        }
        previous = Some(x);
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_finds_its_word() {
        let known = ["criticality", "capacity", "targets"];
        assert_eq!(nearest("critcality", known.into_iter()), Some("criticality"));
        assert_eq!(nearest("capactiy", known.into_iter()), Some("capacity"));
        assert_eq!(nearest("zebra", known.into_iter()), None);
    }

    #[test]
    fn a_swap_is_one_step() {
        assert_eq!(distance("bsae", "base"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
