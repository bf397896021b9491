//! What 99 of 100 took at most.

/// The value that at least 99 of 100 do not exceed (the nearest rank); `None` of nothing.
pub(super) fn p99(mut values: Vec<u32>) -> Option<u32> {
    values.sort_unstable();
    let rank = (values.len() * 99).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_may_take_longer() {
        assert_eq!(p99(Vec::new()), None);
        assert_eq!(p99(vec![7]), Some(7));
        assert_eq!(p99((1..=100).rev().collect()), Some(99));
        assert_eq!(p99((1..=101).collect()), Some(100));
        assert_eq!(p99((1..=99).collect()), Some(99));
    }
}
