//! How faults go on in time.

use super::*;

proptest! {
    #[test]
    fn a_duty_cycle_hits_in_its_on_parts_only(from in 0..50_u64, on in 1..50_u64, off in 1..50_u64, moment in 0..500_u64) {
        let cycle = Some(DutyCycle { on: millis(on), off: millis(off) });
        let mut flaps = resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() });
        flaps.window.from = at(from);
        let hit = get("/").is_hit(&Engine::new(vec![flaps], Seed(1)), at(moment));
        prop_assert_eq!(hit, moment >= from && (moment - from) % (on + off) < on);
    }

    /// The edges are just the moments at which requests begin and cease to be hit.
    #[test]
    fn edges_and_decisions_tell_the_same(from in 0..5_u64, on in 1..5_u64, off in 1..5_u64, lasts in 1..30_u64) {
        let cycle = Some(DutyCycle { on: Span::from_secs(on), off: Span::from_secs(off) });
        let mut flaps = resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() });
        flaps.window = FaultWindow { from: Offset::from_secs(from), until: Some(Offset::from_secs(from + lasts)) };
        let rules = [flaps];
        let engine = Engine::new(rules.to_vec(), Seed(1));
        let mut lit = false;
        let mut seen = Vec::new();
        for second in 0..=from + lasts {
            let hit = get("/").is_hit(&engine, Offset::from_secs(second));
            if hit != lit {
                seen.push((second, hit));
                lit = hit;
            }
        }
        let planned: Vec<(u64, bool)> = edges(&rules).map(|edge| (edge.at.second(), edge.opens)).collect();
        prop_assert_eq!(planned, seen);
    }

    /// What a weaker ramp hits, a stronger one hits too; and delays grow with it.
    #[test]
    fn a_ramp_only_ever_adds(seed: u64, n in 1..10_000_u64, low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, percent in 1..=100_u32) {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let mut ramp = rule("r", FaultMatch::default(), lognormal(500));
        ramp.share = share(&format!("{percent}%"));
        let weak = decision_at(0, &ramp, Seed(seed), n, low);
        let strong = decision_at(0, &ramp, Seed(seed), n, high);
        prop_assert!(weak.is_none() || strong == weak, "the delay is not what is ramped");
        ramp.when.course.ramps = Ramped::Delay;
        let waits = |strength| match decision_at(0, &ramp, Seed(seed), n, strength) {
            Some(FaultDecision { action: FaultAction::Delay(span), .. }) => Some(span),
            None => None,
            Some(other) => panic!("{other:?}"),
        };
        prop_assert_eq!(waits(low).is_some(), waits(high).is_some(), "the share is not what is ramped");
        prop_assert!(waits(low) <= waits(high));
        prop_assert_eq!(waits(1.0), match decision(0, &ramp, Seed(seed), n).map(|d| d.action) {
            Some(FaultAction::Delay(span)) => Some(span),
            _ => None,
        });
    }
}

#[test]
fn a_ramp_hits_the_share_of_its_strength() {
    let course = Course { ramp_up: Span::from_secs(100), ..Course::default() };
    let mut ramp = resets("r", FaultMatch { course, ..FaultMatch::default() });
    ramp.window.until = Some(Offset::from_secs(200));
    ramp.share = share("80%");
    let engine = Engine::new(vec![ramp], Seed(11));
    for (second, expected) in [(0, 0.0), (25, 0.2), (50, 0.4), (100, 0.8), (150, 0.8)] {
        let hit = (0..4_000).filter(|_| get("/").is_hit(&engine, Offset::from_secs(second))).count();
        let (share, deviation) = (hit as f64 / 4_000.0, (expected * (1.0 - expected) / 4_000.0_f64).sqrt());
        assert!((share - expected).abs() <= 5.0 * deviation, "{share} and not {expected} at {second} s");
    }
}

#[test]
fn fast_cycles_and_endless_ones_have_edges_that_end_when_nobody_asks() {
    let flaps = |on: u64, off: u64| {
        let cycle = Some(DutyCycle { on: millis(on), off: millis(off) });
        resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() })
    };
    let mut fast = flaps(100, 100);
    fast.window.until = Some(Offset::from_secs(9));
    let rules = [fast, flaps(2_000, 3_000)];
    let seen: Vec<(u64, usize, bool)> =
        edges(&rules).take(7).map(|edge| (edge.at.second(), edge.rule, edge.opens)).collect();
    assert_eq!(
        seen,
        [(0, 0, true), (0, 1, true), (2, 1, false), (5, 1, true), (7, 1, false), (9, 0, false), (10, 1, true)]
    );
}
