//! Values to bins: so that a histogram has at most 255 of them, with about as many rows in each.

use crate::params::MIN_ROWS_IN_BIN;
use crate::rows::Columns;

/// Values looked at to place the cuts of a feature. More do not move a cut by a noticeable share of a bin.
const SAMPLE: usize = 200_000;

/// The cuts of one feature. Bin `b` holds what is at most `cuts[b]` and above `cuts[b - 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cuts {
    cuts: Vec<f64>,
    /// Whether the bin after the last cut's holds missing values.
    missing: bool,
}

impl Cuts {
    /// Places at most `bins` bins for a column.
    fn of(column: impl Iterator<Item = f64>, rows: usize, bins: usize) -> Self {
        let mut missing = false;
        let step = rows.div_ceil(SAMPLE).max(1);
        let mut values = Vec::with_capacity(rows.min(2 * SAMPLE));
        for (row, value) in column.enumerate() {
            missing |= value.is_nan();
            if row % step == 0 && !value.is_nan() {
                values.push(value);
            }
        }
        values.sort_unstable_by(f64::total_cmp);
        let counted: Vec<(f64, usize)> = values
            .chunk_by(|a, b| a == b)
            .filter_map(|equal| Some((*equal.first()?, equal.len())))
            .collect();
        let mut cuts = place(&counted, bins - usize::from(missing));
        // What is above all that was seen belongs to the last bin.
        cuts.push(f64::MAX);
        Self { cuts, missing }
    }

    /// Bins that hold values: at least one.
    pub(crate) fn bins(&self) -> usize {
        self.cuts.len()
    }

    /// The bin of missing values, if the feature has any.
    pub(crate) fn missing_bin(&self) -> Option<u8> {
        self.missing.then(|| as_bin(self.cuts.len()))
    }

    /// All bins.
    pub(crate) fn all(&self) -> usize {
        self.cuts.len() + usize::from(self.missing)
    }

    /// The upper end of a bin.
    pub(crate) fn threshold(&self, bin: u8) -> f64 {
        self.cuts.get(usize::from(bin)).copied().unwrap_or(f64::MAX)
    }

    /// Where a value belongs. A missing value of a feature that had none is in the bin after the last.
    fn bin(&self, value: f64) -> u8 {
        if value.is_nan() {
            as_bin(self.cuts.len())
        } else {
            as_bin(
                self.cuts
                    .partition_point(|cut| *cut < value)
                    .min(self.cuts.len() - 1),
            )
        }
    }
}

fn as_bin(bin: usize) -> u8 {
    u8::try_from(bin).unwrap_or(u8::MAX)
}

/// Cuts between sorted distinct values with their counts, for at most `bins` bins: every value that fills a bin
/// alone has one, the others share what is left evenly.
fn place(counted: &[(f64, usize)], bins: usize) -> Vec<f64> {
    let few = counted.len() <= bins;
    let total: usize = counted.iter().map(|(_, count)| count).sum();
    let even = total as f64 / bins as f64;
    let is_full = |count: usize| !few && count as f64 >= even;
    let full = counted.iter().filter(|(_, count)| is_full(*count)).count();
    let of_others: usize = counted
        .iter()
        .filter(|(_, count)| !is_full(*count))
        .map(|(_, count)| count)
        .sum();
    let (mut others, mut open_bins) = (of_others, bins - full);
    let mut share = others as f64 / open_bins.max(1) as f64;

    let mut cuts = Vec::with_capacity(bins);
    let mut in_bin = 0;
    for pair in counted.windows(2) {
        let [(value, count), (next, next_count)] = *pair else {
            continue;
        };
        in_bin += count;
        if !is_full(count) {
            others -= count;
        }
        let closed = if few {
            in_bin >= MIN_ROWS_IN_BIN
        } else {
            is_full(count)
                || in_bin as f64 >= share
                || is_full(next_count) && in_bin as f64 >= (share / 2.0).max(1.0)
        };
        if closed && cuts.len() + 1 < bins {
            cuts.push(between(value, next));
            in_bin = 0;
            if !few && !is_full(count) {
                open_bins = open_bins.saturating_sub(1).max(1);
                share = others as f64 / open_bins as f64;
            }
        }
    }
    cuts
}

/// A number that is at least `low` and below `high`: one that is short to write, near the middle.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    let short = f64::from(middle as f32);
    for cut in [short, middle] {
        if low <= cut && cut < high {
            return cut;
        }
    }
    low
}

/// All features in bins, column by column.
#[derive(Clone, Debug)]
pub(crate) struct Binned {
    columns: Vec<Vec<u8>>,
}

