//! Medians, and ratios of interleaved rounds.

/// The median; of an even number the mean of the two in the middle. `NaN` of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (n, mid) if n % 2 == 1 => sorted[mid],
        (_, mid) => f64::midpoint(sorted[mid - 1], sorted[mid]),
    }
}

/// The least. `NaN` of none.
pub fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

/// The value below which `share` of them lie. `NaN` of none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios, round by round.
pub fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&pairwise(of, to, |of, to| of / to))
}

/// The median of the differences, round by round.
pub fn difference(of: &[f64], to: &[f64]) -> f64 {
    median(&pairwise(of, to, |of, to| of - to))
}

fn pairwise(of: &[f64], to: &[f64], combine: fn(f64, f64) -> f64) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| combine(*of, *to)).collect()
}

/// Rounds to four digits, which is more than any of the figures is worth.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratio_is_of_rounds_and_not_of_medians() {
        // A machine that slowed down in the second and third round.
        let (of, to) = ([1.0, 20.0, 30.0], [2.0, 40.0, 10.0]);
        assert_eq!(ratio(&of, &to), 0.5);
        assert_eq!(difference(&of, &to), -1.0);
    }

    #[test]
    fn quantile_takes_a_value_that_was_measured() {
        let values: Vec<_> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(minimum(&values), 0.0);
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(rounded(123_456.0), 123_500.0);
        assert_eq!(rounded(0.012_345), 0.012_35);
    }
}
