//! Matching routes as an HTTP API does: the most specific one, else `$default`.

use std::collections::HashMap;

use http::Method;
use matchit::Router;

use crate::template::Route;

/// The routes of the API.
#[derive(Default)]
pub(super) struct Routes {
    by_method: HashMap<Method, Router<Target>>,
    any_method: Router<Target>,
    default: Option<usize>,
}

#[derive(Clone)]
struct Target {
    key: String,
    function: usize,
    is_greedy: bool,
}

/// The route of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matched<'a> {
    /// The route key.
    pub(super) key: &'a str,
    /// The function's number.
    pub(super) function: usize,
    /// The path parameters, still encoded.
    pub(super) parameters: Vec<(&'a str, &'a str)>,
}

impl Routes {
    /// Adds a route to a function; `Err` says why it cannot be matched.
    pub(super) fn add(&mut self, route: &Route, function: usize) -> Result<(), String> {
        if route.path == "$default" {
            return match self.default.replace(function) {
                None => Ok(()),
                Some(_) => Err("is there twice".to_owned()),
            };
        }
        let target = Target { key: route.key(), function, is_greedy: route.path.contains("+}") };
        let router = if route.method == "ANY" {
            &mut self.any_method
        } else {
            let method = Method::from_bytes(route.method.as_bytes()).map_err(|e| e.to_string())?;
            self.by_method.entry(method).or_default()
        };
        router.insert(pattern(&route.path), target).map_err(|error| error.to_string())
    }

    /// The route for a request. Paths are compared segment by segment before they are decoded, so
    /// that an encoded slash does not begin a new segment.
    pub(super) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Option<Matched<'a>> {
        let by_method = self.by_method.get(method).and_then(|router| router.at(path).ok());
        let any_method = self.any_method.at(path).ok();
        let found = match (by_method, any_method) {
            // A path that is named beats a greedy one, whatever their methods.
            (Some(own), Some(any)) if own.value.is_greedy && !any.value.is_greedy => Some(any),
            (Some(own), _) => Some(own),
            (None, any) => any,
        };
        match found {
            Some(found) => Some(Matched {
                key: &found.value.key,
                function: found.value.function,
                parameters: found.params.iter().collect(),
            }),
            None => {
                self.default.map(|function| Matched { key: "$default", function, parameters: Vec::new() })
            }
        }
    }
}

/// `{proxy+}` is `{*proxy}` to the router.
fn pattern(path: &str) -> String {
    path.split('/')
        .map(|segment| {
            segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix("+}"))
                .map_or_else(|| segment.to_owned(), |name| format!("{{*{name}}}"))
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[(&str, &str)]) -> Routes {
        let mut routes = Routes::default();
        for (number, (method, path)) in keys.iter().enumerate() {
            let route = Route { method: (*method).to_owned(), path: (*path).to_owned() };
            routes.add(&route, number).unwrap();
        }
        routes
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = routes(&[
            ("GET", "/a/{id}"),
            ("GET", "/a/me"),
            ("ANY", "/a/{proxy+}"),
            ("ANY", "/b"),
            ("GET", "/{proxy+}"),
            ("ANY", "$default"),
        ]);
        let key = |method, path| routes.find(&method, path).unwrap().key.to_owned();
        assert_eq!(key(Method::GET, "/a/1"), "GET /a/{id}");
        assert_eq!(key(Method::GET, "/a/me"), "GET /a/me");
        assert_eq!(key(Method::PUT, "/a/me"), "ANY /a/{proxy+}");
        assert_eq!(key(Method::GET, "/a/1/2"), "GET /{proxy+}", "own method first");
        assert_eq!(key(Method::GET, "/b"), "ANY /b", "named beats greedy");
        assert_eq!(key(Method::PUT, "/c"), "$default");
        assert_eq!(key(Method::GET, "/"), "$default");
    }

    #[test]
    fn parameters_are_segments_as_sent() {
        let routes = routes(&[("GET", "/a/{id}/b/{sub}"), ("GET", "/f/{path+}")]);
        let parameters = |path| routes.find(&Method::GET, path).map(|m| m.parameters);
        assert_eq!(parameters("/a/x%2Fy/b/2"), Some(vec![("id", "x%2Fy"), ("sub", "2")]));
        assert_eq!(parameters("/f/1/2"), Some(vec![("path", "1/2")]));
        assert_eq!(parameters("/a/x/y/b/2"), None);
        assert_eq!(parameters("/a//b/2"), None);
    }

    #[test]
    fn a_route_given_twice_is_refused() {
        let mut routes = routes(&[("GET", "/a/{id}"), ("ANY", "$default")]);
        let route = |path: &str| Route { method: "GET".to_owned(), path: path.to_owned() };
        assert!(routes.add(&route("/a/{other}"), 9).is_err());
        assert!(routes.add(&route("$default"), 9).is_err());
    }
}
