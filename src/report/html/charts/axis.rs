//! Ticks that read well and never overlap.

/// Steps of a time axis that read well, in seconds.
const TIME_STEPS: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
    43_200.0, 86_400.0,
];

/// Ticks of a time axis of `secs` seconds with room for `room` labels.
pub fn time_ticks(secs: f64, room: f64) -> Vec<f64> {
    let room = room.max(1.0);
    let step = TIME_STEPS.into_iter().find(|step| secs / step <= room).unwrap_or_else(|| {
        let days = (secs / room / 86_400.0).ceil();
        days * 86_400.0
    });
    multiples(step, secs)
}

/// Ticks from zero to at least `max`, about `n` of them, at 1, 2 or 5 times a power of `base`-like tens.
pub fn linear_ticks(max: f64, n: f64) -> Vec<f64> {
    if !max.is_finite() || max <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = max / n;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= rough).unwrap_or(power * 10.0);
    up_to(step, max)
}

/// Ticks in whole units from zero to at least `max`, about `n` of them: for things that come in wholes.
pub fn whole_ticks(max: f64, n: f64) -> Vec<f64> {
    if max <= n { up_to(1.0, max.max(1.0)) } else { linear_ticks(max, n) }
}

/// Ticks of a memory axis in bytes, at round numbers of MiB.
pub fn byte_ticks(max: f64, n: f64) -> Vec<f64> {
    let mib = f64::from(1 << 20);
    let rough = (max / n / mib).max(0.01);
    let mut step = 0.0625;
    while step < rough {
        step *= 2.0;
    }
    // Powers of two up to 64 MiB, then round hundreds, which people read more easily: 100, 200, 500, 1000 …
    if step > 64.0 {
        step = linear_ticks(max / mib, n).get(1).copied().unwrap_or(step);
    }
    up_to(step * mib, max)
}

/// Ticks of a logarithmic axis that covers `min` to `max`: powers of ten, with 2 and 5 between them if few.
pub fn log_ticks(min: f64, max: f64) -> Vec<f64> {
    let (low, high) = (min.log10().floor() as i32, max.log10().ceil() as i32);
    let between: &[f64] = if high - low <= 2 {
        &[1.0, 2.0, 5.0]
    } else if high - low <= 3 {
        &[1.0, 3.0]
    } else {
        &[1.0]
    };
    (low..=high).flat_map(|power| between.iter().map(move |b| b * 10_f64.powi(power))).collect()
}

fn multiples(step: f64, max: f64) -> Vec<f64> {
    (0..=(max / step + 1e-9).floor() as u32).map(|i| f64::from(i) * step).collect()
}

fn up_to(step: f64, max: f64) -> Vec<f64> {
    (0..=(max / step - 1e-9).ceil().max(1.0) as u32).map(|i| f64::from(i) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ticks_are_few_and_cover(max in 1e-6_f64..1e13, n in 2.0_f64..8.0) {
            for ticks in [linear_ticks(max, n), whole_ticks(max, n), byte_ticks(max, n)] {
                prop_assert!(ticks.len() >= 2 && ticks.len() <= n as usize + 3, "{ticks:?}");
                prop_assert!(ticks.last().is_some_and(|last| *last >= max * 0.999_999), "{max} {ticks:?}");
            }
        }

        #[test]
        fn time_ticks_never_crowd(secs in 1.0_f64..1e8, room in 2.0_f64..14.0) {
            let ticks = time_ticks(secs, room);
            prop_assert!(!ticks.is_empty() && ticks.len() as f64 <= room + 1.0);
        }
    }

    #[test]
    fn log_ticks_are_round() {
        assert_eq!(log_ticks(0.05, 30.0).first().copied(), Some(0.01));
        assert!(log_ticks(0.05, 30.0).last().is_some_and(|last| *last >= 30.0));
    }
}
