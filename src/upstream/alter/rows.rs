//! `reordered_rows`: a list in another order.

use super::Edit;
use crate::units::Seed;
use crate::upstream::answer::Call;
use bytes::Bytes;
use http::Method;
use serde_json::value::RawValue;

/// Shuffles a list.
pub struct Shuffled {
    draw: Seed,
}

impl Shuffled {
    /// For a call that asks for rows in no order; `None` for every other one.
    pub fn of(call: &Call<'_>, draw: Seed) -> Option<Self> {
        let rows = matches!(*call.method, Method::GET) && call.path.starts_with("/rest/v1/");
        let ordered = call.query.split('&').any(|part| part.starts_with("order="));
        (rows && !ordered).then_some(Self { draw })
    }
}

impl Edit for Shuffled {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        if body.trim_ascii_start().first() != Some(&b'[') {
            return None;
        }
        let mut rows: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
        let before: Vec<&str> = rows.iter().map(|row| row.get()).collect();
        // Fisher and Yates.
        for last in (1..rows.len()).rev() {
            let other = self.draw.draw(&[last as u64]) % (last as u64 + 1);
            rows.swap(last, usize::try_from(other).unwrap_or(last));
        }
        if rows.iter().map(|row| row.get()).eq(before.iter().copied()) {
            // The one order that nobody would notice: any other will do.
            let by = usize::from(!rows.is_empty());
            rows.rotate_left(by);
            if rows.iter().map(|row| row.get()).eq(before.iter().copied()) {
                return None;
            }
        }
        serde_json::to_vec(&rows).ok().map(Bytes::from)
    }
}
