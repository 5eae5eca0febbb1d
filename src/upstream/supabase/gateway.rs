//! The gateway's part: which service a path belongs to, and what it adds to answers for browsers (CORS).

use crate::upstream::answer::{Answer, Call};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN,
};
use http::{HeaderValue, StatusCode};

/// One of a project's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// PostgREST.
    Rest,
    /// PostgREST's own health.
    RestAdmin,
    /// Auth.
    Auth,
    /// Storage.
    Storage,
    /// Edge functions.
    Functions,
    /// Realtime.
    Realtime,
    /// GraphQL, which is a function of the database.
    Graphql,
}

/// The routes (WIRE-supabase §1): what a path begins with, and whose it is.
const ROUTES: [(&str, Service); 7] = [
    ("/rest/v1", Service::Rest),
    ("/auth/v1", Service::Auth),
    ("/storage/v1", Service::Storage),
    ("/functions/v1", Service::Functions),
    ("/realtime/v1", Service::Realtime),
    ("/rest-admin/v1", Service::RestAdmin),
    ("/graphql/v1", Service::Graphql),
];

impl Service {
    /// Whose a path is, and what is left of it behind the prefix.
    pub fn of(path: &str) -> Option<(Self, &str)> {
        ROUTES.iter().find_map(|(prefix, service)| match path.strip_prefix(prefix)? {
            "" => Some((*service, "")),
            rest => Some((*service, rest.strip_prefix('/')?)),
        })
    }
}

/// What a browser may read of an answer (PostgREST's list).
const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, \
                       Transfer-Encoding, Range-Unit";
/// What a browser may read of an answer of Auth.
const EXPOSED_BY_AUTH: &str = "X-Total-Count, Link, X-Supabase-Api-Version";

/// The answer to a browser that asks before it sends (`OPTIONS`), for which no key is needed.
pub fn preflight(call: &Call<'_>) -> Answer {
    let mut answer = Answer::empty(StatusCode::OK);
    let methods = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT");
    answer.headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    answer.headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    if let Some(wanted) = call.headers.get("access-control-request-headers") {
        answer.headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer
}

/// Lets every page read the answer, as the gateway's CORS plugin does.
pub fn allow_origins(answer: &mut Answer, call: &Call<'_>, service: Option<Service>) {
    answer.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if !call.headers.contains_key(ORIGIN) {
        return;
    }
    let exposed = match service {
        Some(Service::Rest) => EXPOSED,
        Some(Service::Auth) => EXPOSED_BY_AUTH,
        _ => return,
    };
    answer.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_services() {
        assert_eq!(Service::of("/rest/v1"), Some((Service::Rest, "")));
        assert_eq!(Service::of("/rest/v1/"), Some((Service::Rest, "")));
        assert_eq!(Service::of("/rest/v1/rpc/f"), Some((Service::Rest, "rpc/f")));
        assert_eq!(Service::of("/rest-admin/v1/ready"), Some((Service::RestAdmin, "ready")));
        assert_eq!(Service::of("/auth/v1/token"), Some((Service::Auth, "token")));
        assert_eq!(Service::of("/rest/v10/items"), None);
        assert_eq!(Service::of("/"), None);
    }
}
