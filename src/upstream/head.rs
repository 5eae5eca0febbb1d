//! [`HeadFaults`]: what faults do to the headers of an answer.

use super::fire::Fire;
use crate::model::fault::{Headers, WrongContentType};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};

enum HeadFault {
    Headers(Headers),
    ContentType(WrongContentType),
}

/// In the order of their rules, behind everything that is done to the content: what is set here is what goes out.
#[derive(Default)]
pub struct HeadFaults(Vec<(HeadFault, Fire)>);

impl HeadFaults {
    /// Sets and removes headers.
    pub fn headers(&mut self, headers: Headers, fire: Fire) {
        self.0.push((HeadFault::Headers(headers), fire));
    }

    /// Names another type.
    pub fn content_type(&mut self, wrong: WrongContentType, fire: Fire) {
        self.0.push((HeadFault::ContentType(wrong), fire));
    }

    /// Changes the headers of an answer; `has_body` if there is something that has a type. What is so already is not
    /// hit.
    pub fn apply(self, headers: &mut HeaderMap, has_body: bool) {
        for (fault, mut fire) in self.0 {
            let changed = match fault {
                HeadFault::ContentType(wrong) => has_body && set(headers, CONTENT_TYPE, &wrong.value),
                HeadFault::Headers(wanted) => {
                    let removed = wanted.remove.iter().fold(false, |any, name| headers.remove(name).is_some() | any);
                    wanted.set.iter().fold(removed, |any, (name, value)| {
                        let name = HeaderName::from_bytes(name.as_bytes());
                        name.is_ok_and(|name| set(headers, name, value)) | any
                    })
                }
            };
            if changed {
                fire.now();
            }
        }
    }
}

/// Sets a header; whether that changed something. What is no header value is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) -> bool {
    let Ok(value) = HeaderValue::from_str(value) else { return false };
    let mut before = headers.get_all(&name).iter();
    if before.next() == Some(&value) && before.next().is_none() {
        return false;
    }
    headers.insert(name, value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn applied(set: &[(&str, &str)], remove: &[&str], to: &mut HeaderMap) -> bool {
        let fired = Arc::<AtomicBool>::default();
        let own = Arc::clone(&fired);
        let mut faults = HeadFaults::default();
        let set: BTreeMap<_, _> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let remove = remove.iter().map(|name| (*name).to_owned()).collect();
        faults.headers(Headers { set, remove }, Fire::new(move || own.store(true, Ordering::Relaxed)));
        faults.apply(to, true);
        fired.load(Ordering::Relaxed)
    }

    #[test]
    fn only_what_changes_something_fires() {
        let mut headers = HeaderMap::new();
        assert!(!applied(&[], &["x"], &mut headers));
        assert!(applied(&[("x", "1")], &[], &mut headers));
        assert!(!applied(&[("x", "1")], &[], &mut headers));
        headers.append("x", HeaderValue::from_static("2"));
        assert!(applied(&[("x", "1")], &[], &mut headers), "one of two is another thing");
        assert_eq!(headers.get_all("x").iter().count(), 1);
        assert!(applied(&[], &["x"], &mut headers));
        assert!(headers.is_empty());
        assert!(!applied(&[("not a name", "1")], &[], &mut headers));
    }
}
