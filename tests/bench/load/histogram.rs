//! A latency histogram with a bounded relative error: every power of two is cut into 64 equal buckets (under 1.6 %).
//!
//! The layout is HdrHistogram's; only recording and quantiles exist here.
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts stay below 2^52, values below 2^40, and indices are small"
)]

const SUB_BITS: u32 = 6;
const SUB_COUNT: usize = 1 << SUB_BITS;
/// 2^40 ns are 18 minutes: longer than any run.
const LARGEST_BITS: u32 = 40;

pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let octaves = (LARGEST_BITS - SUB_BITS + 1) as usize;
        Self { buckets: vec![0; (octaves + 1) * SUB_COUNT], count: 0, largest: 0 }
    }
}

impl Histogram {
    /// Counts one value in nanoseconds.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        let value = nanoseconds.min((1 << LARGEST_BITS) - 1);
        if let Some(bucket) = self.buckets.get_mut(index(value)) {
            *bucket += 1;
        }
        self.count += 1;
        self.largest = self.largest.max(nanoseconds);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max_ns(&self) -> u64 {
        self.largest
    }

    /// The smallest bucket value that at least this share of all values does not exceed.
    pub(crate) fn quantile_ns(&self, share: f64) -> u64 {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= wanted {
                return upper_edge(index).min(self.largest);
            }
        }
        self.largest
    }
}

/// Values below 64 have a bucket each; above, the six bits after the leading one choose the bucket of the octave.
fn index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    shift as usize * SUB_COUNT + (value >> shift) as usize
}

fn upper_edge(index: usize) -> u64 {
    let shift = (index / SUB_COUNT).saturating_sub(1);
    let mantissa = (index - shift * SUB_COUNT) as u64;
    ((mantissa + 1) << shift) - 1
}
