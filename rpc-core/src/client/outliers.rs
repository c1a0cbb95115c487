//! Which servers answer well less often than the others.

/// What a server did in ten seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) answers: u32,
    pub(crate) failures: u32,
}

impl Record {
    /// Fewer calls say nothing.
    const CALLS: u32 = 100;

    fn rate(self) -> Option<f32> {
        let calls = self.answers.saturating_add(self.failures);
        (calls >= Self::CALLS).then(|| self.answers as f32 / calls as f32)
    }
}

/// For each record whether it stands out, and if so its rate and the mean, in percent: a rate of success below the mean
/// by more than 1.9 standard deviations, of at least 5 servers with at least 100 calls each (Envoy, gRFC A50).
///
/// Other than there it must be below by five points as well: of servers that are all good one is always the worst.
pub(crate) fn outliers(records: &[Record]) -> Vec<Option<(f32, f32)>> {
    const SERVERS: usize = 5;
    const DEVIATIONS: f32 = 1.9;
    const POINTS: f32 = 0.05;

    let rates: Vec<_> = records.iter().map(|record| record.rate()).collect();
    let known: Vec<_> = rates.iter().copied().flatten().collect();
    if known.len() < SERVERS {
        return vec![None; records.len()];
    }
    let count = known.len() as f32;
    let mean = known.iter().sum::<f32>() / count;
    let deviation = (known.iter().map(|rate| (rate - mean).powi(2)).sum::<f32>() / count).sqrt();
    let least = (mean - DEVIATIONS * deviation).min(mean - POINTS);
    rates.iter().map(|rate| rate.filter(|rate| *rate < least).map(|rate| (rate * 100.0, mean * 100.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &[(u32, u32)]) -> Vec<usize> {
        let records: Vec<_> = rates.iter().map(|&(answers, failures)| Record { answers, failures }).collect();
        let outliers = outliers(&records).into_iter().enumerate();
        outliers.filter(|(_, outlier)| outlier.is_some()).map(|(index, _)| index).collect()
    }

    #[test]
    fn one_that_fails_more_than_the_others_stands_out() {
        assert_eq!(of(&[(100, 0), (100, 0), (60, 40), (99, 1), (100, 0), (98, 2)]), [2]);
        assert!(of(&[(100, 0), (100, 0), (98, 2), (100, 0), (100, 0), (100, 0)]).is_empty(), "the worst of the good");
        assert!(of(&[(100, 0), (10, 40), (100, 0), (100, 0), (100, 0)]).is_empty(), "too few calls, and servers");
        assert!(of(&[(50, 50), (51, 49), (49, 51), (50, 50), (52, 48), (48, 52)]).is_empty(), "all alike");
        assert!(of(&[]).is_empty());
    }
}