impl Binned {
    pub(crate) fn column(&self, feature: usize) -> &[u8] {
        self.columns.get(feature).map_or(&[], Vec::as_slice)
    }
}

/// The cuts of all features.
pub(crate) fn cut(columns: &Columns<'_>, bins: usize, threads: usize) -> Vec<Cuts> {
    for_features(columns, threads, |feature| {
        Cuts::of(columns.column(feature), columns.rows(), bins)
    })
}

/// Puts every value into its bin.
pub(crate) fn bin(columns: &Columns<'_>, cuts: &[Cuts], threads: usize) -> Binned {
    let columns = for_features(columns, threads, |feature| {
        let Some(cuts) = cuts.get(feature) else {
            return Vec::new();
        };
        columns.column(feature).map(|value| cuts.bin(value)).collect()
    });
    Binned { columns }
}

/// What `work` makes of each feature, in their order, on several threads.
fn for_features<T: Send>(columns: &Columns<'_>, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let features = columns.features();
    let mut made: Vec<Option<T>> = (0..features).map(|_| None).collect();
    let share = features.div_ceil(threads.max(1)).max(1);
    let work = &work;
    let fill = move |first: usize, made: &mut [Option<T>]| {
        for (offset, made) in made.iter_mut().enumerate() {
            *made = Some(work(first + offset));
        }
    };
    std::thread::scope(|scope| {
        let mut parts = made.chunks_mut(share).enumerate();
        let own = parts.next();
        for (number, part) in parts {
            scope.spawn(move || fill(number * share, part));
        }
        if let Some((_, part)) = own {
            fill(0, part);
        }
    });
    made.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts_of(values: &[f64], bins: usize) -> Cuts {
        Cuts::of(values.iter().copied(), values.len(), bins)
    }

    #[test]
    fn few_values_get_a_bin_each() {
        let values = [[1.0; 5], [2.0; 5], [4.0; 5]].concat();
        let cuts = cuts_of(&values, 255);
        assert_eq!(cuts.bins(), 3);
        assert_eq!(
            [1.0, 1.5, 1.6, 3.0, 3.1, 99.0].map(|value| cuts.bin(value)),
            [0, 0, 1, 1, 2, 2]
        );
        assert_eq!(cuts.missing_bin(), None);
    }

    #[test]
    fn missing_values_have_a_bin_of_their_own() {
        let cuts = cuts_of(&[[1.0; 5], [f64::NAN; 5]].concat(), 255);
        assert_eq!((cuts.bins(), cuts.all(), cuts.missing_bin()), (1, 2, Some(1)));
        assert_eq!((cuts.bin(7.0), cuts.bin(f64::NAN)), (0, 1));
        let none = cuts_of(&[f64::NAN; 5], 255);
        assert_eq!((none.bins(), none.missing_bin()), (1, Some(1)));
    }

    #[test]
    fn many_values_share_the_bins_evenly_and_a_frequent_one_has_its_own() {
        let mut values: Vec<f64> = (0..10_000).map(|i| f64::from(i) + 1.0).collect();
        values.extend([0.0; 5_000]);
        let cuts = cuts_of(&values, 16);
        assert_eq!(cuts.bins(), 16);
        let mut counts = vec![0; 16];
        for value in &values {
            counts[usize::from(cuts.bin(*value))] += 1;
        }
        assert_eq!(counts[0], 5_000, "{counts:?}");
        assert!(
            counts[1..].iter().all(|count| (600..750).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_cut_lies_at_or_above_the_lower_value_and_below_the_higher() {
        let tiny = 1.0_f64.next_up();
        for (low, high) in [
            (1.0, 2.0),
            (1.0, tiny),
            (-f64::MAX, f64::MAX),
            (0.1, 0.1_f64.next_up()),
            (-1e-300, 1e-300),
        ] {
            let cut = between(low, high);
            assert!(low <= cut && cut < high, "{low} {cut} {high}");
        }
    }

    #[test]
    fn bins_are_the_same_on_any_number_of_threads() {
        let values: Vec<f64> = (0..700).map(|i| f64::from(i * 7919 % 701)).collect();
        let columns = Columns::from_rows(&values, 7).unwrap();
        let cuts = cut(&columns, 20, 1);
        for threads in 2..10 {
            assert_eq!(cut(&columns, 20, threads), cuts);
            assert_eq!(
                bin(&columns, &cuts, threads).columns,
                bin(&columns, &cuts, 1).columns
            );
        }
    }
}
