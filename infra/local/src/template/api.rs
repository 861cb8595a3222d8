//! The HTTP API: what the gateway does before a function is called.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::TemplateError;
use super::resolve::Resolver;
use super::value::{Object, merge};

/// The settings of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Api {
    /// Cross-origin settings; without them the gateway adds no header of its own.
    pub cors: Option<Cors>,
    /// The limit shared by all routes that have none of their own.
    pub default_throttle: Option<Throttle>,
    /// Limits by route key, such as `POST /api/auth/login`.
    pub route_throttles: BTreeMap<String, Throttle>,
}

/// `CorsConfiguration` of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// Origins that may read answers; `*` is any.
    pub allow_origins: Vec<String>,
    /// Methods a preflight allows; `*` is any.
    pub allow_methods: Vec<String>,
    /// Request headers a preflight allows; `*` is any.
    pub allow_headers: Vec<String>,
    /// Response headers a page may read.
    pub expose_headers: Vec<String>,
    /// Whether cookies may be sent.
    pub allow_credentials: bool,
    /// How long a browser may keep a preflight's answer.
    pub max_age: Option<Duration>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Requests a second in the long run.
    pub rate: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

/// How many requests one client address may make in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRateLimit {
    /// Requests allowed in the window; the next one is refused.
    pub requests: NonZeroU32,
    /// The window.
    pub window: Duration,
}

pub(super) fn read(resolver: &Resolver<'_>) -> Result<Api, TemplateError> {
    let apis = resolver.resources("AWS::Serverless::HttpApi")?;
    let [api] = apis.as_slice() else {
        return Err(TemplateError::new(
            resolver.place(&[]),
            format!("one AWS::Serverless::HttpApi is needed, {} are there", apis.len()),
        ));
    };
    let globals = resolver.globals.and_then(|all| all.get("HttpApi"));
    let mut fields = serde_json::Map::new();
    for name in ["CorsConfiguration", "DefaultRouteSettings", "RouteSettings"] {
        let place = resolver.place(&["Globals", "HttpApi", name]);
        let global = match globals.and_then(|all| all.get(name)) {
            Some(value) => resolver.resolve(&place, value, 0)?,
            None => None,
        };
        if let Some(value) = merge(global, resolver.property(api, name)?) {
            fields.insert(name.to_owned(), value);
        }
    }
    let settings = Object { place: resolver.place(&[api.id]), fields };
    let mut route_throttles = BTreeMap::new();
    if let Some(routes) = settings.optional_object("RouteSettings")? {
        for route in routes.fields.keys() {
            if let Some(limits) = routes.optional_object(route)?
                && let Some(throttle) = throttle(&limits)?
            {
                route_throttles.insert(route.clone(), throttle);
            }
        }
    }
    Ok(Api {
        cors: settings.optional_object("CorsConfiguration")?.map(|object| cors(&object)).transpose()?,
        default_throttle: match settings.optional_object("DefaultRouteSettings")? {
            Some(limits) => throttle(&limits)?,
            None => None,
        },
        route_throttles,
    })
}

fn cors(object: &Object) -> Result<Cors, TemplateError> {
    Ok(Cors {
        allow_origins: object.texts("AllowOrigins")?,
        allow_methods: object.texts("AllowMethods")?,
        allow_headers: object.texts("AllowHeaders")?,
        expose_headers: object.texts("ExposeHeaders")?,
        allow_credentials: object.flag("AllowCredentials")?,
        max_age: object.optional_number("MaxAge")?.map(Duration::from_secs),
    })
}

fn throttle(object: &Object) -> Result<Option<Throttle>, TemplateError> {
    let rate = object.optional_number("ThrottlingRateLimit")?;
    let burst = object.optional_number("ThrottlingBurstLimit")?;
    match (rate, burst) {
        (None, None) => Ok(None),
        (Some(rate), Some(burst)) => Ok(Some(Throttle {
            rate: positive(object, "ThrottlingRateLimit", rate)?,
            burst: positive(object, "ThrottlingBurstLimit", burst)?,
        })),
        _ => Err(object.error("a throttle needs both its rate and its burst")),
    }
}

fn positive(object: &Object, name: &str, value: u64) -> Result<NonZeroU32, TemplateError> {
    u32::try_from(value)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| object.error(format!("{name} is out of range")))
}

/// The limit per address, which an HTTP API cannot express: two parameters of the stack.
pub(super) fn ip_rate_limit(resolver: &Resolver<'_>) -> Result<Option<IpRateLimit>, TemplateError> {
    let parameters = Object {
        place: resolver.place(&["Parameters"]),
        fields: ["IpRateLimit", "IpRateWindow"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), resolver.parameter(name)?.clone())))
            .collect(),
    };
    let Some(requests) = parameters.optional_number("IpRateLimit")? else {
        return Ok(None);
    };
    let window = parameters.number("IpRateWindow")?;
    Ok(Some(IpRateLimit {
        requests: positive(&parameters, "IpRateLimit", requests)?,
        window: Duration::from_secs(positive(&parameters, "IpRateWindow", window)?.get().into()),
    }))
}
